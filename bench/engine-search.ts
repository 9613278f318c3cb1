import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { gramOf } from '../engine/als/loss.ts'
import { checkRows, checkShape } from '../engine/als/matrix.ts'
import { trainAls } from '../engine/als/train.ts'
import { createRandom } from '../engine/evaluation/random.ts'
import { candidateRecipes, defaultRecipe } from '../engine/learn/recipes.ts'
import { type SearchResult, type SearchState, successiveHalving } from '../engine/learn/search.ts'
import { HOLDOUT_SHARE } from '../engine/learn/split.ts'
import type { Model } from '../engine/model/model.ts'
import { MillraceError } from '../schemas/errors.ts'
import type { Recipe } from '../schemas/training.ts'
import { heldOutNdcg } from './engine-evaluation.ts'
import { type EngineOptions, shapeOf } from './engine-options.ts'
import { comparedSplit, givenSplit } from './given-split.ts'
import type { Pairs } from './interaction-file.ts'
import { matrixOfPairs, type NamedMatrix } from './interaction-matrix.ts'

/**
 * Chooses a recipe on the training file alone: its last tenth of time validates (without timestamps: a seeded tenth of its
 * pairs), candidates are fitted to the rest and compared by NDCG@top. Takes the columns of `pairs` over. With a state file the
 * search goes on where an interrupted one stopped, to the same result.
 */
export async function searchRecipe(pairs: Pairs, options: EngineOptions): Promise<SearchResult> {
  const { parameters, threads, top, search } = options
  const { fitted, held } = validationSplit(pairs, parameters.seed ?? 42)
  const train = matrixOfPairs(fitted)
  checkShape(train.matrix)
  checkRows(train.matrix, 0, train.matrix.users)
  const split = comparedSplit(train, givenSplit(train, held), 1)
  const shape = shapeOf(train.matrix)
  const candidates = candidateRecipes(defaultRecipe(parameters, 36_500, shape), parameters, null, search, shape)
  const fit = async (recipe: Recipe, previous: Model | null, done: number): Promise<Model> => {
    const remaining = { ...recipe, iterations: recipe.iterations - done }
    const start = previous && { initialItemFactors: previous.itemFactors }
    const { itemFactors } = await trainAls(train.matrix, { recipe: remaining, threads, ...start })
    return modelOf(train, recipe, itemFactors)
  }
  return await successiveHalving(
    candidates,
    { fit, score: (model) => heldOutNdcg(model, split, top, threads) },
    {
      key: keyOf(candidates, top, train, split.comparison.holdout),
      resumeFrom: readState(options.searchState),
      onState(state) {
        const { recipe, score } = state.trials.at(-1)!
        console.error(`trial ${state.trials.length}: ndcg_at_${top} ${score.toFixed(4)} of ${JSON.stringify(recipe)}`)
        writeState(options.searchState, state)
      },
    },
  )
}

export function modelOf({ matrix, itemIds }: NamedMatrix, recipe: Recipe, itemFactors: Float32Array): Model {
  const interactions = matrix.itemIndices.length
  const gram = gramOf(itemFactors, recipe.factors)
  return { recipe, itemIds, itemFactors, gram, users: matrix.users, interactions, dataUntil: 0 }
}

/** Events of one moment stay together: the validation slice begins with the first of the moment at nine tenths. */
function validationSplit(pairs: Pairs, seed: number): { fitted: Pairs; held: Pairs } {
  const { timestamps } = pairs
  const { length } = pairs.userAt
  const random = createRandom(seed)
  const key = timestamps ?? Float64Array.from({ length }, random)
  const sorted = key.toSorted()
  const cut = sorted[Math.floor(length * (1 - HOLDOUT_SHARE))]!
  const split = { fitted: pick(pairs, (at) => key[at]! < cut), held: pick(pairs, (at) => key[at]! >= cut) }
  if (length === 0 || split.fitted.userAt.length === 0) {
    const message = `${length} training pairs${timestamps ? ` with ${new Set(timestamps).size} different timestamps` : ''} are too few to search on; leave --search out`
    throw new MillraceError('INVALID_INPUT_FILE', message)
  }
  return split
}

/** Some of the pairs, with the users and items of these alone, in order of appearance. */
function pick(pairs: Pairs, wanted: (at: number) => boolean): Pairs {
  const kept = Int32Array.from(pairs.userAt.keys()).filter(wanted)
  const users = renumbered(pairs.users, pairs.userAt, kept)
  const items = renumbered(pairs.items, pairs.itemAt, kept)
  return {
    ...{ users: users.ids, items: items.ids, userAt: users.at, itemAt: items.at, timestamps: null },
    weights: Float32Array.from(kept, (at) => pairs.weights[at]!),
  }
}

function renumbered(
  ids: readonly string[],
  places: Int32Array,
  kept: Int32Array,
): { ids: string[]; at: Int32Array<ArrayBuffer> } {
  const numbers = new Int32Array(ids.length).fill(-1)
  const used: string[] = []
  const at = Int32Array.from(kept, (place) => {
    const id = places[place]!
    if (numbers[id] === -1) numbers[id] = used.push(ids[id]!) - 1
    return numbers[id]!
  })
  return { ids: used, at }
}

function keyOf(
  candidates: readonly Recipe[],
  top: number,
  { matrix, itemIds, userIds }: NamedMatrix,
  holdout: { readonly pointers: Int32Array; readonly itemRanks: Int32Array },
): string {
  const hash = createHash('sha256').update(JSON.stringify([candidates, top, itemIds.length, userIds.length]))
  for (const numbers of [matrix.rowPointers, matrix.itemIndices, matrix.strengths]) hash.update(numbers)
  for (const numbers of [holdout.pointers, holdout.itemRanks]) hash.update(numbers)
  return hash.digest('hex').slice(0, 32)
}

function readState(path: string | null): SearchState | null {
  if (path === null || !existsSync(path)) return null
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new MillraceError('INVALID_INPUT_FILE', `${path} holds no saved search`, { field: path, cause })
  }
}

/** Never half a file: written beside it and renamed. */
function writeState(path: string | null, state: SearchState): void {
  if (path === null) return
  writeFileSync(`${path}.next`, JSON.stringify(state))
  renameSync(`${path}.next`, path)
}
