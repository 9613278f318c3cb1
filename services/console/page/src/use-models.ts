import { useCallback, useEffect, useState } from 'preact/hooks'
import { askEdge, failureWords } from './edge.ts'

export interface ModelRow {
  readonly version: string
  readonly runId: string
  readonly metrics: Readonly<Record<string, number>>
  readonly gate: { readonly accepted: boolean; readonly reasons: readonly string[] } | null
  readonly users: number
  readonly items: number
  readonly createdAt: string | number
}

export interface RunRow {
  readonly runId: string
  readonly state: 'queued' | 'running' | 'finished' | 'failed' | 'rejected'
  readonly progress: number
  readonly message?: string
  readonly metrics: Readonly<Record<string, number>>
  readonly gate: { readonly accepted: boolean; readonly reasons: readonly string[] } | null
  readonly modelVersion?: string | null
  readonly createdAt?: string | number
}

export interface Models {
  readonly models: readonly ModelRow[]
  readonly runs: readonly RunRow[]
  readonly champion: string | null
  /** What the edge serves now; follows the champion within two seconds. */
  readonly serving: string | null
  readonly running: RunRow | null
  readonly trouble: string | null
  readonly isLoaded: boolean
  train(): void
  promote(version: string): void
  rollback(): void
}

const POLL_IDLE_MS = 4_000
const POLL_BUSY_MS = 500
const RUNS_SHOWN_MAX = 8

interface ModelsReply {
  readonly models: readonly ModelRow[]
  readonly champion: string | null
  readonly serving: string | null
}

/** Models and runs, asked again every few seconds, and twice a second while a run or a change of model is under way. */
export function useModels(): Models {
  const [models, setModels] = useState<ModelsReply>({ models: [], champion: null, serving: null })
  const [runs, setRuns] = useState<readonly RunRow[]>([])
  const [trouble, setTrouble] = useState<string | null>(null)
  const [isLoaded, setLoaded] = useState(false)
  const running = runs.find((run) => run.state === 'queued' || run.state === 'running') ?? null

  const isSettled = running === null && models.champion === models.serving

  const load = useCallback(async (signal?: AbortSignal) => {
    const [modelsReply, runsReply] = await Promise.all([
      askEdge<ModelsReply>('models', { signal }),
      askEdge<{ runs: readonly RunRow[] }>(`training/runs?limit=${RUNS_SHOWN_MAX}`, { signal }),
    ])
    setModels(modelsReply)
    setRuns(runsReply.runs)
    setLoaded(true)
  }, [])

  useEffect(() => {
    const controller = new AbortController()
    const ask = () => void load(controller.signal).catch(() => undefined)
    ask()
    const timer = setInterval(ask, isSettled ? POLL_IDLE_MS : POLL_BUSY_MS)
    return () => {
      clearInterval(timer)
      controller.abort()
    }
  }, [load, isSettled])

  const order = useCallback(
    (path: string, body: unknown) => {
      setTrouble(null)
      askEdge<unknown>(path, { method: 'POST', body })
        .then(() => load())
        .catch((error: unknown) => setTrouble(failureWords(error)))
    },
    [load],
  )

  return {
    ...models,
    runs,
    running,
    trouble,
    isLoaded,
    train: () => order('training/train', { model_type: 'als' }),
    promote: (version) => order(`models/${encodeURIComponent(version)}/promote`, { reason: 'promoted on the page' }),
    rollback: () => order('models/rollback', { reason: 'rolled back on the page' }),
  }
}
