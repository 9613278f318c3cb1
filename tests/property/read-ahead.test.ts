import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createDoneCheck, type PendingRow, ReadAhead } from '../../services/cli/import/read-ahead.ts'

const LIMITS = { eventsMax: 7, eventsPerUserMax: 3 }
const rowOf = (row: number, user: number): PendingRow => ({
  row,
  line: row + 2,
  event: { userId: `u${user}`, itemId: 'i', type: 'view' },
})

test('whatever the order of users and wherever it is interrupted, every row is sent once and a user in order', () => {
  const input = fc.record({
    users: fc.array(fc.nat(2), { minLength: 1, maxLength: 80, size: 'max' }),
    interruptAfter: fc.nat(6),
    readAhead: fc.integer({ min: 1, max: 30 }),
  })
  let resumed = 0
  fc.assert(
    fc.property(input, ({ users, interruptAfter, readAhead }) => {
      const sent: PendingRow[] = []
      let progress: ReturnType<ReadAhead['progress']> = { nextRow: 0, doneRanges: [] }
      for (const batchesMax of [interruptAfter, Number.POSITIVE_INFINITY]) {
        const isDone = createDoneCheck(progress)
        const ahead = new ReadAhead(LIMITS, progress.nextRow)
        let batches = 0
        const send = () => {
          if (batches++ >= batchesMax) return
          const batch = ahead.take()
          const perUser = Map.groupBy(batch, ({ event }) => event.userId)
          expect(batch.length).toBeLessThanOrEqual(LIMITS.eventsMax)
          for (const rows of perUser.values()) expect(rows.length).toBeLessThanOrEqual(LIMITS.eventsPerUserMax)
          sent.push(...batch)
          progress = ahead.progress()
        }
        for (const [row, user] of users.entries()) {
          if (isDone(row)) ahead.readPast(row)
          else ahead.add(rowOf(row, user))
          if (ahead.size >= readAhead) send()
        }
        while (ahead.size > 0 && batches < batchesMax) send()
        if (progress.doneRanges.length > 0) resumed++
      }
      expect(sent.map(({ row }) => row).sort((left, right) => left - right)).toEqual(users.map((_, row) => row))
      for (const rows of Map.groupBy(sent, ({ event }) => event.userId).values()) {
        const order = rows.map(({ row }) => row)
        expect(order).toEqual([...order].sort((left, right) => left - right))
      }
      expect(progress).toEqual({ nextRow: users.length, doneRanges: [] })
    }),
    { numRuns: 500 },
  )
  expect(resumed).toBeGreaterThan(20)
})
