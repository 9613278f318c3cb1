import { type Accepted, call, type Status } from './api.ts'
import { seeded } from './events.ts'
import { eventually } from './eventually.ts'

export const CAMP_ITEMS = Array.from({ length: 40 }, (_, index) => `item-${String(index).padStart(2, '0')}`)
const USERS = 60
const EVENTS_PER_USER = 10

/** Users `trainer-N` in two camps: even ones view items with even numbers, odd ones the others. Returns the count. */
export async function postCamps(url: string): Promise<number> {
  const random = seeded(5)
  const events = Array.from({ length: USERS * EVENTS_PER_USER }, (_, index) => ({
    userId: `trainer-${index % USERS}`,
    itemId: CAMP_ITEMS[Math.floor(random() * 20) * 2 + (index % 2)],
    type: 'view',
    timestamp: new Date(Date.UTC(2026, 0, 1) + index * 60_000).toISOString(),
  }))
  const { body } = await call<Accepted>(url, 'POST', '/api/v1/events', { events })
  if (body.accepted !== events.length) throw new Error(`only ${body.accepted} accepted`)
  return events.length
}

/** Trains on what `postCamps` sent and promotes the model where the gate was not sure; resolves when it serves. */
export async function trainOnCamps(url: string, parameters: Readonly<Record<string, number>>): Promise<void> {
  const status = async () => (await call<Status>(url, 'GET', '/api/v1/monitoring/status')).body
  await eventually(status, ({ eventStore }) => eventStore?.events >= USERS * EVENTS_PER_USER, 30_000)
  const asked = await call<{ runId: string }>(url, 'POST', '/api/v1/training/train', { model_type: 'als', parameters })
  const path = `/api/v1/training/runs/${asked.body.runId}`
  const run = await eventually(
    async () => (await call<{ state: string; message: string; modelVersion: string }>(url, 'GET', path)).body,
    ({ state }) => ['finished', 'failed', 'rejected'].includes(state),
    60_000,
  )
  if (run.state === 'failed') throw new Error(`the run failed: ${run.message}`)
  if (run.state === 'rejected') await call(url, 'POST', `/api/v1/models/${run.modelVersion}/promote`)
  await eventually(status, ({ model }) => model?.version === run.modelVersion)
}
