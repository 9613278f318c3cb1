import type { EventColumns } from '../../schemas/event-columns.ts'
import type { Contestant } from '../evaluation/contestant.ts'
import { createComparison, type Evaluation, meanOf, summarize } from '../evaluation/evaluate.ts'
import { buildHoldout } from '../evaluation/holdout.ts'
import type { Comparison } from '../evaluation/measure.ts'
import type { PairTable } from '../evaluation/pair-table.ts'
import { measureInParallel } from '../evaluation/parallel.ts'
import { type EvaluationPlan, REPORTED } from '../evaluation/plan.ts'
import { popularityOrder } from '../evaluation/popularity.ts'
import type { Model } from '../model/model.ts'
import { aggregatePairs, type ItemOrder, popularityScores, type StrengthRules } from './pairs.ts'
import type { TimeSplit } from './split.ts'

/** Starting a thread costs about as much as measuring so many users. */
const USERS_PER_THREAD_MIN = 2_000
/** What a search compares. */
const SEARCHED: EvaluationPlan<'ndcg_at_10'> = { metrics: ['ndcg_at_10'], catalogueAt: null }

/** Threads and the way to stop them. */
export interface Hands {
  readonly threads: number
  readonly signal: AbortSignal
}

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
  /** Throws ABORTED, as the other two. */
  evaluate(contestant: Contestant, hands: Hands): Promise<Evaluation>
  evaluateModel(model: Model, hands: Hands): Promise<Evaluation>
  /** Mean NDCG@10 alone: cheaper. */
  ndcgOf(contestant: Contestant, hands: Hands): Promise<number>
  ndcgOfModel(model: Model, hands: Hands): Promise<number>
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
  const contestant = (model: Model): Contestant => {
    const histories = past(model.recipe.halfLifeDays)
    return { kind: 'model', model, histories, itemIds: order.itemIds, fallback: popularity }
  }
  const worth = ({ threads, signal }: Hands) => {
    const useful = Math.ceil(comparison.holdout.users.length / USERS_PER_THREAD_MIN)
    return { threads: Math.min(threads, useful), signal }
  }
  const evaluate = async (shown: Contestant, hands: Hands) =>
    summarize(await measureInParallel(shown, comparison, { plan: REPORTED, ...worth(hands) }), comparison)
  const ndcgOf = async (shown: Contestant, hands: Hands) => {
    const measured = await measureInParallel(shown, comparison, { plan: SEARCHED, ...worth(hands) })
    return meanOf(measured, 'ndcg_at_10', comparison)
  }
  return {
    split,
    comparison,
    past,
    pastUntil: columns.timestamp[split.past.to - 1]!,
    popularity,
    evaluate,
    evaluateModel: (model, hands) => evaluate(contestant(model), hands),
    ndcgOf,
    ndcgOfModel: (model, hands) => ndcgOf(contestant(model), hands),
  }
}
