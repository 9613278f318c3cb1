import { expect, test } from 'vitest'
import { EMPTY_USER } from '../../schemas/user-record.ts'
import type { CachedList, UserState } from '../../stores/user-state/port.ts'

/** Two edges and an updater: the same UserState three times in one process, or three of their own. */
export interface Actors {
  readonly edges: readonly [UserState, UserState]
  readonly updater: UserState
}

const { signal } = new AbortController()
const current = { modelVersion: '1', catalogueRevision: 'c' }
const EDGE_LISTS_MIN_SHARE = 0.1

/**
 * In no interleaving of edges and updater is a list served that was computed before a committed event; where the actors
 * are processes of their own, after waiting for that event. Plays every n-th of the 4,200 orders.
 */
export function userStateListsLaw(name: string, actors: () => Actors, play: { ownProcesses: boolean; every: number }) {
  test(`${name}: in no interleaving of edges and updater is a list served that was computed before a committed event`, async () => {
    const orders = interleavings([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7, 8, 9],
    ])
    expect(orders).toHaveLength(4_200)
    const played = orders.filter((_, index) => index % play.every === 0)
    let lists = 0
    await Promise.all(
      played.map(async (order, index) => {
        const { steps, finish, served } = stepsOf(`user-${index}`, actors(), play.ownProcesses)
        for (const step of order) await steps[step]?.()
        await finish()
        for (const { knows, committed } of served) {
          expect(knows, `order ${order.join(' ')}`).toBeGreaterThanOrEqual(committed)
        }
        lists += served.length
      }),
    )
    expect(lists).toBeGreaterThan(played.length * EDGE_LISTS_MIN_SHARE)
  })
}

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
 * body is the number of events it knows; "committed" counts the events whose swap has resolved and is applied.
 */
function stepsOf(
  userId: string,
  { edges, updater }: Actors,
  ownProcesses: boolean,
): { steps: Step[]; finish: () => Promise<unknown>; served: { knows: number; committed: number }[] } {
  const partition = `${userId}/0`
  const served: { knows: number; committed: number }[] = []
  const swaps: Promise<unknown>[] = []
  let committed = 0
  const edgeSteps = (edge: UserState): Step[] => {
    let seen = EMPTY_USER
    return [
      async () => {
        seen = (await edge.get(userId, { signal })) ?? EMPTY_USER
      },
      async () => {
        const list: CachedList = { userRevision: seen.revision, ...current, body: String(seen.events) }
        await edge.putList(userId, 'home', list, { ttlMs: 60_000 })
      },
      async () => {
        const before = committed
        if (ownProcesses) {
          const target = new Map([[partition, before]])
          expect(await edge.waitApplied(target, { timeoutMs: 10_000, signal })).toBe(true)
        }
        const list = await edge.getList(userId, 'home', current)
        if (list) served.push({ knows: Number(list.body), committed: before })
      },
    ]
  }
  const commit = async (revision: number) => {
    const next = { ...EMPTY_USER, revision, events: revision }
    await updater.swap([{ userId, expectedRevision: revision - 1, next }], { signal })
    if (ownProcesses) await updater.setApplied(new Map([[partition, revision]]), { signal })
    committed++
  }
  const swapSteps = (revision: number): Step[] => [
    async () => void swaps.push(commit(revision)),
    async () => await swaps[revision - 1],
  ]
  const steps = [...edgeSteps(edges[0]), ...edgeSteps(edges[1]), ...swapSteps(1), ...swapSteps(2)]
  return { steps, finish: () => Promise.all(swaps), served }
}
