import { MillraceError } from '../../../schemas/errors.ts'
import type { MlflowClient } from './client.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { type MlflowRun, newMlflowRun, readMlflowRun } from './mlflow-run.ts'
import { createValues, tagsOf, type Values } from './values.ts'

/** Tag of the registered model: a run of the ledger, the newest that is known; entries are reached from any of them. */
const LEDGER_TAG = 'millrace.changes'
const EXISTS = 'RESOURCE_ALREADY_EXISTS'
const ABSENT = 'RESOURCE_DOES_NOT_EXIST'

/** What must exist in MLflow before anything else: the experiment, the registered model, the ledger of alias changes. */
export interface Workspace {
  readonly experimentId: string
  readonly ledger: Ledger
  readonly values: Values
}

interface RegisteredModel {
  readonly tags?: readonly { key: string; value: string }[]
}

/**
 * Finds or makes it; two processes that start at once end with the same. MLflow creates a registered model of a name once,
 * together with its tags: so whoever creates it decides where the ledger begins.
 */
export async function openWorkspace(client: MlflowClient, signal: AbortSignal): Promise<Workspace> {
  const { name } = client.address
  const experimentId = await findOrMakeExperiment(client, signal)
  const known = (await readLedgerTag(client, signal)) ?? (await makeModel(client, experimentId, signal))
  const first = await readMlflowRun(client, known, signal)
  if (first === null) {
    throw new MillraceError(
      'CORRUPT_FILE',
      `registered model ${name} of MLflow refers to run ${known} for its alias changes, which is gone`,
      { field: name },
    )
  }
  const remember = async (runId: string, stop: AbortSignal) => {
    const body = { name, key: LEDGER_TAG, value: runId }
    await client.call('noting where changes go', { method: 'POST', path: 'registered-models/set-tag', body }, stop)
  }
  return {
    experimentId,
    ledger: createLedger(client, { experimentId, start: known, remember }),
    values: createValues(client, anchorUri(first)),
  }
}

/** Long values go to one folder beside the experiment's runs, so that they do not depend on which run is the newest. */
function anchorUri(run: MlflowRun): string {
  return run.info.artifact_uri.replace(/\/[0-9a-f]{32}\/artifacts$/, '/values')
}

async function findOrMakeExperiment(client: MlflowClient, signal: AbortSignal): Promise<string> {
  const { name } = client.address
  const find = async () => {
    const request = { method: 'GET', path: 'experiments/get-by-name', query: { experiment_name: name } } as const
    const found = await client.call<{ experiment: { experiment_id: string; lifecycle_stage: string } }>(
      'reading the experiment',
      { ...request, refusals: [ABSENT] },
      signal,
    )
    if (found !== null && found.experiment.lifecycle_stage !== 'active')
      throw unusable(`experiment ${name} was deleted`)
    return found?.experiment.experiment_id ?? null
  }
  const found = await find()
  if (found !== null) return found
  await client.call(
    'creating the experiment',
    { method: 'POST', path: 'experiments/create', body: { name }, refusals: [EXISTS] },
    signal,
  )
  const made = await find()
  if (made === null) throw unusable(`experiment ${name} cannot be made`)
  return made
}

/** null when there is no registered model yet. */
async function readLedgerTag(client: MlflowClient, signal: AbortSignal): Promise<string | null> {
  const { name } = client.address
  const found = await client.call<{ registered_model: RegisteredModel }>(
    'reading the registered model',
    { method: 'GET', path: 'registered-models/get', query: { name }, refusals: [ABSENT] },
    signal,
  )
  if (found === null) return null
  const ledger = tagsOf(found.registered_model.tags).get(LEDGER_TAG)
  if (ledger === undefined) throw unusable(`registered model ${name} was made by something else`)
  return ledger
}

async function makeModel(client: MlflowClient, experimentId: string, signal: AbortSignal): Promise<string> {
  const { name } = client.address
  const run = await newMlflowRun(client, { experimentId, name: 'alias changes', kind: 'changes', startTime: 0 }, signal)
  const tags = [{ key: LEDGER_TAG, value: run.info.run_id }]
  await client.call(
    'creating the registered model',
    { method: 'POST', path: 'registered-models/create', body: { name, tags }, refusals: [EXISTS] },
    signal,
  )
  const decided = await readLedgerTag(client, signal)
  if (decided === null) throw unusable(`registered model ${name} cannot be made`)
  if (decided !== run.info.run_id)
    await client.call(
      'removing a spare run',
      { method: 'POST', path: 'runs/delete', body: { run_id: run.info.run_id } },
      signal,
    )
  return decided
}

function unusable(problem: string): MillraceError {
  return new MillraceError(
    'CONFIG_INVALID',
    `MODEL_REGISTRY_URL: ${problem} in MLflow; restore it, or choose another name with ?name=NAME`,
    { field: 'MODEL_REGISTRY_URL' },
  )
}
