import { describe, expect, test } from 'vitest'
import type { Interaction } from '../../schemas/interaction.ts'
import { openCodecs } from '../../streams/codec/open.ts'
import type { LogRecord } from '../../streams/event-log/port.ts'
import { checkEventTime, readInteraction } from '../../streams/interactions.ts'

const now = Date.UTC(2026, 0, 1)
const rules = { eventWeights: { weights: { view: 1 }, valueScaledTypes: new Set<string>() }, now }
const valid: Interaction = {
  operation: 'assert',
  eventId: 'e1',
  userId: 'u1',
  itemId: 'i1',
  type: 'view',
  timestamp: now - 1_000,
  value: 2.5,
  requestId: null,
  context: { page: 'home' },
}

describe('reading an interaction from the log', async () => {
  const codecs = await openCodecs({ registryUrl: '', folder: null })
  const recordOf = (interaction: Interaction, other: Partial<LogRecord> = {}): LogRecord => ({
    topic: 'interactions',
    partition: 3,
    offset: 77,
    key: interaction.userId,
    value: codecs.interaction.encode(interaction),
    headers: {},
    appendedAt: now,
    ...other,
  })

  test('a valid one becomes an event with the position it was read from', () => {
    const place = { topic: 'interactions', partition: 3, offset: 77, appendedAt: now }
    expect(readInteraction(recordOf(valid), codecs, rules)).toEqual({ event: { ...valid, ...place } })
  })

  test('one without an id takes its position, and after a replay the first one', () => {
    const anonymous = { ...valid, eventId: null }
    expect(readInteraction(recordOf(anonymous), codecs, rules)).toMatchObject({
      event: { eventId: 'interactions/3/77' },
    })
    const headers = {
      'kafka_dlt-original-topic': 'interactions',
      'kafka_dlt-original-partition': '3',
      'kafka_dlt-original-offset': '12',
    }
    const replayed = readInteraction(recordOf(anonymous, { headers }), codecs, rules)
    expect(replayed).toMatchObject({ event: { eventId: 'interactions/3/12', offset: 77 } })
    const partial = { 'kafka_dlt-original-topic': 'interactions', 'kafka_dlt-original-offset': '-1' }
    const forged = readInteraction(recordOf(anonymous, { headers: partial }), codecs, rules)
    expect(forged).toMatchObject({ event: { eventId: 'interactions/3/77' } })
  })

  test.each<[string, Partial<Interaction>, Partial<LogRecord>, string, RegExp]>([
    ['a retract', { operation: 'retract' }, {}, 'OPERATION_NOT_SUPPORTED', /retract/],
    ['an erase', { operation: 'erase' }, {}, 'OPERATION_NOT_SUPPORTED', /erase/],
    ['a foreign key', {}, { key: 'u2' }, 'INVALID_EVENT', /key "u2"/],
    ['no key', {}, { key: null }, 'INVALID_EVENT', /key null/],
    ['no value', {}, { value: null }, 'INVALID_EVENT', /no value/],
    ['bytes of something else', {}, { value: Buffer.from('hello world') }, 'INVALID_EVENT', /wire format/],
    ['an empty user id', { userId: '' }, {}, 'INVALID_EVENT', /userId/],
    ['a user id with a space', { userId: 'a b' }, {}, 'INVALID_EVENT', /userId/],
    ['an item id of 10 kB', { itemId: 'i'.repeat(10_240) }, {}, 'INVALID_EVENT', /itemId/],
    ['an item id with a control character', { itemId: 'i\u0000' }, {}, 'INVALID_EVENT', /itemId/],
    ['an event id beyond ASCII', { eventId: 'é' }, {}, 'INVALID_EVENT', /eventId/],
    ['an empty request id', { requestId: '' }, {}, 'INVALID_EVENT', /requestId/],
    ['an unknown type', { type: 'dance' }, {}, 'UNKNOWN_EVENT_TYPE', /dance/],
    ['a type named like an object member', { type: 'constructor' }, {}, 'UNKNOWN_EVENT_TYPE', /constructor/],
    ['a type that is no type', { type: 'View!' }, {}, 'INVALID_EVENT', /type/],
    ['a time in 1970', { timestamp: 0 }, {}, 'TIMESTAMP_OUT_OF_RANGE', /2000/],
    ['a time in 2999', { timestamp: Date.UTC(2999, 0) }, {}, 'TIMESTAMP_OUT_OF_RANGE', /5 minutes/],
    ['an infinite value', { value: Infinity }, {}, 'INVALID_EVENT', /value Infinity/],
    ['a value that is no number', { value: Number.NaN }, {}, 'INVALID_EVENT', /value NaN/],
    ['a long context value', { context: { a: 'x'.repeat(257) } }, {}, 'INVALID_EVENT', /context/],
    ['a record above 64 KiB', { context: { a: 'x'.repeat(70_000) } }, {}, 'PAYLOAD_TOO_LARGE', /65536/],
    [
      '33 context entries',
      { context: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`k${at}`, 'v'])) },
      {},
      'INVALID_EVENT',
      /context/,
    ],
  ])('%s is refused with its reason', (_name, change, other, code, detail) => {
    const result = readInteraction(recordOf({ ...valid, ...change }, other), codecs, rules)
    expect(result).toEqual({ rejected: { code, detail: expect.stringMatching(detail) } })
  })
})

test('event times from 2000 to five minutes ahead are accepted, to the millisecond', () => {
  const first = Date.UTC(2000, 0, 1)
  expect(checkEventTime(first, now)).toBeNull()
  expect(checkEventTime(first - 1, now)?.code).toBe('TIMESTAMP_OUT_OF_RANGE')
  expect(checkEventTime(now + 300_000, now)).toBeNull()
  expect(checkEventTime(now + 300_001, now)?.code).toBe('TIMESTAMP_OUT_OF_RANGE')
  expect(checkEventTime(Number.NaN, now)?.code).toBe('TIMESTAMP_OUT_OF_RANGE')
})
