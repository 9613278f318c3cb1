import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EMPTY_USER } from '../../schemas/user-record.ts'
import { openUserState } from '../../stores/user-state/open.ts'
import type { CachedList, UserState } from '../../stores/user-state/port.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-lists-'))
const { signal } = new AbortController()
const current = { modelVersion: '1', catalogueRevision: 'c' }
let state: UserState

beforeAll(async () => {
  state = await openUserState(`lmdb:${folder}`, { listEntriesMax: 10_000, now: () => 0 })
})
afterAll(async () => {
  await state[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** One actor of an interleaving: its steps in order. Awaited steps end before the next step of anyone begins. */
type Step = () => Promise<unknown>

/** All ways to merge the actors' steps, each actor's own order kept. */
function interleavings(actors: readonly (readonly number[])[]): number[][] {
  if (actors.every((steps) => steps.length === 0)) return [[]]
  return actors.flatMap((steps, index) => {
    const [step, ...rest] = steps
    if (step === undefined) return []
    const others = actors.map((own, at) => (at === index ? rest : own))
    return interleavings(others).map((tail) => [step, ...tail])
  })
}

/**
 * Two edges [read user; compute and put the list; get a list] and an updater [start a swap; wait for it] twice. A list's
 * body is the number of events it knows; "committed" counts the events whose swap has resolved.
 */
function play(userId: string): {
  steps: Step[]
  finish: () => Promise<unknown>
  served: { knows: number; committed: number }[]
} {
  const served: { knows: number; committed: number }[] = []
  const swaps: Promise<unknown>[] = []
  let committed = 0
  const edge = (): Step[] => {
    let seen = EMPTY_USER
    return [
      async () => {
        seen = (await state.get(userId, { signal })) ?? EMPTY_USER
      },
      async () => {
        const list: CachedList = { userRevision: seen.revision, ...current, body: String(seen.events) }
        await state.putList(userId, 'home', list, { ttlMs: 1_000 })
      },
      async () => {
        const before = committed
        const list = await state.getList(userId, 'home', current)
        if (list) served.push({ knows: Number(list.body), committed: before })
      },
    ]
  }
  const swap = (revision: number): Step[] => [
    async () => {
      const next = { ...EMPTY_USER, revision, events: revision }
      swaps.push(state.swap([{ userId, expectedRevision: revision - 1, next }], { signal }).then(() => committed++))
    },
    async () => await swaps[revision - 1],
  ]
  return { steps: [...edge(), ...edge(), ...swap(1), ...swap(2)], finish: () => Promise.all(swaps), served }
}

test('in no interleaving of edges and updater is a list served that was computed before a committed event', async () => {
  const orders = interleavings([
    [0, 1, 2],
    [3, 4, 5],
    [6, 7, 8, 9],
  ])
  let lists = 0
  await Promise.all(
    orders.map(async (order, index) => {
      const { steps, finish, served } = play(`user-${index}`)
      for (const step of order) await steps[step]?.()
      await finish()
      for (const { knows, committed } of served) {
        expect(knows, `order ${order.join(' ')}`).toBeGreaterThanOrEqual(committed)
      }
      lists += served.length
    }),
  )
  expect(orders).toHaveLength(4_200)
  expect(lists).toBeGreaterThan(500)
})
