import { ago, count, score } from './figures.ts'
import type { ModelRow, Models, RunRow } from './use-models.ts'

/** Every model with its score beside both baselines, the gate's verdict, and what an operator can do. */
export function ModelsPanel({ models }: { readonly models: Models }) {
  const registered = new Set(models.models.map((model) => model.runId))
  const refused = models.runs.filter(
    (run) => (run.state === 'rejected' || run.state === 'failed') && !registered.has(run.runId),
  )
  const scale = Math.max(0.01, ...models.models.flatMap((model) => SCORES.map(({ name }) => model.metrics[name] ?? 0)))
  return (
    <section class="panel models" aria-labelledby="models-title">
      <header class="panel-head">
        <h2 id="models-title">Models</h2>
        <p class="panel-note">a worse one never serves</p>
        <Progress run={models.running} />
        <div class="panel-actions">
          <button
            type="button"
            class="secondary"
            disabled={models.models.length < 2 || models.champion === null}
            onClick={models.rollback}
          >
            Roll back
          </button>
          <button type="button" class="primary" disabled={models.running !== null} onClick={models.train}>
            Train now
          </button>
        </div>
      </header>
      {models.trouble !== null && (
        <p class="trouble" role="alert">
          {models.trouble}
        </p>
      )}
      {models.isLoaded && models.models.length === 0 && refused.length === 0 && models.running === null && (
        <p class="empty">No model yet. Lists come from popularity until one is trained: “Train now” starts a run.</p>
      )}
      <ul class="model-list">
        {models.models.map((model) => (
          <ModelCard key={model.version} model={model} models={models} scale={scale} />
        ))}
        {refused.map((run) => (
          <RefusedCard key={run.runId} run={run} />
        ))}
      </ul>
    </section>
  )
}

const SCORES = [
  { name: 'ndcg_at_10', label: 'NDCG@10', color: '--water' },
  { name: 'item_knn_ndcg_at_10', label: 'item-kNN', color: '--plum' },
  { name: 'popularity_ndcg_at_10', label: 'popularity', color: '--ember' },
] as const

function Progress({ run }: { readonly run: RunRow | null }) {
  const share = run?.progress ?? 0
  return (
    <div class={`run${run === null ? '' : ' is-running'}`} aria-live="polite">
      {run !== null && (
        <>
          <progress max={1} value={share} aria-label="Training" />
          <span class="run-words">
            {run.state === 'queued' ? 'queued' : `${Math.round(share * 100)} %`} {run.message ?? ''}
          </span>
        </>
      )}
    </div>
  )
}

function ModelCard(props: { readonly model: ModelRow; readonly models: Models; readonly scale: number }) {
  const { model, models } = props
  const isChampion = models.champion === model.version
  return (
    <li class={`model${isChampion ? ' is-champion' : ''}`}>
      <div class="model-head">
        <h3>Model {model.version}</h3>
        {isChampion ? (
          <span class="champion">champion</span>
        ) : (
          <button type="button" class="quiet" onClick={() => models.promote(model.version)}>
            Promote
          </button>
        )}
      </div>
      <p class="film-meta">
        {count(model.users)} users · {count(model.items)} items · {ago(model.createdAt, Date.now())}
      </p>
      <Scores metrics={model.metrics} scale={props.scale} />
      <Verdict isAccepted={model.gate?.accepted ?? false} reasons={model.gate?.reasons ?? []} isOpen={isChampion} />
    </li>
  )
}

function RefusedCard({ run }: { readonly run: RunRow }) {
  const reasons = run.gate?.reasons ?? (run.message ? [run.message] : [])
  return (
    <li class="model is-refused">
      <div class="model-head">
        <h3>Run {run.runId.slice(0, 8)}</h3>
        <span class="refused">{run.state === 'failed' ? 'failed' : 'refused'}</span>
      </div>
      <p class="film-meta">{ago(run.createdAt, Date.now())}</p>
      {run.metrics.ndcg_at_10 !== undefined && (
        <Scores metrics={run.metrics} scale={Math.max(0.01, ...SCORES.map(({ name }) => run.metrics[name] ?? 0))} />
      )}
      <Verdict isAccepted={false} reasons={reasons} />
    </li>
  )
}

function Scores({ metrics, scale }: { readonly metrics: Readonly<Record<string, number>>; readonly scale: number }) {
  return (
    <dl class="scores" title="NDCG@10 on the held-out last tenth of time, over the whole catalogue">
      {SCORES.map(({ name, label, color }) => (
        <div key={name} style={`--key:var(${color});--share:${Math.max(0, metrics[name] ?? 0) / scale}`}>
          <dt>{label}</dt>
          <dd>
            <span class="bar" aria-hidden="true" />
            {score(metrics[name])}
          </dd>
        </div>
      ))}
    </dl>
  )
}

function Verdict(props: {
  readonly isAccepted: boolean
  readonly reasons: readonly string[]
  readonly isOpen?: boolean
}) {
  const { isAccepted, reasons } = props
  return (
    <details class="verdict" open={props.isOpen ?? false}>
      <summary>
        <span class={isAccepted ? 'is-good' : 'is-bad'}>{isAccepted ? 'passed the gate' : 'stopped at the gate'}</span>
      </summary>
      <ul>
        {reasons.length === 0 ? (
          <li>no reasons were recorded</li>
        ) : (
          reasons.map((reason) => <li key={reason}>{reason}</li>)
        )}
      </ul>
    </details>
  )
}
