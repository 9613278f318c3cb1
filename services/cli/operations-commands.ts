import type { Api } from './api.ts'
import { grouped, type Terminal, table } from './terminal.ts'
import type { LagReply, StatusReply } from './wait.ts'

interface Parts {
  readonly api: Api
  readonly terminal: Terminal
}

/** Lag per group and partition, and the counts that must agree once everybody has caught up. */
export async function lagCommand(json: boolean, { api, terminal }: Parts): Promise<number> {
  const { groups } = await api.get<LagReply>('/monitoring/lag')
  const status = await api.get<StatusReply>('/monitoring/status')
  if (json) {
    terminal.print(JSON.stringify({ groups, status }))
    return 0
  }
  const rows = groups.map((entry) => [entry.group, entry.topic, entry.partition, entry.lagRecords, entry.lagSeconds])
  terminal.print(table(['group', 'topic', 'partition', 'records', 'seconds'], rows))
  const count = (value: number | undefined) => (value === undefined ? 'unreachable' : grouped(value))
  terminal.print(
    `\nlog ${count(status.log.interactions)} · event store ${count(status.eventStore?.events)} · user state ${count(status.userState?.events)} events · dead letters ${count(status.deadLetters)}`,
  )
  return 0
}

/** Puts every dead letter back into its topic once; exit code 0 also when there were none. */
export async function replayDeadLettersCommand(json: boolean, { api, terminal }: Parts): Promise<number> {
  const result = await api.send<{ replayed: number; skipped: number }>('POST', '/monitoring/dead-letters/replay', {})
  if (json) terminal.print(JSON.stringify(result))
  else
    terminal.print(
      `${grouped(result.replayed)} records replayed, ${grouped(result.skipped)} kept: replayed too often before`,
    )
  return 0
}
