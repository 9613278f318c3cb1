import { type Ranking, type Reason, SOURCES, type Source } from '../../engine/ranking/ladder.ts'
import type { UserRecord } from '../../schemas/user-record.ts'
import type { Catalogue } from '../runtime/catalogue-port.ts'
import { decimals } from './decimals.ts'

const REASON_KINDS = ['because', 'category', 'popular'] as const

/**
 * A ranked list as text that replies are cut from: a line with the state of the user, a line with the skipped sources,
 * then one line per item: the source's number in SOURCES, the reason's in REASON_KINDS, the item id as it stands
 * within JSON's quotes, a tab, the score, a tab, the reason's ids as they stand within JSON's brackets. JSON has no raw tab
 * or newline, and ids have no white space.
 * Short, for a list is computed, stored and kept a hundred items long, and a reply writes out ten.
 */
export function composeList(ranking: Ranking, record: UserRecord | null): string {
  let body = `${stateJson(record)}\n${JSON.stringify(ranking.skipped)}\n`
  for (const { itemId, score, source, reason } of ranking.items) {
    body += `${SOURCES.indexOf(source)}${REASON_KINDS.indexOf(reason.kind)}${escaped(itemId)}\t${decimals(score)}\t${idsText(reason)}\n`
  }
  return body
}

export interface CutOptions {
  readonly limit: number
  /** Items left out. */
  readonly exclude: ReadonlySet<string> | null
  /** Where titles and categories come from; null leaves them out. */
  readonly metadata: Catalogue | null
}

export interface Cut {
  readonly count: number
  /** Items of the whole list. */
  readonly exhausted: boolean
  /** JSON text of the reply's parts. */
  readonly items: string
  readonly sources: readonly Source[]
  readonly skipped: string
  readonly state: string
}

/** The first `limit` items of a list, renumbered. `exhausted` says that the list had no more to give. */
export function cutList(body: string, { limit, exclude, metadata }: CutOptions): Cut {
  const stateEnd = body.indexOf('\n')
  const skippedEnd = body.indexOf('\n', stateEnd + 1)
  const sources: Source[] = []
  let at = skippedEnd + 1
  let count = 0
  let items = ''
  let lastSource = -1
  while (at < body.length && count < limit) {
    const end = body.indexOf('\n', at)
    const tab = body.indexOf('\t', at)
    const idText = body.slice(at + 2, tab)
    if (exclude === null || !exclude.has(unescaped(idText))) {
      const source = body.charCodeAt(at) - 48
      if (source !== lastSource) {
        sources.push(SOURCES[source] as Source)
        lastSource = source
      }
      count++
      const scoreEnd = body.indexOf('\t', tab + 1)
      const kind = body.charCodeAt(at + 1) - 48
      const between = BEFORE_IDS[source * REASON_KINDS.length + kind]
      const ids = body.slice(scoreEnd + 1, end)
      const described = metadata === null ? '' : metadataJson(metadata, unescaped(idText))
      items += `${count === 1 ? '' : ','}{"rank":${count},"itemId":"${idText}","score":${body.slice(tab + 1, scoreEnd)}${between}${ids}]}${described}}`
    }
    at = end + 1
  }
  const exhausted = count < limit
  const skipped = relevantSkips(body.slice(stateEnd + 1, skippedEnd), lastSource, exhausted)
  return { count, exhausted, items, sources, skipped, state: body.slice(0, stateEnd) }
}

/** A title and categories as JSON members with a leading comma; empty for an item without a description. */
export function metadataJson(catalogue: Catalogue, itemId: string): string {
  const item = catalogue.item(itemId)
  if (item === null) return ''
  const title = item.title === null ? '' : `,"title":${JSON.stringify(item.title)}`
  return `${title},"categories":${JSON.stringify(item.categories)}`
}

/** An id as JSON. */
export function quoted(id: string): string {
  return `"${escaped(id)}"`
}

/** What stands between score and reason's ids, by source and kind. */
const BEFORE_IDS = SOURCES.flatMap((source) =>
  REASON_KINDS.map((kind) => `,"source":"${source}","reason":{"kind":"${kind}","ids":[`),
)

function idsText({ kind, ids }: Reason): string {
  if (ids.length === 0) return ''
  return kind === 'because' && ids.length === 1 ? quoted(ids[0] as string) : JSON.stringify(ids).slice(1, -1)
}

/** An id as it stands within JSON's quotes: it is printable ASCII, of which only two characters need an escape. */
function escaped(id: string): string {
  return id.includes('"') || id.includes('\\') ? JSON.stringify(id).slice(1, -1) : id
}

function unescaped(text: string): string {
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text
}

function stateJson(record: UserRecord | null): string {
  if (record === null) return 'null'
  const lastEventAt = record.lastEventAt === 0 ? 'null' : `"${new Date(record.lastEventAt).toISOString()}"`
  return `{"events":${record.events},"lastEventAt":${lastEventAt},"lagMs":${record.lastFreshnessMs ?? 'null'}}`
}

/** A cut that ended before a source was asked does not say that it was skipped. */
function relevantSkips(skipped: string, lastSource: number, exhausted: boolean): string {
  if (exhausted || skipped === '{}') return skipped
  const entries = Object.entries(JSON.parse(skipped) as Record<string, string>)
  return JSON.stringify(
    Object.fromEntries(entries.filter(([source]) => SOURCES.indexOf(source as Source) < lastSource)),
  )
}
