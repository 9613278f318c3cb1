import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { MillraceError } from '../../../schemas/errors.ts'
import type { EdgeClient } from './edge-client.ts'

export interface EdgeStatus {
  readonly logEvents: number
  readonly storedEvents: number
  /** Events the user state counts. */
  readonly appliedEvents: number
  readonly modelVersion: string | null
}

const StatusReply = Type.Object({
  log: Type.Union([Type.Object({ interactions: Type.Number() }), Type.Null()]),
  eventStore: Type.Union([Type.Object({ events: Type.Number() }), Type.Null()]),
  userState: Type.Union([Type.Object({ events: Type.Number() }), Type.Null()]),
  model: Type.Union([Type.Object({ version: Type.String() }), Type.Null()]),
})

/** @throws MillraceError LOG_UNAVAILABLE while the edge cannot count its log. */
export async function readStatus(client: EdgeClient): Promise<EdgeStatus> {
  const { body } = await client.request('GET', '/api/v1/monitoring/status')
  const status = Value.Parse(StatusReply, body)
  if (status.log === null)
    throw new MillraceError('LOG_UNAVAILABLE', 'the edge cannot count its log; the demo tries again later')
  return {
    logEvents: status.log.interactions,
    storedEvents: status.eventStore?.events ?? 0,
    appliedEvents: status.userState?.events ?? 0,
    modelVersion: status.model?.version ?? null,
  }
}
