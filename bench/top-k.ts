// `node bench/top-k.ts [ITEMS [INTERACTIONS]]`: exact top-k, fold-in and explanations on one thread.
import { trainAls } from '../engine/als/train.ts'
import { gramOf } from '../engine/learn/fit.ts'
import type { Model } from '../engine/model/model.ts'
import type { TopQuery } from '../engine/scoring/port.ts'
import { createScorer } from '../engine/scoring/scorer.ts'
import type { Recipe } from '../schemas/training.ts'
import { seeded } from '../tests/support/events.ts'
import { generateUsers } from './interaction-generator.ts'
import { quantile, report, rounded } from './report.ts'

const ROUNDS = 3
const SEED = 7

/** Item factors with vectors to search them with. */
interface SearchCase {
  readonly figure: string
  readonly factors: Float32Array
  readonly width: number
  /** Query vectors, row-major. */
  readonly vectors: Float32Array
  readonly k: number
  readonly exclusions: number
  readonly queries: number
  readonly barMs?: number
}

export async function benchTopK(items = 1_000_000, interactions = 10_000_000): Promise<void> {
  const large = await train(items, interactions, 50)
  const exact = { k: 10, exclusions: 0 }
  search({ figure: 'top_10_trained', ...large, ...exact, width: 50, queries: 1_000, barMs: 5 })
  const middle = await train(40_000, 4_000_000, 64)
  search({ figure: 'top_10_trained', ...middle, ...exact, width: 64, queries: 3_000, barMs: 0.15 })
  const small = await train(4_000, 1_000_000, 64)
  search({ figure: 'top_100_trained', ...small, k: 100, exclusions: 50, width: 64, queries: 3_000, barMs: 0.06 })
  for (const [count, width, queries, k, exclusions] of [
    [items, 50, 100, 10, 0],
    [40_000, 64, 2_000, 10, 0],
    [4_000, 64, 3_000, 100, 50],
  ] as const) {
    const [factors, vectors] = [gaussian(count * width, 1), gaussian(1_000 * width, 2)]
    search({ figure: `top_${k}_gaussian`, factors, vectors, width, k, exclusions, queries })
  }
  users(modelOf(small.factors, 64), 50)
}

async function train(items: number, interactions: number, factors: number) {
  const shape = { users: Math.ceil(interactions / 70), items, interactions, seed: SEED }
  const rows = [...generateUsers(shape)]
  const rowPointers = new Int32Array(rows.length + 1)
  for (const [user, row] of rows.entries()) rowPointers[user + 1] = rowPointers[user]! + row.length
  const itemIndices = new Int32Array(rowPointers[rows.length]!)
  for (const [user, row] of rows.entries()) itemIndices.set(row, rowPointers[user]!)
  const strengths = new Float32Array(itemIndices.length).fill(1)
  const matrix = { users: rows.length, items, rowPointers, itemIndices, strengths }
  const trained = await trainAls(matrix, { recipe: recipeOf(factors), threads: 2 })
  return { factors: trained.itemFactors, vectors: trained.userFactors }
}

function recipeOf(factors: number): Recipe {
  const weights = { alpha: 10, alpha0: 0.1, regularization: 0.003, nu: 1 }
  return { preset: 'ials', solver: 'cg', factors, iterations: 6, halfLifeDays: 90, seed: SEED, ...weights }
}

function modelOf(itemFactors: Float32Array, width: number): Model {
  const gram = gramOf(itemFactors, width)
  const itemIds = Array.from({ length: itemFactors.length / width }, (_, item) => String(item).padStart(8, '0'))
  return { recipe: recipeOf(width), itemIds, itemFactors, gram, users: 1, interactions: 1, dataUntil: 0 }
}

/** The median of the round with the smallest one; CPU time of that round beside it. */
function search(drawn: SearchCase): void {
  const { factors, width, vectors, k, exclusions, queries, barMs } = drawn
  const random = seeded(SEED)
  const items = factors.length / width
  const people = vectors.length / width
  const startedAt = performance.now()
  using scorer = createScorer(modelOf(factors, width))
  const buildMs = performance.now() - startedAt
  const asked: TopQuery[] = Array.from({ length: queries }, () => {
    const user = Math.floor(random() * people)
    const exclude = Int32Array.from({ length: exclusions }, () => Math.floor(random() * items))
    return { vector: vectors.subarray(user * width, (user + 1) * width), k, ...(exclusions > 0 && { exclude }) }
  })
  const best = bestRound(asked.map((query) => () => scorer.top(query)))
  report({
    figure: `${drawn.figure}_${items}_items_p50`,
    value: rounded(best.p50Ms),
    unit: 'ms',
    ...(barMs !== undefined && { bar: { atMost: barMs } }),
    details: { width, k, exclusions, queries, ...best, modelReadyMs: rounded(buildMs) },
  })
}

/** Fold-in of a history, and what each of its items adds to the ten best scores. */
function users(model: Model, history: number): void {
  const random = seeded(SEED)
  using scorer = createScorer(model)
  const people = Array.from({ length: 1_000 }, () => {
    const items = new Set<number>()
    while (items.size < history) items.add(Math.floor(random() ** 3 * model.itemIds.length))
    return { items: Int32Array.from(items).sort(), strengths: new Float64Array(history).fill(1) }
  })
  const details = { history, factors: model.recipe.factors }
  const folded = bestRound(people.map((person) => () => scorer.foldIn(person)))
  const bar = { atMost: 0.04 }
  report({ figure: 'fold_in_p50', value: rounded(folded.p50Ms), unit: 'ms', bar, details: { ...details, ...folded } })
  const explained = bestRound(
    people.map((person) => () => {
      const contributionsTo = scorer.explain(person)
      for (let item = 0; item < 10; item++) contributionsTo(item)
    }),
  )
  report({
    figure: 'explain_10_p50',
    value: rounded(explained.p50Ms),
    unit: 'ms',
    details: { ...details, ...explained },
  })
}

function bestRound(calls: readonly (() => void)[]) {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const cpu = process.cpuUsage()
    const times = calls.map((call) => {
      const startedAt = performance.now()
      call()
      return performance.now() - startedAt
    })
    const used = process.cpuUsage(cpu)
    return {
      p50Ms: rounded(quantile(times, 0.5)),
      p99Ms: rounded(quantile(times, 0.99)),
      minimumMs: rounded(quantile(times, 0)),
      cpuMsPerCall: rounded((used.user + used.system) / 1_000 / calls.length),
    }
  })
  return rounds.reduce((best, round) => (round.p50Ms < best.p50Ms ? round : best))
}

function gaussian(length: number, seed: number): Float32Array {
  const random = seeded(seed)
  return new Float32Array(length).map(() => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()))
}

if (import.meta.main) {
  const [items, interactions] = process.argv.slice(2).map(Number)
  await benchTopK(items, interactions)
}
