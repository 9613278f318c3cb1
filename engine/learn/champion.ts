import type { Recipe } from '../../schemas/training.ts'
import type { Evaluation } from '../evaluation/evaluate.ts'
import { CHAMPION_EVENTS_MIN, type ChampionEvidence } from '../gate/gate.ts'
import { type Contest, type ContestSource, createContest, type Hands } from './contest.ts'
import type { Fit } from './fit.ts'
import type { Champion } from './port.ts'

/** What the candidate has shown so far. */
export interface CandidateSoFar {
  readonly source: ContestSource
  readonly contest: Contest
  readonly candidate: Fit
  readonly evaluation: Evaluation
}

/**
 * Compares champion and candidate: its recipe fitted on the same past (the same fit where the recipes are equal), and its
 * artifact on the held-out events newer than its own data, where both fold in everything before those events.
 */
export async function championEvidence(
  champion: Champion,
  so: CandidateSoFar,
  fitPast: (recipe: Recipe) => Promise<Fit>,
  hands: Hands,
): Promise<{ evidence: ChampionEvidence; recipe: Evaluation }> {
  const { recipe } = champion.model
  const same = sameRecipe(recipe, so.candidate.model.recipe)
  const evaluation = same ? so.evaluation : await so.contest.evaluateModel((await fitPast(recipe)).model, hands)
  return {
    evidence: {
      version: champion.version,
      recordedNdcg: champion.recordedNdcg,
      recipe: evaluation.perUser.ndcg_at_10,
      artifact: await compareArtifact(champion, so, hands),
    },
    recipe: evaluation,
  }
}

async function compareArtifact(
  champion: Champion,
  { source, contest, candidate, evaluation }: CandidateSoFar,
  hands: Hands,
): Promise<ChampionEvidence['artifact']> {
  const { timestamp, length } = source.columns
  const cut = contest.split.future.from
  let start = cut
  while (start < length && timestamp[start]! <= champion.model.dataUntil) start++
  const newerEvents = length - start
  const nothing = new Float64Array(0)
  if (newerEvents < CHAMPION_EVENTS_MIN) return { newerEvents, candidate: nothing, champion: nothing }
  const newer =
    start === cut
      ? contest
      : createContest(source, {
          past: { from: 0, to: start },
          future: { from: start, to: length },
          at: timestamp[start]!,
        })
  const own = newer === contest ? evaluation : await newer.evaluateModel(candidate.model, hands)
  return {
    newerEvents,
    candidate: own.perUser.ndcg_at_10,
    champion: (await newer.evaluateModel(champion.model, hands)).perUser.ndcg_at_10,
  }
}

function sameRecipe(left: Recipe, right: Recipe): boolean {
  return (Object.keys(left) as (keyof Recipe)[]).every((name) => left[name] === right[name])
}
