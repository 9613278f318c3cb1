import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../../schemas/errors.ts'
import { parseKafkaUrl } from '../../streams/event-log/kafka/address.ts'

describe('the URL of a Kafka cluster', () => {
  test('brokers alone are enough; the rest has defaults', () => {
    expect(parseKafkaUrl('kafka://one:19092,two,[::1]:9093')).toEqual({
      brokers: ['one:19092', 'two:9092', '[::1]:9093'],
      sasl: null,
      tls: null,
      compression: 'gzip',
      sessionTimeoutMs: 10_000,
      replication: null,
      clientId: 'millrace',
    })
  })

  test('credentials, TLS and tuning come with it', () => {
    const address = parseKafkaUrl(
      'kafka://me%40here:p%3Aw%2F1@broker:9093?mechanism=scram-sha-512&tls=true&ca=ca.pem&cert=c.pem&key=k.pem&compression=zstd&sessionTimeoutMs=6000&replication=3&clientId=edge',
    )
    expect(address).toEqual({
      brokers: ['broker:9093'],
      sasl: { mechanism: 'scram-sha-512', username: 'me@here', password: 'p:w/1' },
      tls: { caFile: 'ca.pem', certFile: 'c.pem', keyFile: 'k.pem' },
      compression: 'zstd',
      sessionTimeoutMs: 6_000,
      replication: 3,
      clientId: 'edge',
    })
  })

  test.each([
    ['kafka://', /form kafka:/],
    ['kafka://a:0', /broker "a:0"/],
    ['kafka://a:99999', /broker "a:99999"/],
    ['kafka://a,,b', /broker ""/],
    ['kafka://a?compresion=gzip', /unknown parameter compresion/],
    ['kafka://a?compression=lz4', /compression=lz4; possible are none, gzip, zstd/],
    ['kafka://a?sessionTimeoutMs=6s', /sessionTimeoutMs=6s/],
    ['kafka://a?ca=x.pem', /without tls=true/],
    ['kafka://a?mechanism=plain', /no user:password@/],
    ['kafka://secretive@a', /not user:password/],
    ['kafka://u:secret@a?mechanism=gssapi', /mechanism=gssapi/],
    ['kafka://u:%E0%A4%A@a', /percent-encoding/],
  ])('%s is refused with its reason and without the password', (url, reason) => {
    let error: unknown = null
    try {
      parseKafkaUrl(url)
    } catch (thrown) {
      error = thrown
    }
    expect(isMillraceError(error, 'CONFIG_INVALID')).toBe(true)
    expect(error).toMatchObject({ field: 'LOG_URL', message: expect.stringMatching(reason) })
    expect((error as Error).message).not.toContain('secret')
  })
})
