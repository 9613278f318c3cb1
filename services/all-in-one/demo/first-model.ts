import { setTimeout as delay } from 'node:timers/promises'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { EdgeClient } from './edge-client.ts'
import { readStatus } from './edge-status.ts'

const POLL_MS = 250
/** The past is stored within a second or two; after this the model learns from what is there. */
const STORED_WAIT_MS = 10_000
const RUN_WAIT_MS = 120_000

const TrainReply = Type.Object({ runId: Type.String() })
const RunReply = Type.Object({
  state: Type.String(),
  progress: Type.Number(),
  gate: Type.Union([Type.Object({ accepted: Type.Boolean(), reasons: Type.Array(Type.String()) }), Type.Null()]),
  modelVersion: Type.Optional(Type.Union([Type.String(), Type.Null()])),
})

/** Trains one model when none serves, once the event store holds the past, and tells how it went. */
export async function trainFirstModel(
  parts: {
    readonly client: EdgeClient
    readonly pastEvents: number
    readonly onProgress: (message: string) => void
  },
  signal: AbortSignal,
): Promise<void> {
  const { client, onProgress } = parts
  if (!(await pastIsStored(parts, signal))) return
  const reply = await client.request('POST', '/api/v1/training/train', {
    model_type: 'als',
    parameters: {},
  })
  if (reply.status !== 202) {
    onProgress(`the first model could not be requested (${reply.status}); the page has a "Train now" button`)
    return
  }
  const { runId } = Value.Parse(TrainReply, reply.body)
  onProgress('training the first model')
  for (let waited = 0; waited < RUN_WAIT_MS; waited += POLL_MS) {
    await delay(POLL_MS, undefined, { signal })
    const run = Value.Parse(RunReply, (await client.request('GET', `/api/v1/training/runs/${runId}`)).body)
    if (run.state === 'queued' || run.state === 'running') continue
    onProgress(verdictOf(run.state, run.gate?.reasons ?? [], run.modelVersion ?? null))
    return
  }
  onProgress('the first model still trains; the page shows its progress')
}

/** false when a model serves already, so that there is nothing to train. */
async function pastIsStored(
  { client, pastEvents }: { client: EdgeClient; pastEvents: number },
  signal: AbortSignal,
): Promise<boolean> {
  for (let waited = 0; waited < STORED_WAIT_MS; waited += POLL_MS) {
    const status = await readStatus(client)
    if (status.modelVersion !== null) return false
    if (status.storedEvents >= pastEvents) return true
    await delay(POLL_MS, undefined, { signal })
  }
  return true
}

function verdictOf(state: string, reasons: readonly string[], version: string | null): string {
  const why = reasons.length > 0 ? ` (${reasons.join('; ')})` : ''
  if (state === 'finished') return `model ${version ?? ''} serves${why}`.replace('  ', ' ')
  if (state === 'rejected') return `the gate refused the first model${why}; lists come from popularity until one passes`
  return `training failed${why}; the page has a "Train now" button`
}
