import type { EventColumns } from '../../schemas/event-columns.ts'
import { type Comparison, createComparison, type Evaluation, evaluate, meanNdcg } from '../evaluation/evaluate.ts'
import { buildHoldout } from '../evaluation/holdout.ts'
import type { PairTable } from '../evaluation/pair-table.ts'
import { recommendPersonal } from '../evaluation/personal.ts'
import { popularityOrder } from '../evaluation/popularity.ts'
import type { Recommend } from '../evaluation/recommender.ts'
import type { Model } from '../model/model.ts'
import { createScorer } from '../scoring/scorer.ts'
import { aggregatePairs, type ItemOrder, popularityScores, type StrengthRules } from './pairs.ts'
import type { TimeSplit } from './split.ts'

/** A past and a future on which recipes and models are compared on equal terms. */
export interface Contest {
  readonly split: TimeSplit
  readonly comparison: Comparison
  /** The past's pairs with strengths of this half-life; nothing of the future in them. */
  past(halfLifeDays: number): PairTable
  /** Newest event time of the past. */
  readonly pastUntil: number
  /** Item ranks by decayed popularity in the past: a baseline, and what fills lists. */
  readonly popularity: Int32Array
  evaluate(recommend: Recommend): Evaluation
  evaluateModel(model: Model): Evaluation
  /** Mean NDCG@10 alone: cheaper. */
  ndcgOf(model: Model): number
}

export interface ContestSource {
  readonly columns: EventColumns
  readonly order: ItemOrder
  readonly rules: StrengthRules
  readonly seed: number
}

export function createContest({ columns, order, rules, seed }: ContestSource, split: TimeSplit): Contest {
  const pasts = new Map<number, PairTable>()
  const past = (halfLifeDays: number): PairTable => {
    const known = pasts.get(halfLifeDays)
    if (known) return known
    const pairs = aggregatePairs(columns, order, split.past, { ...rules, halfLifeDays })
    pasts.set(halfLifeDays, pairs)
    return pairs
  }
  const future = aggregatePairs(columns, order, split.future, rules)
  const popularity = popularityOrder(popularityScores(columns, order, split.past, rules))
  const comparison = createComparison(past(rules.halfLifeDays), buildHoldout(past(rules.halfLifeDays), future), seed)
  const recommendWith = (model: Model): Recommend =>
    recommendPersonal(createScorer(model), past(model.recipe.halfLifeDays), order.itemIds, popularity)
  return {
    split,
    comparison,
    past,
    pastUntil: columns.timestamp[split.past.to - 1]!,
    popularity,
    evaluate: (recommend) => evaluate(recommend, comparison),
    evaluateModel: (model) => evaluate(recommendWith(model), comparison),
    ndcgOf: (model) => meanNdcg(recommendWith(model), comparison),
  }
}
