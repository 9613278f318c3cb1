import { pino } from 'pino'
import { expect, test } from 'vitest'
import { MillraceError } from '../../schemas/errors.ts'
import { createOutages } from '../../services/runtime/outages.ts'

function open() {
  const lines: Record<string, unknown>[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  let time = 1_000_000
  const outages = createOutages({ logger: pino({ base: null, timestamp: false }, stream), now: () => time })
  const advance = (milliseconds: number) => {
    time += milliseconds
  }
  return { outages, lines, advance }
}

const away = (reason: string) => new MillraceError('STORE_UNAVAILABLE', `the store is away: ${reason}`)

test('an outage is told once with its reason, and once that it is over', () => {
  const { outages, lines, advance } = open()
  for (let attempt = 1; attempt <= 5; attempt++) {
    outages.failed(away(`attempt ${attempt}`), 'the sink waits')
    advance(10_000)
  }
  outages.passed('LOG_UNAVAILABLE')
  expect(lines).toEqual([{ level: 40, code: 'STORE_UNAVAILABLE', msg: 'the sink waits: the store is away: attempt 1' }])
  outages.passed()
  outages.passed()
  const end = { level: 30, code: 'STORE_UNAVAILABLE', failures: 5, seconds: 50 }
  expect(lines.slice(1)).toEqual([{ ...end, msg: 'STORE_UNAVAILABLE is over after 50 s' }])
  outages.failed(away('again'), 'the sink waits')
  expect(lines).toHaveLength(3)
})

test('outages of different kinds are told apart, and one after a long quiet is a new one', () => {
  const { outages, lines, advance } = open()
  outages.failed(away('first'), 'w')
  outages.failed(Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' }), 'w')
  expect(lines.map(({ code }) => code)).toEqual(['STORE_UNAVAILABLE', 'ENOSPC'])
  advance(59_000)
  outages.failed(away('still'), 'w')
  advance(60_000)
  outages.failed(away('much later'), 'w')
  expect(lines.slice(2).map(({ msg }) => msg)).toEqual(['w: the store is away: much later'])
})

test('what nobody foresaw is logged whole, each time', () => {
  const { outages, lines } = open()
  for (let time = 1; time <= 2; time++) outages.failed(new TypeError('x is not a function'), 'the sink waits')
  expect(lines).toHaveLength(2)
  expect(lines[1]).toMatchObject({ level: 50, msg: 'the sink waits', err: { stack: expect.stringContaining('at ') } })
})
