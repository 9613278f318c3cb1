import { type Cut, quoted } from './list-body.ts'

/** What a reply with recommendations says beside its items. */
export interface ReplyFacts {
  readonly userId: string | null
  readonly requestId: string
  readonly modelVersion: string | null
  readonly cache: 'hit' | 'miss'
  readonly degraded: boolean
  readonly after: 'timeout' | null
  readonly cut: Cut
}

/** The reply as JSON text, assembled from prepared pieces: DESIGN section 5's shape. */
export function replyJson({ userId, requestId, modelVersion, cache, degraded, after, cut }: ReplyFacts): string {
  const user = userId === null ? 'null' : quoted(userId)
  const version = modelVersion === null ? 'null' : quoted(modelVersion)
  const sources = cut.sources.length === 0 ? '[]' : `["${cut.sources.join('","')}"]`
  const late = after === null ? '' : `,"after":"${after}"`
  return `{"userId":${user},"requestId":"${requestId}","modelVersion":${version},"cache":"${cache}","degraded":${degraded}${late},"sources":${sources},"skipped":${cut.skipped},"state":${cut.state},"items":[${cut.items}]}`
}
