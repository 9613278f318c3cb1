import { isMillraceError, MillraceError } from '../../../schemas/errors.ts'
import type { ModelRegistry } from '../port.ts'
import { queuedRun } from '../queued-run.ts'
import { createTurns } from '../turns.ts'
import { readAddress } from './address.ts'
import { type Aliases, createAliases } from './aliases.ts'
import { createMlflowClient } from './client.ts'
import { createRuns, givenFields, type Runs } from './runs.ts'
import { createVersions, unknownVersion, type Versions } from './versions.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

/** So long does a process that could serve from its local cache wait for a silent server. */
const OPENING_TIMEOUT_MS = 5_000

interface Parts {
  readonly workspace: Workspace
  readonly runs: Runs
  readonly versions: Versions
  readonly aliases: Aliases
}

/**
 * A registry on an MLflow server (2.8 or newer, database store): training runs are runs of an experiment, versions those of
 * a registered model, both named `millrace` or as `?name=` says; any number of processes share it. Guarantees are the
 * port's, with these limits:
 * - promote, rollback and setChallenger are in one order for all processes, and each sees those before it (see ledger.ts).
 *   Only through Millrace: an alias moved by hand in MLflow is set back.
 * - A call that ends with REGISTRY_UNAVAILABLE because the answer was lost may have happened; reading again tells.
 * - The same run id created by two processes at the very same moment can make two runs; everybody reads the older.
 * - A rollback reaches 500 versions back; a reason keeps 4,000 characters.
 * A server that cannot be reached is no error here (a process starts from its local model cache then) but of each call;
 * with `unreachable: 'refuse'` it is. Wrong credentials and what is no MLflow are CONFIG_INVALID at once.
 */
export async function openMlflowModelRegistry(
  url: string,
  options: { readonly unreachable: 'wait' | 'refuse'; readonly timeoutMs?: number },
): Promise<ModelRegistry> {
  const client = createMlflowClient(readAddress(url), options.timeoutMs)
  const closing = new AbortController()
  let opened: Parts | null = null

  async function open(signal: AbortSignal): Promise<Parts> {
    if (opened !== null) return opened
    const workspace = await openWorkspace(client, signal)
    const aliases = createAliases(client, workspace.ledger)
    await aliases.publish(signal)
    opened ??= { workspace, aliases, runs: createRuns(client, workspace), versions: createVersions(client, workspace) }
    return opened
  }

  const using = async <T>(caller: AbortSignal, work: (parts: Parts, signal: AbortSignal) => Promise<T>): Promise<T> => {
    const closed = () => new MillraceError('REGISTRY_UNAVAILABLE', 'the model registry is closed')
    if (closing.signal.aborted) throw closed()
    const signal = AbortSignal.any([caller, closing.signal])
    try {
      return await work(await open(signal), signal)
    } catch (error) {
      if (isMillraceError(error, 'ABORTED') && closing.signal.aborted && !caller.aborted) throw closed()
      if (!isMillraceError(error, 'CONFIG_INVALID')) throw error
      // Once opened, a server that turns callers away is an outage like any other: what is loaded keeps serving.
      throw new MillraceError('REGISTRY_UNAVAILABLE', error.message, { cause: error, field: 'MODEL_REGISTRY_URL' })
    }
  }

  try {
    await inTime(client.address.base, open)
  } catch (error) {
    if (options.unreachable === 'refuse' || !isMillraceError(error, 'REGISTRY_UNAVAILABLE')) throw error
  }
  return {
    ...runCalls(using),
    ...versionCalls(using),
    async [Symbol.asyncDispose]() {
      closing.abort()
    },
  }
}

async function inTime(base: string, open: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  try {
    await open(AbortSignal.timeout(OPENING_TIMEOUT_MS))
  } catch (cause) {
    if (!isMillraceError(cause, 'ABORTED')) throw cause
    const message = `MODEL_REGISTRY_URL (${base}): no answer in time; it may be repeated`
    throw new MillraceError('REGISTRY_UNAVAILABLE', message, { cause })
  }
}

type Using = <T>(caller: AbortSignal, work: (parts: Parts, signal: AbortSignal) => Promise<T>) => Promise<T>

function runCalls(using: Using): Pick<ModelRegistry, 'createRun' | 'getRun' | 'listRuns' | 'updateRun'> {
  const inTurn = createTurns()
  return {
    createRun: (run, { now, signal: caller }) =>
      inTurn(`creating run ${run.runId}`, () =>
        using(caller, async ({ runs }, signal) => {
          const created = queuedRun(run, now)
          if (await runs.create(created, signal)) return created
          throw new MillraceError('CONFLICT', `run ${run.runId} exists already`)
        }),
      ),
    getRun: (runId, options) =>
      using(options.signal, async ({ runs }, signal) => (await runs.read(runId, signal))?.run ?? null),
    listRuns: ({ limit, signal: caller }) => using(caller, ({ runs }, signal) => runs.newest(limit, signal)),
    updateRun: (runId, patch, options) =>
      using(options.signal, async ({ runs }, signal) => {
        const updated = await runs.update(runId, givenFields(runId, patch), signal)
        if (updated !== null) return updated
        throw new MillraceError('RUN_NOT_FOUND', `run ${runId} is not known`, { field: 'runId' })
      }),
  }
}

function versionCalls(
  using: Using,
): Omit<ModelRegistry, 'createRun' | 'getRun' | 'listRuns' | 'updateRun' | typeof Symbol.asyncDispose> {
  async function requireVersion(versions: Versions, version: string, signal: AbortSignal): Promise<void> {
    if ((await versions.read(version, signal)) === null) throw unknownVersion(version)
  }
  return {
    registerVersion: (version, { now, signal: caller }) =>
      using(caller, async ({ runs, versions }, signal) => {
        const run = await runs.read(version.runId, signal)
        return await versions.register({ ...version, createdAt: now }, run?.mlflowRunId ?? null, signal)
      }),
    getVersion: (version, options) => using(options.signal, ({ versions }, signal) => versions.read(version, signal)),
    listVersions: ({ limit, signal: caller }) =>
      using(caller, ({ versions }, signal) => versions.newest(limit, signal)),
    alias: (alias, options) => using(options.signal, ({ aliases }, signal) => aliases.read(alias, signal)),
    promote: (version, { signal: caller, ...change }) =>
      using(caller, async ({ versions, aliases }, signal) => {
        await requireVersion(versions, version, signal)
        return await aliases.promote(version, { ...change, signal })
      }),
    rollback: ({ signal: caller, ...change }) =>
      using(caller, ({ aliases }, signal) => aliases.rollback({ ...change, signal })),
    setChallenger: (version, { signal: caller, ...change }) =>
      using(caller, async ({ versions, aliases }, signal) => {
        if (version !== null) await requireVersion(versions, version, signal)
        return await aliases.setChallenger(version, { ...change, signal })
      }),
    history: ({ limit, signal: caller }) =>
      using(caller, ({ workspace }, signal) => workspace.ledger.history(limit, signal)),
  }
}
