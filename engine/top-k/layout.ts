import { BLOCK_ITEMS } from '../kernels/top-k-kernels.ts'
import { K_MAX } from './limits.ts'

const ALIGNMENT = 64
const HEAD_BYTES = 32
/** Positions scored at a time by `scores`. */
export const SCORE_BATCH = 1_024
/** Room for survivors and scores: a batch, and what the kernel writes beyond it. */
const LIST_ROOM = SCORE_BATCH + 4
/** The first page is left to the kernel's own data. */
const START = 65_536

/** Byte offsets into a shard's memory, in the order of the kernel's plan, which lies at `plan`. */
export interface ShardLayout {
  readonly plan: number
  /** Padded width: numbers in a row. */
  readonly stride: number
  /** Codes an item has in the first pass. */
  readonly slots: number
  readonly rows: number
  readonly codes: number
  readonly heads: number
  readonly order: number
  /** Where each item lies: the inverse of `order`; not in the kernel's plan. */
  readonly positions: number
  readonly blocked: number
  readonly mask: number
  readonly query: number
  readonly queryCodes: number
  readonly survivors: number
  readonly scores: number
  readonly heapScores: number
  readonly heapItems: number
  readonly end: number
}

export function layOutShard(items: number, width: number): ShardLayout {
  const stride = Math.ceil(width / 4) * 4
  const slots = stride
  const blocks = Math.ceil(items / BLOCK_ITEMS)
  let end = START
  const place = (bytes: number): number => {
    const start = end
    end += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
    return start
  }
  return {
    plan: place(64),
    stride,
    slots,
    rows: place(items * stride * 4),
    codes: place(blocks * BLOCK_ITEMS * slots),
    heads: place(blocks * HEAD_BYTES),
    order: place(items * 4),
    positions: place(items * 4),
    blocked: place(items),
    mask: place(items),
    query: place(stride * 4),
    queryCodes: place(slots * 4),
    survivors: place(LIST_ROOM * 4),
    scores: place(LIST_ROOM * 4),
    heapScores: place(K_MAX * 4),
    heapItems: place(K_MAX * 4),
    end,
  }
}

/** The plan that the kernel reads. */
export function planOf(layout: ShardLayout, items: number, width: number): readonly number[] {
  const { slots, rows, codes, heads, order, blocked, mask, query, queryCodes } = layout
  const { survivors, scores, heapScores, heapItems } = layout
  const places = [rows, codes, heads, order, blocked, mask, query, queryCodes, survivors, scores, heapScores, heapItems]
  return [items, width, slots, ...places]
}
