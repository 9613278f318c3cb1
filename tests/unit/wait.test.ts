import { expect, test } from 'vitest'
import type { Api } from '../../services/cli/api.ts'
import { type LagReply, waitUntilCaughtUp } from '../../services/cli/wait.ts'

const signal = new AbortController().signal

/** Answers of an edge in turn, the last one for ever. */
function edgeThatSays(replies: readonly Omit<LagReply, 'groups'>[], lags: readonly number[]) {
  let asked = 0
  const api: Api = {
    url: 'http://edge',
    async get<T>() {
      const turn = asked++
      const lagRecords = lags[Math.min(turn, lags.length - 1)] ?? 0
      const groups = [{ group: 'updater', topic: 'interactions', partition: 0, lagRecords, lagSeconds: 0 }]
      return { ...replies[Math.min(turn, replies.length - 1)], groups } as T
    },
    send: () => Promise.reject(new Error('nothing is sent')),
  }
  return { api, asked: () => asked }
}

test.each([
  ['the edge has not looked yet', [null, 1_100], [0]],
  ['it looked before the wait began', [400, 400, 1_400], [0]],
  ['consumers are behind', [400, 1_400, 2_400], [5, 5, 0]],
])('waits on where %s', async (_name, samples, lags) => {
  const replies = samples.map((sampledAt, turn) => ({ at: 1_000 + turn * 1_000, sampledAt }))
  const edge = edgeThatSays(replies, lags)
  await waitUntilCaughtUp(edge.api, () => {}, signal)
  expect(edge.asked()).toBe(samples.length)
})

test('a clock that is set back meanwhile does not keep it', async () => {
  const replies = [
    { at: 1_000_000, sampledAt: 999_900 },
    { at: 5_000, sampledAt: 999_900 },
    { at: 5_200, sampledAt: 5_100 },
  ]
  const edge = edgeThatSays(replies, [3, 3, 0])
  await waitUntilCaughtUp(edge.api, () => {}, signal)
  expect(edge.asked()).toBe(3)
})

test('ends when it is aborted', async () => {
  const edge = edgeThatSays([{ at: 1_000, sampledAt: null }], [0])
  await expect(waitUntilCaughtUp(edge.api, () => {}, AbortSignal.timeout(50))).rejects.toThrow()
})
