import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { EdgeClient } from './edge-client.ts'

export interface EdgeStatus {
  readonly logEvents: number
  readonly storedEvents: number
  /** Events the user state counts. */
  readonly appliedEvents: number
  readonly modelVersion: string | null
}

const StatusReply = Type.Object({
  log: Type.Object({ interactions: Type.Number() }),
  eventStore: Type.Union([Type.Object({ events: Type.Number() }), Type.Null()]),
  userState: Type.Union([Type.Object({ events: Type.Number() }), Type.Null()]),
  model: Type.Union([Type.Object({ version: Type.String() }), Type.Null()]),
})

export async function readStatus(client: EdgeClient): Promise<EdgeStatus> {
  const { body } = await client.request('GET', '/api/v1/monitoring/status')
  const status = Value.Parse(StatusReply, body)
  return {
    logEvents: status.log.interactions,
    storedEvents: status.eventStore?.events ?? 0,
    appliedEvents: status.userState?.events ?? 0,
    modelVersion: status.model?.version ?? null,
  }
}
