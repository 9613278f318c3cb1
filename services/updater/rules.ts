import type { HistoryRules } from '../../engine/history/history.ts'
import type { ServiceContext } from '../runtime/context.ts'

const DAY_MS = 86_400_000

/** How this deployment builds histories. */
export function historyRules({
  settings,
  eventWeights,
}: Pick<ServiceContext, 'settings' | 'eventWeights'>): HistoryRules {
  return {
    eventWeights,
    halfLifeMs: settings.HALF_LIFE_DAYS * DAY_MS,
    historyMax: settings.HISTORY_MAX,
    eventIdsMax: settings.EVENT_IDS_MAX,
  }
}
