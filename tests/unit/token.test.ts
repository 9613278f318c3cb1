import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMillraceError } from '../../schemas/errors.ts'
import { decodeToken, encodeToken } from '../../services/edge/token.ts'

const at = (partition: number, offset: number) => ({ topic: 'interactions', partition, offset })
const refusalOf = (token: string, logId = 'log-1') => {
  try {
    decodeToken(token, logId, 'interactions')
    return 'accepted'
  } catch (error) {
    return isMillraceError(error, 'INVALID_TOKEN') && error.field === 'after' ? error.message : `threw ${error}`
  }
}

test('a token asks for the offset after the highest of each partition', () => {
  const token = encodeToken('log-1', [at(3, 7), at(3, 9), at(0, 0), at(3, 8)])
  expect(token).toMatch(/^[A-Za-z0-9_-]+$/)
  expect(decodeToken(token, 'log-1', 'interactions')).toEqual(
    new Map([
      ['interactions/3', 10],
      ['interactions/0', 1],
    ]),
  )
})

test('any log id and any positions come back', () => {
  const position = fc.record({ partition: fc.nat(1_023), offset: fc.nat({ max: Number.MAX_SAFE_INTEGER - 1 }) })
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.array(position, { minLength: 1, maxLength: 20 }), (logId, list) => {
      const wanted = new Map<string, number>()
      for (const { partition, offset } of list) {
        const place = `interactions/${partition}`
        wanted.set(place, Math.max(offset + 1, wanted.get(place) ?? 0))
      }
      const positions = list.map(({ partition, offset }) => at(partition, offset))
      expect(decodeToken(encodeToken(logId, positions), logId, 'interactions')).toEqual(wanted)
    }),
  )
})

test('a token of another log is refused as foreign', () => {
  expect(refusalOf(encodeToken('log-2', [at(0, 1)]))).toMatch(/another event log/)
})

test('a damaged token is refused: every single changed, dropped or added character', () => {
  const token = encodeToken('log-1', [at(0, 41), at(5, 2)])
  const bytes = Buffer.from(token, 'base64url')
  for (let byte = 0; byte < bytes.length; byte++) {
    const damaged = Buffer.from(bytes)
    damaged[byte] = (damaged[byte] as number) ^ 1
    expect(refusalOf(damaged.toString('base64url'))).toMatch(/malformed/)
  }
  for (const text of [
    '',
    'x',
    token.slice(2),
    `AAAA${token}`,
    `${token}!`,
    ` ${token}`,
    'null',
    '%00',
    token.repeat(2),
  ]) {
    expect(refusalOf(text)).toMatch(/malformed/)
  }
})
