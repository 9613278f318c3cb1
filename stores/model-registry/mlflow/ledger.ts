import { MillraceError } from '../../../schemas/errors.ts'
import type { AliasChange } from '../port.ts'
import { type AliasState, applyEntry, type LedgerEntry, NOTHING_SERVES } from './alias-state.ts'
import type { MlflowClient } from './client.ts'
import { newMlflowRun, readMlflowRun } from './mlflow-run.ts'
import { tagsOf } from './values.ts'

/** Entries per MLflow run, so that the newest is one small read away however many there are. */
const ENTRIES_PER_RUN = 32
const LOST_RACES_MAX = 50
const START = 'start'
const NEXT = 'next'

/**
 * The alias changes, in the one order that all processes see. MLflow has no compare-and-set, but a parameter of a run is
 * written once: its database refuses a second value under the same key. So change n is the parameter `change.n` of a run
 * kept for that. Whoever writes it first has decided what change n is; the other is refused, reads it and decides anew.
 * After 32 entries a new run goes on, linked the same way by the parameter `next`, beginning with the state so far.
 * This holds on MLflow's database stores (sqlite, PostgreSQL, MySQL, SQL Server), not on its retired file store.
 */
export interface Ledger {
  latest(signal: AbortSignal): Promise<Latest>
  /** `decide` may be called again with a newer state; what it throws ends the attempt. */
  append(decide: (state: AliasState) => LedgerEntry, signal: AbortSignal): Promise<AliasChange>
  /** Newest first. */
  history(limit: number, signal: AbortSignal): Promise<readonly AliasChange[]>
}

export interface Latest {
  readonly state: AliasState
  /** How many changes there have been: identifies the state. */
  readonly changes: number
}

interface Segment extends Latest {
  readonly runId: string
  readonly previous: string | null
  readonly entries: readonly LedgerEntry[]
  readonly next: string | null
}

interface SegmentStart {
  readonly state: AliasState
  readonly changes: number
  readonly previous: string | null
}

export function createLedger(
  client: MlflowClient,
  place: {
    readonly experimentId: string
    readonly start: string
    remember(runId: string, signal: AbortSignal): Promise<void>
  },
): Ledger {
  let newest = place.start

  async function readSegment(runId: string, signal: AbortSignal): Promise<Segment> {
    const run = await readMlflowRun(client, runId, signal)
    if (run === null) throw damaged(runId, 'it is gone')
    if (run.info.lifecycle_stage !== 'active') throw damaged(runId, 'it was deleted; restore it')
    return parseSegment(runId, new Map(tagsOf(run.data.params)))
  }

  async function latestSegment(signal: AbortSignal): Promise<Segment> {
    for (;;) {
      const segment = await readSegment(newest, signal)
      if (segment.next === null) return segment
      newest = segment.next
    }
  }

  /** true when this value is the one that the key holds from now on. */
  async function writeOnce(runId: string, key: string, value: string, signal: AbortSignal): Promise<boolean> {
    const body = { run_id: runId, key, value }
    const request = { method: 'POST', path: 'runs/log-parameter', body, refusals: ['INVALID_PARAMETER_VALUE'] } as const
    return (await client.call('writing an alias change', request, signal)) !== null
  }

  async function goOnInNewRun(full: Segment, signal: AbortSignal): Promise<void> {
    const from = full.changes + 1
    const run = await newMlflowRun(
      client,
      { experimentId: place.experimentId, name: `alias changes from ${from}`, kind: 'changes', startTime: 0 },
      signal,
    )
    const runId = run.info.run_id
    const start: SegmentStart = { state: full.state, changes: full.changes, previous: full.runId }
    await writeOnce(runId, START, JSON.stringify(start), signal)
    if (await writeOnce(full.runId, NEXT, runId, signal)) await place.remember(runId, signal)
    else {
      const request = { method: 'POST', path: 'runs/delete', body: { run_id: runId } } as const
      await client.call('removing a spare run', request, signal)
    }
  }

  return {
    latest: latestSegment,
    async append(decide, signal) {
      for (let lost = 0; lost <= LOST_RACES_MAX; ) {
        const segment = await latestSegment(signal)
        if (segment.entries.length >= ENTRIES_PER_RUN) {
          await goOnInNewRun(segment, signal)
          continue
        }
        const entry = decide(segment.state)
        const key = keyOf(segment.entries.length)
        if (await writeOnce(segment.runId, key, JSON.stringify(entry), signal)) return entry.change
        lost++
      }
      throw new MillraceError(
        'REGISTRY_UNAVAILABLE',
        `the change was overtaken ${LOST_RACES_MAX} times by others and has not happened; try again later`,
      )
    },
    async history(limit, signal) {
      const changes: AliasChange[] = []
      let segment = await latestSegment(signal)
      for (;;) {
        changes.push(...segment.entries.map(({ change }) => change).toReversed())
        if (changes.length >= limit || segment.previous === null) return changes.slice(0, Math.max(0, limit))
        segment = await readSegment(segment.previous, signal)
      }
    },
  }
}

function keyOf(index: number): string {
  return `change.${String(index + 1).padStart(3, '0')}`
}

function parseSegment(runId: string, params: ReadonlyMap<string, string>): Segment {
  try {
    const begun = params.get(START)
    const start: SegmentStart =
      begun === undefined ? { state: NOTHING_SERVES, changes: 0, previous: null } : JSON.parse(begun)
    const entries: LedgerEntry[] = []
    for (let text = params.get(keyOf(0)); text !== undefined; text = params.get(keyOf(entries.length)))
      entries.push(JSON.parse(text) as LedgerEntry)
    const state = entries.reduce(applyEntry, start.state)
    const next = params.get(NEXT) ?? null
    return { runId, previous: start.previous, entries, next, state, changes: start.changes + entries.length }
  } catch (cause) {
    throw damaged(runId, `it holds something else: ${(cause as Error).message}`, cause)
  }
}

function damaged(runId: string, problem: string, cause?: unknown): MillraceError {
  return new MillraceError('CORRUPT_FILE', `the alias changes in MLflow run ${runId} cannot be read: ${problem}`, {
    ...{ cause, field: runId },
  })
}
