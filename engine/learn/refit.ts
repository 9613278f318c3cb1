import { itemsOf, type PairTable } from '../evaluation/pair-table.ts'
import { recommendPersonal } from '../evaluation/personal.ts'
import type { Model } from '../model/model.ts'
import { createScorer } from '../scoring/scorer.ts'

/** Users whose lists of both fits are compared. */
const OVERLAP_USERS_MAX = 200
const OVERLAP_LENGTH = 10
/** A tenth more data moves lists, but not beyond recognition. */
const OVERLAP_MIN = 0.1
/** Mean norms of item vectors may differ by this factor. */
const NORM_RATIO_MAX = 10

export interface RefitCheck {
  readonly passed: boolean
  /** One sentence per check, failed ones first. */
  readonly reasons: readonly string[]
  /** Mean share of the top 10 that both fits have in common; 0 where it could not be measured. */
  readonly overlap: number
}

/**
 * The model that will serve was fitted on everything and so cannot be evaluated: instead it must be finite, its vectors
 * of a similar length as those of the evaluated fit, and its lists for the same histories must resemble that one's.
 */
export function checkRefit(refit: Model, evaluated: Model, past: PairTable, itemIds: readonly string[]): RefitCheck {
  if (!refit.itemFactors.every(Number.isFinite) || !refit.gram.every(Number.isFinite)) {
    return { passed: false, reasons: ['the refit has factors that are not finite'], overlap: 0 }
  }
  const ratio = meanNorm(refit) / meanNorm(evaluated)
  const normsAgree = ratio > 1 / NORM_RATIO_MAX && ratio < NORM_RATIO_MAX
  const overlap = meanOverlap(refit, evaluated, past, itemIds)
  const listsAgree = overlap >= OVERLAP_MIN
  const reasons = [
    {
      passed: normsAgree,
      reason: `the refit's item vectors are ${ratio.toFixed(2)} times as long as the evaluated fit's${normsAgree ? '' : `, allowed are ${1 / NORM_RATIO_MAX} to ${NORM_RATIO_MAX}`}`,
    },
    {
      passed: listsAgree,
      reason: `the refit's top ${OVERLAP_LENGTH} share ${(overlap * 100).toFixed(0)} % with the evaluated fit's${listsAgree ? '' : `, at least ${OVERLAP_MIN * 100} % needed`}`,
    },
  ]
  const ordered = [...reasons.filter(({ passed }) => !passed), ...reasons.filter(({ passed }) => passed)]
  return { passed: normsAgree && listsAgree, reasons: ordered.map(({ reason }) => reason), overlap }
}

function meanNorm({ itemFactors, recipe, itemIds }: Model): number {
  let sum = 0
  for (let start = 0; start < itemFactors.length; start += recipe.factors) {
    let square = 0
    for (let index = start; index < start + recipe.factors; index++) square += itemFactors[index]! ** 2
    sum += Math.sqrt(square)
  }
  return sum / itemIds.length
}

function meanOverlap(refit: Model, evaluated: Model, past: PairTable, itemIds: readonly string[]): number {
  const nothing = new Int32Array(0)
  const left = recommendPersonal(createScorer(refit), past, itemIds, nothing)
  const right = recommendPersonal(createScorer(evaluated), past, itemIds, nothing)
  const users: number[] = []
  for (let user = 0; user < past.users; user++) if (itemsOf(past, user).length > 0) users.push(user)
  const step = Math.max(1, Math.ceil(users.length / OVERLAP_USERS_MAX))
  let sum = 0
  let counted = 0
  for (let index = 0; index < users.length; index += step) {
    const expected = new Set(right(users[index]!, OVERLAP_LENGTH))
    if (expected.size === 0) continue
    sum += left(users[index]!, OVERLAP_LENGTH).filter((item) => expected.has(item)).length / expected.size
    counted++
  }
  return counted === 0 ? 0 : sum / counted
}
