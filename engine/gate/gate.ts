import type { GateVerdict } from '../../schemas/training.ts'
import { mean, pairedDifference } from '../evaluation/bootstrap.ts'
import type { Estimate } from '../learn/port.ts'

/** Fewer measured users than this decide nothing. */
export const GATE_USERS_MIN = 5
/** How far below the champion's recorded NDCG@10 even the top of the candidate's interval may lie. */
export const RECORDED_TOLERANCE = 0.1
/** Mean loss against the champion that is refused even where the users are too few to be sure of it. */
export const MEAN_LOSS_TOLERANCE = 0.05
/** Events newer than the champion's own data that its artifact is compared on. */
export const CHAMPION_EVENTS_MIN = 1_000

/** NDCG@10 per user; arrays that are compared list the same users in the same order. */
export interface GateEvidence {
  readonly candidate: Float64Array
  readonly candidateEstimate: Estimate
  readonly popularity: Float64Array
  readonly itemKnn: Float64Array
  /** Item-kNN with its best settings on the validation slice. */
  readonly itemKnnTuned: Float64Array
  readonly champion: ChampionEvidence | null
  readonly seed: number
}

export interface ChampionEvidence {
  readonly version: string
  readonly recordedNdcg: number
  /** The champion's recipe fitted on the same past, measured on the same users. */
  readonly recipe: Float64Array
  /** Its artifact against the candidate on events newer than its data; `users` arrays are empty where not compared. */
  readonly artifact: {
    readonly newerEvents: number
    readonly candidate: Float64Array
    readonly champion: Float64Array
  }
}

/** A judged comparison: what was measured, and whether it speaks against the candidate. */
interface Finding {
  readonly passed: boolean
  readonly reason: string
}

/**
 * Decides whether a candidate may serve. It must have been measured on enough users, be above popularity and item-kNN,
 * not be worse than the tuned item-kNN nor than the champion's recipe on the same past and holdout (paired bootstrap), nor fall clearly below the
 * champion's recorded score, nor lose to the champion's artifact on events neither has seen. Reasons come in words with
 * numbers, failed ones first, also when it is accepted.
 */
export function judge(evidence: GateEvidence): GateVerdict {
  const findings = [
    enoughUsers(evidence),
    aboveBaseline('popularity', evidence.candidate, evidence.popularity),
    aboveBaseline('item-kNN', evidence.candidate, evidence.itemKnn),
    notWorse('the tuned item-kNN', evidence.candidate, evidence.itemKnnTuned, evidence.seed),
    ...championFindings(evidence),
  ]
  const ordered = [...findings.filter(({ passed }) => !passed), ...findings.filter(({ passed }) => passed)]
  return { accepted: findings.every(({ passed }) => passed), reasons: ordered.map(({ reason }) => reason) }
}

function championFindings({ champion, candidate, candidateEstimate, seed }: GateEvidence): readonly Finding[] {
  if (champion === null) return [{ passed: true, reason: 'there is no champion to compare with' }]
  const { artifact, version } = champion
  return [
    notWorse(`the recipe of champion ${version} on the same data`, candidate, champion.recipe, seed),
    nearRecorded(version, champion.recordedNdcg, candidateEstimate),
    artifact.newerEvents < CHAMPION_EVENTS_MIN || artifact.candidate.length === 0
      ? {
          passed: true,
          reason: `champion ${version} itself was not compared: ${artifact.newerEvents} held-out events are newer than its data, ${CHAMPION_EVENTS_MIN} with users to measure are needed`,
        }
      : notWorse(
          `champion ${version} itself on ${artifact.newerEvents} newer events`,
          artifact.candidate,
          artifact.champion,
          seed,
        ),
  ]
}

function enoughUsers({ candidate }: GateEvidence): Finding {
  const passed = candidate.length >= GATE_USERS_MIN
  return {
    passed,
    reason: `measured on ${candidate.length} users${passed ? '' : `, at least ${GATE_USERS_MIN} needed`}`,
  }
}

function aboveBaseline(name: string, candidate: Float64Array, baseline: Float64Array): Finding {
  const [own, other] = [mean(candidate), mean(baseline)]
  const passed = own > other
  return { passed, reason: `ndcg_at_10 ${show(own)} is ${passed ? '' : 'not '}above ${name}'s ${show(other)}` }
}

/**
 * Refuses a loss that the paired bootstrap is sure of (the whole 95 % interval below 0), and any mean loss of more than
 * MEAN_LOSS_TOLERANCE of the other's score: with few users an unproven loss is still no reason to change.
 */
function notWorse(name: string, candidate: Float64Array, other: Float64Array, seed: number): Finding {
  const difference = pairedDifference(candidate, other, seed)
  const [own, reference] = [mean(candidate), mean(other)]
  const sure = difference.high < 0
  const large = difference.value < -MEAN_LOSS_TOLERANCE * reference
  const interval = `difference ${show(difference.value)}, 95 % interval ${show(difference.low)} to ${show(difference.high)}`
  return {
    passed: !sure && !large,
    reason: `ndcg_at_10 ${show(own)} is ${sure || large ? 'worse than' : 'not worse than'} ${show(reference)} of ${name} (${interval})`,
  }
}

function nearRecorded(version: string, recorded: number, candidate: Estimate): Finding {
  const floor = recorded * (1 - RECORDED_TOLERANCE)
  const passed = candidate.high >= floor
  return {
    passed,
    reason: `ndcg_at_10 ${show(candidate.value)} (up to ${show(candidate.high)}) is ${passed ? 'not more' : 'more'} than ${RECORDED_TOLERANCE * 100} % below the ${show(recorded)} recorded for champion ${version}`,
  }
}

function show(value: number): string {
  return value.toFixed(4)
}
