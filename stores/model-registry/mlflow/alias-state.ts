import { MillraceError } from '../../../schemas/errors.ts'
import type { AliasChange } from '../port.ts'

/** So many, that the state fits into one parameter of 6,000 characters with versions of 7 digits. */
const SERVED_BEFORE_MAX = 500
const REASON_BYTES_MAX = 4_000

/** Which versions serve, and the way back. */
export interface AliasState {
  readonly champion: string | null
  readonly challenger: string | null
  /** Versions that served before the champion, newest last: a rollback takes the last one off. */
  readonly servedBefore: readonly string[]
}

/** One change as it is kept. `id` tells apart two callers that ask for the very same at the same moment. */
export interface LedgerEntry {
  readonly id: string
  readonly kind: 'promote' | 'rollback' | 'challenger'
  readonly change: AliasChange
}

export interface Why {
  readonly id: string
  readonly reason: string
  readonly now: number
}

export const NOTHING_SERVES: AliasState = { champion: null, challenger: null, servedBefore: [] }

export function applyEntry(state: AliasState, { kind, change: { to } }: LedgerEntry): AliasState {
  if (kind === 'challenger') return { ...state, challenger: to }
  const { champion, servedBefore } = state
  if (kind === 'rollback') return { ...state, champion: to, servedBefore: servedBefore.slice(0, -1) }
  const leaves = champion !== null && champion !== to ? [champion] : []
  return { ...state, champion: to, servedBefore: [...servedBefore, ...leaves].slice(-SERVED_BEFORE_MAX) }
}

/** @throws MillraceError CONFLICT when `expected` is given and is not the champion. */
export function promotion(
  state: AliasState,
  version: string,
  expected: string | null | undefined,
  why: Why,
): LedgerEntry {
  if (expected !== undefined && expected !== state.champion)
    throw new MillraceError(
      'CONFLICT',
      `the champion is ${state.champion ?? 'none'}, not ${expected ?? 'none'}; version ${version} was not promoted`,
    )
  return entry('promote', { alias: 'champion', from: state.champion, to: version }, why)
}

/** @throws MillraceError CONFLICT when nothing served before. */
export function rolledBack(state: AliasState, why: Why): LedgerEntry {
  const to = state.servedBefore.at(-1)
  if (to === undefined)
    throw new MillraceError(
      'CONFLICT',
      `no version served before ${state.champion ?? 'now'}; there is nothing to roll back to`,
    )
  return entry('rollback', { alias: 'champion', from: state.champion, to }, why)
}

export function challenge(state: AliasState, version: string | null, why: Why): LedgerEntry {
  return entry('challenger', { alias: 'challenger', from: state.challenger, to: version }, why)
}

function entry(kind: LedgerEntry['kind'], move: Omit<AliasChange, 'reason' | 'at'>, why: Why): LedgerEntry {
  return { id: why.id, kind, change: { ...move, reason: shortened(why.reason), at: why.now } }
}

/** An entry must fit into one parameter, JSON escapes included. */
function shortened(reason: string): string {
  let kept = reason.slice(0, REASON_BYTES_MAX)
  while (JSON.stringify(kept).length > REASON_BYTES_MAX) kept = kept.slice(0, Math.floor(kept.length * 0.9))
  return kept === reason ? reason : `${kept}…`
}
