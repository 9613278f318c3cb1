// `npm run bench:engine`: trains on one file, measures on another, prints one JSON line (see bench/engine-options.ts).
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { alsLoss } from '../engine/als/loss.ts'
import { checkRows, checkShape } from '../engine/als/matrix.ts'
import type { AlsFactors, AlsProgress } from '../engine/als/port.ts'
import { trainAls } from '../engine/als/train.ts'
import { weightsOf } from '../engine/als/weights.ts'
import { createScorer } from '../engine/scoring/scorer.ts'
import { isMillraceError } from '../schemas/errors.ts'
import type { Recipe } from '../schemas/training.ts'
import { collect } from './collect.ts'
import { evaluateHeldOut, timeUsers } from './engine-evaluation.ts'
import { type EngineOptions, parseEngineOptions, recipeFor } from './engine-options.ts'
import { modelOf, searchRecipe } from './engine-search.ts'
import { comparedSplit, type GivenSplit, givenSplit } from './given-split.ts'
import { readInteractionFile } from './interaction-file.ts'
import { matrixOfPairs, type NamedMatrix } from './interaction-matrix.ts'
import { rounded } from './report.ts'

try {
  await run()
} catch (error) {
  if (!isMillraceError(error)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = 2
}

async function run(): Promise<void> {
  const options = parseEngineOptions(process.argv.slice(2))
  const train = matrixOfPairs(await readInteractionFile(options.train))
  const test = options.test === null ? null : await readInteractionFile(options.test)
  checkShape(train.matrix)
  checkRows(train.matrix, 0, train.matrix.users)
  const split = test && givenSplit(train, test)
  const searched =
    options.search > 1
      ? await searchRecipe(await readInteractionFile(options.train, { timestamps: true }), options)
      : null
  const recipe = searched?.best ?? recipeFor(options.parameters, train.matrix)
  collect()
  const pace = createPace()
  const startedAt = performance.now()
  const factors = await trainAls(train.matrix, { recipe, threads: options.threads, onProgress: pace.note })
  const secondsTotal = (performance.now() - startedAt) / 1_000
  if (options.exportTo !== null) exportArrays(options.exportTo, train, factors)
  const measured = await measure(train, recipe, factors, split, options)
  console.log(
    JSON.stringify({
      users: train.matrix.users,
      items: train.matrix.items,
      train: train.matrix.itemIndices.length,
      test: test?.userAt.length ?? 0,
      recipe,
      ...(searched && { trials: searched.trials }),
      threads: options.threads,
      secondsPerIteration: rounded(factors.secondsPerIteration, 4),
      ...pace.fastest(),
      secondsTotal: rounded(secondsTotal, 4),
      ...measured,
      peakRssMb: Math.round(process.resourceUsage().maxRSS / 1_024),
    }),
  )
}

/** The fastest iteration by the clock and by the processor, the first one (which warms up) apart if there are others. */
function createPace() {
  const wall: number[] = []
  const cpu: number[] = []
  let seconds = 0
  let lastCpu = Number.NaN
  return {
    note({ iteration, secondsOfHalfStep, side }: AlsProgress): void {
      console.error(`iteration ${iteration} ${side}: ${secondsOfHalfStep.toFixed(3)} s`)
      seconds = side === 'users' ? secondsOfHalfStep : seconds + secondsOfHalfStep
      if (side === 'users') return
      const { user, system } = process.cpuUsage()
      wall.push(seconds)
      cpu.push((user + system) / 1e6 - lastCpu)
      lastCpu = (user + system) / 1e6
    },
    fastest: () => ({
      secondsOfFastestIteration: rounded(Math.min(...(wall.length > 1 ? wall.slice(1) : wall)), 4),
      cpuSecondsOfFastestIteration: cpu.length > 1 ? rounded(Math.min(...cpu.slice(1)), 4) : null,
    }),
  }
}

async function measure(
  train: NamedMatrix,
  recipe: Recipe,
  factors: AlsFactors,
  given: GivenSplit | null,
  { top, threads, parameters }: EngineOptions,
): Promise<Readonly<Record<string, number | null>>> {
  const loss = alsLoss(train.matrix, { ...factors, factors: recipe.factors }, weightsOf(recipe))
  if (given === null) return { loss }
  collect()
  const split = comparedSplit(train, given, parameters.seed ?? 42)
  const model = modelOf(train, recipe, factors.itemFactors)
  const held = await evaluateHeldOut(model, split, top, threads)
  using scorer = createScorer(model)
  return { loss, ...held, ...timeUsers(scorer, split, top) }
}

/** Raw little-endian arrays: the matrix as it was trained on, and both sides' factors. */
function exportArrays(folder: string, { matrix }: NamedMatrix, factors: AlsFactors): void {
  mkdirSync(folder, { recursive: true })
  const arrays = {
    'pointers.i32': matrix.rowPointers,
    'items.i32': matrix.itemIndices,
    'strengths.f32': matrix.strengths,
    'user-factors.f32': factors.userFactors,
    'item-factors.f32': factors.itemFactors,
  }
  for (const [name, array] of Object.entries(arrays)) {
    writeFileSync(join(folder, name), new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
  }
}
