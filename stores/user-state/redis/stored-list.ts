import type { CachedList } from '../port.ts'

/** A cached list as it lies in Redis, with the end of its life by the clock of the process that stored it. */
export interface StoredList {
  readonly list: CachedList
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

export function encodeList(list: CachedList, expiresAt: number): string {
  const head = [list.userRevision, list.modelVersion, list.catalogueRevision, expiresAt]
  return `${JSON.stringify(head)}\n${list.body}`
}

/** null for a text of another format: a list may vanish at any time. */
export function decodeList(text: string): StoredList | null {
  const end = text.indexOf('\n')
  let head: unknown
  try {
    head = JSON.parse(text.slice(0, end))
  } catch {
    return null
  }
  if (!Array.isArray(head) || head.length !== 4) return null
  const [userRevision, modelVersion, catalogueRevision, expiresAt] = head as [number, string | null, string, number]
  return { list: { userRevision, modelVersion, catalogueRevision, body: text.slice(end + 1) }, expiresAt }
}
