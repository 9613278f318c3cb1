// `node bench/top-k.ts [ITEMS [INTERACTIONS [only]]]`: exact top-k, fold-in and explanations on one thread; with `only`
// nothing but the search of ITEMS trained items.
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
  /** Of each vector's user: what is excluded from the list; null excludes random items. */
  readonly histories?: readonly Int32Array[] | null
  /** One byte an item. */
  readonly allow?: Uint8Array
  readonly k: number
  readonly exclusions: number
  readonly queries: number
  readonly barMs?: number
  readonly details?: Readonly<Record<string, unknown>>
}

/** The generator leaves items of the long tail without a user; the variant beside it gives each of them so many. */
const USERS_PER_ITEM_MIN = 5

export async function benchTopK(items = 1_000_000, interactions = 10_000_000, only = false): Promise<void> {
  const exact = { k: 10, exclusions: 0 }
  // Beyond a few million items the second variant would need more users than the generator makes.
  for (const usersMin of items > 2_000_000 ? [0] : [0, USERS_PER_ITEM_MIN]) {
    const large = await train(items, interactions, 50, usersMin)
    const trained = { ...large, ...exact, width: 50, queries: 1_000 }
    search({ ...trained, figure: usersMin === 0 ? 'top_10_trained' : 'top_10_trained_no_item_unused', barMs: 5 })
    filtered(usersMin === 0 ? 'trained' : 'trained_no_item_unused', trained)
  }
  if (only) return
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

/** Lists from few allowed items, from half of them, and with nearly all excluded. */
function filtered(name: string, trained: Omit<SearchCase, 'figure'>): void {
  const items = trained.factors.length / trained.width
  const random = seeded(SEED)
  const share = (fraction: number) => Uint8Array.from({ length: items }, () => (random() < fraction ? 1 : 0))
  for (const [label, allow] of [
    ['5_allowed', new Uint8Array(items).fill(1, items - 5)],
    ['one_in_1000_allowed', share(0.001)],
    ['one_in_20_allowed', share(0.05)],
    ['half_allowed', share(0.5)],
  ] as const) {
    search({ ...trained, figure: `top_10_${name}_${label}`, allow, queries: 100 })
  }
  search({ ...trained, histories: null, figure: `top_10_${name}_half_excluded`, exclusions: items / 2, queries: 30 })
}

async function train(items: number, interactions: number, factors: number, usersMin = 0) {
  const shape = { users: Math.ceil(interactions / 70), items, interactions, seed: SEED }
  const { rows, unused } = withUsers([...generateUsers(shape)], items, usersMin)
  const rowPointers = new Int32Array(rows.length + 1)
  for (const [user, row] of rows.entries()) rowPointers[user + 1] = rowPointers[user]! + row.length
  const itemIndices = new Int32Array(rowPointers[rows.length]!)
  for (const [user, row] of rows.entries()) itemIndices.set(row, rowPointers[user]!)
  const strengths = new Float32Array(itemIndices.length).fill(1)
  const matrix = { users: rows.length, items, rowPointers, itemIndices, strengths }
  const trained = await trainAls(matrix, { recipe: recipeOf(factors), threads: 2 })
  const details = {
    interactions: itemIndices.length,
    itemsWithoutUser: unused,
    ...normsOf(trained.itemFactors, factors),
  }
  return { factors: trained.itemFactors, vectors: trained.userFactors, histories: rows, details }
}

/** Gives every item at least `usersMin` of the users, drawn at random; counts the items that have none. */
function withUsers(given: readonly Int32Array[], items: number, usersMin: number) {
  const counts = new Int32Array(items)
  for (const row of given) for (const item of row) counts[item]!++
  const random = seeded(SEED)
  const added = new Map<number, number[]>()
  for (let item = 0; item < items; item++) {
    for (let count = counts[item]!; count < usersMin; count++) {
      const user = Math.floor(random() * given.length)
      added.set(user, [...(added.get(user) ?? []), item])
    }
  }
  const rows = given.map((row, user) => Int32Array.from(new Set([...row, ...(added.get(user) ?? [])])).sort())
  return { rows, unused: usersMin > 0 ? 0 : counts.reduce((unused, count) => unused + (count === 0 ? 1 : 0), 0) }
}

/** How far the lengths of item vectors lie apart, of at most 100,000 of them. */
function normsOf(factors: Float32Array, width: number) {
  const items = factors.length / width
  const step = Math.ceil(items / 100_000)
  const norms = Float64Array.from({ length: Math.floor(items / step) }, (_, at) =>
    Math.hypot(...factors.subarray(at * step * width, (at * step + 1) * width)),
  ).sort()
  const at = (share: number) => rounded(norms[Math.floor(share * (norms.length - 1))]!)
  return { normP10: at(0.1), normP50: at(0.5), normP99: at(0.99), normMax: at(1) }
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
    const exclude =
      drawn.histories?.[user] ?? Int32Array.from({ length: exclusions }, () => Math.floor(random() * items))
    const vector = vectors.subarray(user * width, (user + 1) * width)
    return { vector, k, ...(exclude.length > 0 && { exclude }), ...(drawn.allow && { allow: drawn.allow }) }
  })
  const best = bestRound(asked.map((query) => () => scorer.top(query)))
  report({
    figure: `${drawn.figure}_${items}_items_p50`,
    value: rounded(best.p50Ms),
    unit: 'ms',
    ...(barMs !== undefined && { bar: { atMost: barMs } }),
    details: {
      ...{ width, k, exclusions: drawn.histories ? 'own history' : exclusions, queries, ...best },
      ...{ modelReadyMs: rounded(buildMs), peakRssMb: Math.round(process.resourceUsage().maxRSS / 1_024) },
      ...drawn.details,
    },
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
  const [items, interactions] = process.argv.slice(2, 4).map(Number)
  await benchTopK(items, interactions, process.argv[4] === 'only')
}
