import { createClient } from 'redis'
import { expect, test } from 'vitest'
import type { Swap } from '../../stores/user-state/port.ts'
import { openRedisUserState } from '../../stores/user-state/redis/user-state.ts'
import { eventually } from '../support/eventually.ts'
import { startPrivateServices } from './private-services.ts'
import { REFERENCE, referenceUser, seeded } from './reference-users.ts'

const USERS = 100_000
const BATCH = 500
const SEED = 20_260_101
const GIB_PER_MILLION_MAX = 0.8

/** The formula of redis/encoding.ts: bytes of the record of a user. */
function recordBytes(user: { partitions: number; ids: number; items: number; idBytes: number; sums: number }): number {
  return 14 + 6 * user.partitions + 6 * user.ids + user.items * (5 + user.idBytes) + 8 * user.sums
}

/** jemalloc's size classes: 16 apart up to 128, then four to a doubling. */
function rounded(bytes: number): number {
  const step = bytes <= 128 ? 16 : 2 ** (Math.ceil(Math.log2(bytes)) - 3)
  return Math.ceil(bytes / step) * step
}

test(`${USERS} reference users take what the formula says, and at most ${GIB_PER_MILLION_MAX} GiB a million`, async () => {
  await using services = await startPrivateServices(['redis'])
  const client = createClient({ url: services.url('redis') })
  await client.connect()
  const used = async () => Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1])
  const { signal } = new AbortController()
  const options = { listEntriesMax: 10, now: () => Date.now(), warn: () => {} }
  await using state = await openRedisUserState(services.url('redis'), options)
  const random = seeded(SEED)
  const before = await used()
  const predicted: number[] = []
  let swapMs = 0
  for (let start = 0; start < USERS; start += BATCH) {
    const swaps = Array.from({ length: BATCH }, (_, index): Swap => {
      const next = referenceUser(random)
      const sums = next.history.filter(({ strength }) => !Number.isInteger(strength)).length
      const parts = { partitions: 1, ids: next.eventIdHashes.length, items: next.history.length, idBytes: 6, sums }
      predicted.push(rounded(recordBytes(parts) + 6) + rounded(8 + 2) + 32 + 8)
      return { userId: `u${1_000_000 + start + index}`, expectedRevision: 0, next }
    })
    const begun = performance.now()
    expect((await state.swap(swaps, { signal })).every(Boolean)).toBe(true)
    swapMs += performance.now() - begun
  }
  // What a slow disk has not taken yet is memory too, but not the users'.
  await eventually(() => client.info('persistence'), (info) => /^aof_buffer_length:0\r?$/m.test(info), 30_000) // biome-ignore format: one line
  const perUser = ((await used()) - before) / USERS
  client.destroy()
  const formula = predicted.reduce((sum, bytes) => sum + bytes, 0) / USERS
  const gibPerMillion = (perUser * 1_000_000) / 2 ** 30
  console.info(
    `seed ${SEED}: ${perUser.toFixed(1)} bytes a user, formula ${formula.toFixed(1)} (and up to 8 more), ` +
      `${gibPerMillion.toFixed(3)} GiB a million; ${Math.round(USERS / (swapMs / 1_000))} swaps/s in calls of ${BATCH}`,
  )
  expect(await state.totals({ signal })).toEqual({ users: USERS, events: USERS * REFERENCE.events })
  expect(perUser).toBeGreaterThan(formula * 0.97)
  expect(perUser).toBeLessThan((formula + 8) * 1.03)
  expect(gibPerMillion).toBeLessThanOrEqual(GIB_PER_MILLION_MAX)
}, 120_000)
