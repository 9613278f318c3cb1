import { randomUUID } from 'node:crypto'
import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import type { Alias, AliasChange } from '../port.ts'
import { type AliasState, challenge, type LedgerEntry, promotion, rolledBack, type Why } from './alias-state.ts'
import type { MlflowClient } from './client.ts'
import type { Latest, Ledger } from './ledger.ts'

/**
 * Which versions serve. The ledger decides; MLflow's own aliases `champion` and `challenger` are moved after it, for
 * people and other tools to see. So two changes at once are in one order for everybody, and each sees the one before.
 * An alias can be behind the ledger only while a change is under way or after its process died there; the next change, and
 * the next process that opens the registry, sets it right. An alias moved by hand in MLflow is set back the same way.
 */
export interface Aliases {
  read(alias: Alias, signal: AbortSignal): Promise<string | null>
  promote(version: string, change: Change & { expected?: string | null }): Promise<AliasChange>
  rollback(change: Change): Promise<AliasChange>
  setChallenger(version: string | null, change: Change): Promise<AliasChange>
  /** Moves MLflow's aliases to where the ledger says. */
  publish(signal: AbortSignal): Promise<void>
}

interface Change {
  readonly reason: string
  readonly now: number
  readonly signal: AbortSignal
}

const ALIASES = ['champion', 'challenger'] as const
const SET_ATTEMPTS_MAX = 5

export function createAliases(client: MlflowClient, ledger: Ledger): Aliases {
  /** Two processes that set an alias at once collide in MLflow's database (IntegrityError): the later one sets it again. */
  async function setAlias(alias: Alias, version: string | null, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await trySetAlias(alias, version, signal)
      } catch (error) {
        const isCollision = isMillraceError(error) && error.message.includes('IntegrityError')
        if (!isCollision || attempt === SET_ATTEMPTS_MAX) throw error
      }
    }
  }

  async function trySetAlias(alias: Alias, version: string | null, signal: AbortSignal): Promise<void> {
    const { name } = client.address
    const refusals = ['RESOURCE_DOES_NOT_EXIST']
    const path = 'registered-models/alias'
    if (version !== null)
      await client.call(
        `moving alias ${alias}`,
        { method: 'POST', path, body: { name, alias, version }, refusals },
        signal,
      )
    else
      await client.call(`removing alias ${alias}`, { method: 'DELETE', path, body: { name, alias }, refusals }, signal)
  }

  async function shown(signal: AbortSignal): Promise<Pick<AliasState, Alias>> {
    const query = { name: client.address.name }
    const request = { method: 'GET', path: 'registered-models/get', query } as const
    const found = await client.call<{ registered_model: { aliases?: { alias: string; version: string }[] } }>(
      'reading the aliases',
      request,
      signal,
    )
    const of = (wanted: Alias) =>
      found?.registered_model.aliases?.find(({ alias }) => alias === wanted)?.version.toString() ?? null
    return { champion: of('champion'), challenger: of('challenger') }
  }

  /** Another's change between reading and setting shows in the ledger afterwards: then once more. */
  async function publish(signal: AbortSignal): Promise<void> {
    let set: Latest | null = null
    for (let latest = await ledger.latest(signal); set?.changes !== latest.changes; ) {
      const now = await shown(signal)
      for (const alias of ALIASES)
        if (now[alias] !== latest.state[alias]) await setAlias(alias, latest.state[alias], signal)
      set = latest
      latest = await ledger.latest(signal)
    }
  }

  async function change(
    { reason, now, signal }: Change,
    decide: (state: AliasState, why: Why) => LedgerEntry,
  ): Promise<AliasChange> {
    const why = { id: randomUUID(), reason, now }
    const changed = await ledger.append((state) => decide(state, why), signal)
    try {
      await publish(signal)
    } catch (cause) {
      if (!isMillraceError(cause)) throw cause
      throw new MillraceError(
        cause.code,
        `${changed.alias} is ${changed.to ?? 'none'} now and stays so, but the alias that MLflow shows could not be moved (${cause.message}); it is with the next change or start`,
        { cause },
      )
    }
    return changed
  }

  return {
    publish,
    read: async (alias, signal) => (await ledger.latest(signal)).state[alias],
    promote: (version, { expected, ...rest }) => change(rest, (state, why) => promotion(state, version, expected, why)),
    rollback: (rest) => change(rest, (state, why) => rolledBack(state, why)),
    setChallenger: (version, rest) => change(rest, (state, why) => challenge(state, version, why)),
  }
}
