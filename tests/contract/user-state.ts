import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EMPTY_USER, type UserRecord } from '../../schemas/user-record.ts'
import type { CachedList, UserState } from '../../stores/user-state/port.ts'

export interface UserStateTraits {
  /** Lists survive a reopening. */
  readonly keepsLists: boolean
}

/** What every UserState adapter must do. `open` opens the same state each time; `now` is the clock it was given. */
export function userStateContract(
  name: string,
  open: (now: () => number) => Promise<UserState>,
  traits: UserStateTraits,
): void {
  describe(`user state: ${name}`, () => {
    const signal = new AbortController().signal
    const wait = { timeoutMs: 10_000, signal }
    let time = 1_000_000
    /** A server lets lists go by its own clock: long enough for what is asked meanwhile. */
    const ttlMs = 60_000
    let state: UserState
    const newUser = () => `user-${randomUUID()}`
    const versions = { modelVersion: '3', catalogueRevision: 'c1' }
    const listOf = (userRevision: number): CachedList => ({ userRevision, ...versions, body: `list ${userRevision}` })

    const kept = (record: UserRecord) => (state.keepsFactors ? record : { ...record, factors: null })

    beforeAll(async () => {
      state = await open(() => time)
    })
    afterAll(() => state[Symbol.asyncDispose]())

    async function write(userId: string, ...records: UserRecord[]): Promise<void> {
      for (const next of records) {
        expect(await state.swap([{ userId, expectedRevision: next.revision - 1, next }], { signal })).toEqual([true])
      }
    }

    test('an unknown user is null, never zeros', async () => {
      expect(await state.get(newUser(), { signal })).toBeNull()
      expect(await state.getMany([newUser(), newUser()], { signal })).toEqual([null, null])
    })

    test('a record comes back as it was written, also after reopening', async () => {
      const userId = newUser()
      await write(userId, fullRecord(1))
      expect(await state.get(userId, { signal })).toEqual(kept(fullRecord(1)))
      await state[Symbol.asyncDispose]()
      state = await open(() => time)
      expect(await state.get(userId, { signal })).toEqual(kept(fullRecord(1)))
      expect(await state.getMany([newUser(), userId], { signal })).toEqual([null, kept(fullRecord(1))])
    })

    test('a swap from a revision that has moved on changes nothing, and the others of the call are judged alone', async () => {
      const [zombie, fresh] = [newUser(), newUser()]
      await write(zombie, fullRecord(1), fullRecord(2))
      const swaps = [
        { userId: zombie, expectedRevision: 1, next: { ...EMPTY_USER, revision: 2 } },
        { userId: fresh, expectedRevision: 0, next: fullRecord(1) },
        { userId: newUser(), expectedRevision: 4, next: fullRecord(5) },
      ]
      expect(await state.swap(swaps, { signal })).toEqual([false, true, false])
      expect(await state.get(zombie, { signal })).toEqual(kept(fullRecord(2)))
      expect(await state.get(fresh, { signal })).toEqual(kept(fullRecord(1)))
    })

    test('of many swaps from one revision at the same time exactly one takes effect', async () => {
      const userId = newUser()
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          state.swap([{ userId, expectedRevision: 0, next: { ...EMPTY_USER, revision: 1, events: index } }], {
            signal,
          }),
        ),
      )
      const winner = results.findIndex(([won]) => won)
      expect(results.filter(([won]) => won)).toHaveLength(1)
      expect((await state.get(userId, { signal }))?.events).toBe(winner)
    })

    test('totals follow every swap that took effect', async () => {
      const before = await state.totals({ signal })
      const userId = newUser()
      await write(userId, { ...fullRecord(1), events: 3 }, { ...fullRecord(2), events: 10 })
      await state.swap([{ userId, expectedRevision: 0, next: { ...fullRecord(1), events: 99 } }], { signal })
      expect(await state.totals({ signal })).toEqual({ users: before.users + 1, events: before.events + 10 })
    })

    test('applied offsets are kept, and lowered only where it is allowed', async () => {
      const topic = randomUUID()
      const own = async () =>
        [...(await state.applied({ signal }))].filter(([partition]) => partition.startsWith(topic)).sort()
      await state.setApplied(new Map([[`${topic}/0`, 5]]), { signal })
      await state.setApplied(new Map([[`${topic}/0`, 3], [`${topic}/1`, 0]]), { signal }) // biome-ignore format: one line
      expect(await own()).toEqual([[`${topic}/0`, 5], [`${topic}/1`, 0]]) // biome-ignore format: one line
      await state.setApplied(new Map([[`${topic}/0`, 2]]), { signal, allowLower: true })
      await state[Symbol.asyncDispose]()
      state = await open(() => time)
      expect(await own()).toEqual([[`${topic}/0`, 2], [`${topic}/1`, 0]]) // biome-ignore format: one line
    })

    test('a state that has lost what was applied refuses to be read and continued as if it had not', async () => {
      const [userId, partition] = [newUser(), `${randomUUID()}/0`]
      const atLeast = new Map([[partition, 5]])
      await state.setApplied(atLeast, { signal })
      expect(await state.getMany([userId], { signal, atLeast })).toEqual([null])
      await state.setApplied(new Map([[partition, 3]]), { signal, allowLower: true })
      const fallen = { code: 'STATE_UNAVAILABLE', message: expect.stringContaining(`${partition} fell from 5 to 3`) }
      await expect(state.getMany([userId], { signal, atLeast })).rejects.toMatchObject(fallen)
      const next = new Map([[partition, 6]])
      await expect(state.setApplied(next, { signal, atLeast })).rejects.toMatchObject(fallen)
      expect((await state.applied({ signal })).get(partition)).toBe(3)
      await state.setApplied(next, { signal, atLeast: new Map([[partition, 3]]) })
      expect((await state.applied({ signal })).get(partition)).toBe(6)
      const never = new Map([[`${partition}/never`, 1]])
      await expect(state.getMany([userId], { signal, atLeast: never })).rejects.toMatchObject({
        code: 'STATE_UNAVAILABLE',
      })
    })

    test('a wait ends when every partition has been applied, not before', async () => {
      const topic = randomUUID()
      const target = new Map([[`${topic}/0`, 2], [`${topic}/1`, 1]]) // biome-ignore format: one line
      const events: string[] = []
      const waiting = state.waitApplied(target, wait).then((reached) => events.push(`reached ${reached}`))
      await state.setApplied(new Map([[`${topic}/0`, 2]]), { signal })
      await state.setApplied(new Map([[`${topic}/1`, 0]]), { signal })
      events.push('half')
      await state.setApplied(new Map([[`${topic}/1`, 1]]), { signal })
      await waiting
      expect(events).toEqual(['half', 'reached true'])
      expect(await state.waitApplied(target, { timeoutMs: 0, signal })).toBe(true)
    })

    test('a wait for what never comes ends false after its time, and with ABORTED on its signal', async () => {
      const target = new Map([[`${randomUUID()}/0`, 1]])
      expect(await state.waitApplied(target, { timeoutMs: 5, signal })).toBe(false)
      const control = new AbortController()
      const waiting = state.waitApplied(target, { timeoutMs: 10_000, signal: control.signal })
      control.abort()
      await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    })

    test('a list is served while user, model and catalogue are the ones it was computed from', async () => {
      const userId = newUser()
      await write(userId, fullRecord(1))
      expect(await state.putList(userId, 'home', listOf(1), { ttlMs })).toBe(true)
      expect(await state.getList(userId, 'home', versions)).toEqual(listOf(1))
      expect(await state.getList(userId, 'other', versions)).toBeNull()
      expect(await state.getList(userId, 'home', { ...versions, modelVersion: '4' })).toBeNull()
      expect(await state.getList(userId, 'home', { ...versions, catalogueRevision: 'c2' })).toBeNull()
      await write(userId, fullRecord(2))
      expect(await state.getList(userId, 'home', versions)).toBeNull()
    })

    test('a list computed before an event is refused after it, for users without a past too', async () => {
      const userId = newUser()
      expect(await state.putList(userId, 'home', listOf(0), { ttlMs })).toBe(true)
      await write(userId, fullRecord(1))
      expect(await state.getList(userId, 'home', versions)).toBeNull()
      expect(await state.putList(userId, 'home', listOf(0), { ttlMs })).toBe(false)
      expect(await state.getList(userId, 'home', versions)).toBeNull()
      expect(await state.putList(userId, 'home', listOf(1), { ttlMs })).toBe(true)
    })

    test('a list ends with its time to live', async () => {
      const userId = newUser()
      await state.putList(userId, 'home', listOf(0), { ttlMs })
      time += ttlMs - 1
      expect(await state.getList(userId, 'home', versions)).toEqual(listOf(0))
      time += 1
      expect(await state.getList(userId, 'home', versions)).toBeNull()
    })

    test(`a reopened state ${traits.keepsLists ? 'keeps' : 'forgets'} its lists`, async () => {
      const userId = newUser()
      await state.putList(userId, 'home', listOf(0), { ttlMs })
      await state[Symbol.asyncDispose]()
      state = await open(() => time)
      expect((await state.getList(userId, 'home', versions)) !== null).toBe(traits.keepsLists)
    })

    test('clear forgets users, lists, applied offsets, totals and the recipe', async () => {
      const userId = newUser()
      await write(userId, fullRecord(1))
      await state.putList(userId, 'home', listOf(1), { ttlMs })
      await state.setRecipe('r1', { signal })
      expect(await state.recipe({ signal })).toBe('r1')
      await state.clear({ signal })
      expect(await state.get(userId, { signal })).toBeNull()
      expect(await state.getList(userId, 'home', versions)).toBeNull()
      expect(await state.applied({ signal })).toEqual(new Map())
      expect(await state.totals({ signal })).toEqual({ users: 0, events: 0 })
      expect(await state.recipe({ signal })).toBeNull()
      const [, again] = await Promise.all([
        state.clear({ signal }),
        state.swap([{ userId, expectedRevision: 0, next: fullRecord(1) }], { signal }),
      ])
      expect(again).toEqual([true])
      expect(await state.get(userId, { signal })).toEqual(kept(fullRecord(1)))
      expect((await state.totals({ signal })).users).toBe(1)
    })

    test('what was read before a clear cannot be written after it, although revisions begin at 1 again', async () => {
      const [userId, partition] = [newUser(), `${randomUUID()}/0`]
      const before = await state.generation({ signal })
      await write(userId, fullRecord(1))
      const after = await state.clear({ signal, generation: before })
      expect(after).not.toBe(before)
      expect(await state.generation({ signal })).toBe(after)
      expect(await state.clear({ signal, generation: before })).toBeNull()
      await write(userId, { ...EMPTY_USER, revision: 1, events: 7 })
      const late = { signal, generation: before }
      const over = { code: 'STATE_UNAVAILABLE' }
      await expect(state.swap([{ userId, expectedRevision: 1, next: fullRecord(2) }], late)).rejects.toMatchObject(over)
      await expect(
        state.swap([{ userId: newUser(), expectedRevision: 0, next: fullRecord(1) }], late),
      ).rejects.toMatchObject(over)
      await expect(state.setApplied(new Map([[partition, 9]]), late)).rejects.toMatchObject(over)
      await expect(state.setRecipe('late', late)).rejects.toMatchObject(over)
      expect((await state.get(userId, { signal }))?.events).toBe(7)
      expect(await state.totals({ signal })).toEqual({ users: 1, events: 7 })
      expect((await state.applied({ signal })).has(partition)).toBe(false)
      expect(await state.recipe({ signal })).toBeNull()
      await state[Symbol.asyncDispose]()
      state = await open(() => time)
      expect(await state.generation({ signal })).toBe(after)
      const next = { ...EMPTY_USER, revision: 2, events: 8 }
      const current = { signal, generation: await state.generation({ signal }) }
      expect(await state.swap([{ userId, expectedRevision: 1, next }], current)).toEqual([true])
    })

    test('a call with an aborted signal is refused and a closed state says so', async () => {
      const userId = newUser()
      const swap = [{ userId, expectedRevision: 0, next: fullRecord(1) }]
      await expect(state.swap(swap, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
      expect(await state.get(userId, { signal })).toBeNull()
      await state[Symbol.asyncDispose]()
      await state[Symbol.asyncDispose]()
      await expect(state.get(userId, { signal })).rejects.toMatchObject({ code: 'STATE_UNAVAILABLE' })
      state = await open(() => time)
    })
  })
}

/** Every field used, with the extremes that an encoding might lose. */
function fullRecord(revision: number): UserRecord {
  const lastEventAt = 1_700_000_000_123
  return {
    revision,
    events: 2 ** 40 + revision,
    lastEventAt,
    lastFreshnessMs: 12.5,
    history: [
      { itemId: '!~', strength: -0.1, newestAt: 946_684_800_000, events: 1 },
      { itemId: 'x'.repeat(128), strength: 1e-300, newestAt: lastEventAt - 1, events: 127 },
      { itemId: 'i7', strength: 1 / 3, newestAt: lastEventAt, events: 128 },
    ],
    appliedOffsets: { 0: 0, 7: 2 ** 50 },
    eventIdHashes: [0, 1, 2 ** 32, 2 ** 48 - 1],
    factors: { modelVersion: '12', vector: Float32Array.of(0.25, -1.5, 3e-38) },
  }
}
