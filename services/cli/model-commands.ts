import { setTimeout as pause } from 'node:timers/promises'
import { MillraceError } from '../../schemas/errors.ts'
import type { GateVerdict, TrainingParameters } from '../../schemas/training.ts'
import type { Api } from './api.ts'
import { startProgress } from './progress.ts'
import { rounded, type Terminal, table } from './terminal.ts'

const POLL_MS = 250

interface RunReply {
  readonly runId: string
  readonly state: string
  readonly progress: number
  readonly message?: string
  readonly metrics: Readonly<Record<string, number>>
  readonly gate: GateVerdict | null
  readonly modelVersion?: string | null
}

interface ScoresReply {
  readonly metrics: Readonly<Record<string, { readonly value: number; readonly low: number; readonly high: number }>>
}

interface EvaluationReply {
  readonly split: Readonly<Record<string, number>>
  readonly candidate: ScoresReply
  readonly baselines: {
    readonly popularity: ScoresReply
    readonly itemKnn: ScoresReply
    /** Absent in evaluations of earlier versions. */
    readonly itemKnnTuned?: ScoresReply
  }
  readonly championRecipe: ScoresReply | null
}

interface RecommendationsReply {
  readonly sources: readonly string[]
  readonly modelVersion: string | null
  readonly cache: string
  readonly items: readonly {
    readonly rank: number
    readonly itemId: string
    readonly score: number
    readonly source: string
    readonly title?: string | null
    readonly reason: { readonly kind: string; readonly ids: readonly string[] }
  }[]
}

/** Requests a run and follows it. Exit code 0 when the gate accepted the model, 4 when it did not. */
export async function trainCommand(
  parameters: TrainingParameters,
  json: boolean,
  { api, terminal, signal }: { api: Api; terminal: Terminal; signal: AbortSignal },
): Promise<number> {
  const { runId } = await api.send<{ runId: string }>('POST', '/training/train', { model_type: 'als', parameters })
  terminal.note(`run ${runId}`)
  const run = await followRun(api, runId, terminal, signal)
  if (json) terminal.print(JSON.stringify(run))
  if (run.state === 'failed')
    throw new MillraceError('INTERNAL', `run ${runId} failed: ${run.message ?? 'no reason given'}`)
  if (!json) {
    terminal.print(
      `model ${run.modelVersion ?? '-'}: ${run.gate?.accepted ? 'accepted and serving' : 'rejected by the gate'}`,
    )
    for (const reason of run.gate?.reasons ?? []) terminal.print(`  ${reason}`)
  }
  return run.gate?.accepted ? 0 : 4
}

async function followRun(api: Api, runId: string, terminal: Terminal, signal: AbortSignal): Promise<RunReply> {
  using progress = startProgress(100, terminal.errors, terminal.now)
  for (;;) {
    const run = await api.get<RunReply>(`/training/runs/${runId}`)
    if (run.state !== 'queued' && run.state !== 'running') return run
    progress.update(Math.floor(run.progress * 100), run.message || run.state)
    await pause(POLL_MS, undefined, { signal })
  }
}

/** The evaluation of a run, by default of the newest finished one, beside both baselines. */
export async function evaluateCommand(
  runId: string | undefined,
  json: boolean,
  { api, terminal }: { api: Api; terminal: Terminal },
): Promise<number> {
  const wanted = runId ?? (await newestEvaluatedRun(api))
  const report = await api.get<EvaluationReply>(`/training/evaluate/${encodeURIComponent(wanted)}`)
  if (json) {
    terminal.print(JSON.stringify(report))
    return 0
  }
  const columns = [report.candidate, report.baselines.popularity, report.baselines.itemKnn]
  const names = ['metric', 'candidate', 'low', 'high', 'popularity', 'item-kNN']
  if (report.baselines.itemKnnTuned) {
    columns.push(report.baselines.itemKnnTuned)
    names.push('tuned item-kNN')
  }
  if (report.championRecipe) {
    columns.push(report.championRecipe)
    names.push('champion recipe')
  }
  const rows = Object.entries(report.candidate.metrics).map(([metric, estimate]) => [
    metric,
    ...[estimate.value, estimate.low, estimate.high].map(rounded),
    ...columns.slice(1).map(({ metrics }) => (metrics[metric] ? rounded(metrics[metric].value) : null)),
  ])
  terminal.print(`run ${wanted}, split at ${new Date(report.split.at ?? 0).toISOString()}`)
  terminal.print(table(names, rows))
  return 0
}

async function newestEvaluatedRun(api: Api): Promise<string> {
  const { runs } = await api.get<{ runs: readonly RunReply[] }>('/training/runs')
  const evaluated = runs.find(({ state }) => state === 'finished' || state === 'rejected')
  if (!evaluated)
    throw new MillraceError('RUN_NOT_FOUND', 'no run has been evaluated yet; start one with "millrace train"')
  return evaluated.runId
}

export async function recommendCommand(
  userId: string,
  flags: {
    readonly limit: number
    readonly category?: string
    readonly includeSeen?: boolean
    readonly json?: boolean
  },
  { api, terminal }: { api: Api; terminal: Terminal },
): Promise<number> {
  const query = new URLSearchParams({ limit: String(flags.limit), include: 'metadata' })
  if (flags.category) query.set('category', flags.category)
  if (flags.includeSeen) query.set('includeSeen', 'true')
  const reply = await api.get<RecommendationsReply>(`/recommendations/user/${encodeURIComponent(userId)}?${query}`)
  if (flags.json) {
    terminal.print(JSON.stringify(reply))
    return 0
  }
  const rows = reply.items.map((item) => [
    item.rank,
    item.itemId,
    item.title ?? '',
    rounded(item.score),
    item.source,
    [item.reason.kind, ...item.reason.ids].join(' '),
  ])
  terminal.print(table(['rank', 'item', 'title', 'score', 'source', 'reason'], rows))
  terminal.note(
    `model ${reply.modelVersion ?? '-'}, cache ${reply.cache}, sources ${reply.sources.join(', ') || 'none'}`,
  )
  return 0
}
