import { decodeInSteps } from '../../engine/model/encoding.ts'
import type { Scorer } from '../../engine/scoring/port.ts'
import { prepareInThread } from '../../engine/scoring/preparation.ts'
import { createScorer } from '../../engine/scoring/scorer.ts'
import { openTopKIndex } from '../../engine/top-k/top-k-index.ts'
import { inSlices } from './in-slices.ts'

/** Bytes copied, and ids numbered, before other work may get its turn. */
const COPIED_BYTES = 1 << 20
const NUMBERED_IDS = 1_024

/**
 * Makes an encoded model ready for serving without holding up the event loop, however large it is: another thread checks
 * it and builds its index, and what has to be done here (copying it into shared memory, its ids) is done in slices.
 * @throws MillraceError as decodeModel and createScorer; ABORTED
 */
export async function loadScorer(content: Uint8Array, signal: AbortSignal): Promise<Scorer> {
  const bytes = await inSlices(copyInSteps(content), signal)
  const memories = await prepareInThread({ kind: 'model', bytes }, signal)
  const model = await inSlices(decodeInSteps(bytes), signal)
  const indexById = await inSlices(numberInSteps(model.itemIds), signal)
  return createScorer(model, { index: openTopKIndex(memories), indexById })
}

function* copyInSteps(content: Uint8Array): Generator<void, Uint8Array> {
  const copy = new Uint8Array(new SharedArrayBuffer(content.byteLength))
  for (let from = 0; from < content.byteLength; from += COPIED_BYTES) {
    copy.set(content.subarray(from, from + COPIED_BYTES), from)
    yield
  }
  return copy
}

function* numberInSteps(itemIds: readonly string[]): Generator<void, Map<string, number>> {
  const indexById = new Map<string, number>()
  for (const [item, itemId] of itemIds.entries()) {
    indexById.set(itemId, item)
    if (item % NUMBERED_IDS === NUMBERED_IDS - 1) yield
  }
  return indexById
}
