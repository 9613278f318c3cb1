import { endianness } from 'node:os'
import { Value } from 'typebox/value'
import { MillraceError } from '../../schemas/errors.ts'
import { isId } from '../../schemas/identifiers.ts'
import { Recipe } from '../../schemas/training.ts'
import type { Model } from './model.ts'

/** First eight bytes of an encoded model. */
const MAGIC = 'MILLMODL'
const FORMAT_VERSION = 1
const PREAMBLE_BYTES = 16
const ALIGNMENT = 64
/** Item ids are decoded in pieces of so many bytes: well under a millisecond each. */
const TEXT_PIECE_BYTES = 1 << 15

interface Section {
  readonly offset: number
  readonly bytes: number
}

/** The JSON after the preamble: everything small, and where the sections lie from the start of the file. */
interface Header {
  readonly recipe: Recipe
  readonly items: number
  readonly users: number
  readonly interactions: number
  readonly dataUntil: number
  readonly itemFactors: Section
  readonly gram: Section
  readonly itemIds: Section
}

/**
 * One little-endian binary: magic (8 bytes), version and header length (uint32 each), JSON header, then sections that
 * start at multiples of 64 bytes: item factors (float32), Gram matrix (float64), item ids (UTF-8, one a line).
 * @throws MillraceError INVALID_PARAMETERS for a model whose parts do not fit together or whose numbers are not finite.
 */
export function encodeModel(model: Model): Uint8Array<ArrayBuffer> {
  const problem = modelProblem(model)
  if (problem !== null) throw new MillraceError('INVALID_PARAMETERS', `the model is not stored: ${problem}`)
  const ids = new TextEncoder().encode(model.itemIds.join('\n'))
  const lengths = [model.itemFactors.byteLength, model.gram.byteLength, ids.byteLength] as const
  // Offsets depend on the header's length, which depends on the offsets' digits: lay out twice with room to spare.
  const headerRoom = new TextEncoder().encode(headerText(model, 0, lengths)).length + 64
  const start = align(PREAMBLE_BYTES + headerRoom)
  const header = new TextEncoder().encode(headerText(model, start, lengths).padEnd(headerRoom))
  const [factorsAt, gramAt, idsAt, end] = layout(start, lengths)
  const bytes = new Uint8Array(end)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode(MAGIC), 0)
  view.setUint32(8, FORMAT_VERSION, true)
  view.setUint32(12, header.length, true)
  bytes.set(header, PREAMBLE_BYTES)
  bytes.set(bytesOf(model.itemFactors), factorsAt)
  bytes.set(bytesOf(model.gram), gramAt)
  bytes.set(ids, idsAt)
  return bytes
}

/**
 * Factors and Gram matrix view `bytes` without a copy when it starts at a multiple of 8 bytes of its buffer.
 * @throws MillraceError UNKNOWN_FORMAT (no model, or a version this program does not read), CORRUPT_FILE (truncated,
 * inconsistent or non-finite content).
 */
export function decodeModel(bytes: Uint8Array): Model {
  const steps = decodeInSteps(bytes)
  for (;;) {
    const { done, value } = steps.next()
    if (!done) continue
    const problem = modelProblem(value)
    if (problem !== null) throw corrupt(problem)
    return value
  }
}

/**
 * As `decodeModel`, in steps of well under a millisecond, so that other work can go on between them. Ids and numbers are
 * taken as they are: for content that `decodeModel` has accepted.
 */
export function* decodeInSteps(bytes: Uint8Array): Generator<void, Model> {
  if (endianness() !== 'LE') throw new MillraceError('UNKNOWN_FORMAT', 'models are read on little-endian machines only')
  const header = readHeader(bytes)
  const factors = header.recipe.factors
  return {
    recipe: header.recipe,
    itemIds: yield* readIds(bytes, header.itemIds, header.items),
    itemFactors: new Float32Array(...place(bytes, header.itemFactors, 4, header.items * factors, 'itemFactors')),
    gram: new Float64Array(...place(bytes, header.gram, 8, factors * factors, 'gram')),
    users: header.users,
    interactions: header.interactions,
    dataUntil: header.dataUntil,
  }
}

function readHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < PREAMBLE_BYTES || new TextDecoder().decode(bytes.slice(0, 8)) !== MAGIC) {
    throw new MillraceError('UNKNOWN_FORMAT', `the ${bytes.length} bytes given are not a Millrace model`)
  }
  const version = view.getUint32(8, true)
  if (version !== FORMAT_VERSION) {
    throw new MillraceError(
      'UNKNOWN_FORMAT',
      `the model has format version ${version}; this version of Millrace reads ${FORMAT_VERSION}`,
    )
  }
  const headerEnd = PREAMBLE_BYTES + view.getUint32(12, true)
  if (headerEnd > bytes.length) throw corrupt(`its header ends at byte ${headerEnd} of ${bytes.length}`)
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.slice(PREAMBLE_BYTES, headerEnd)))
  } catch (cause) {
    throw corrupt('its header is not JSON', cause)
  }
  if (!isHeader(header)) throw corrupt('its header lacks a field or has one of the wrong kind')
  return header
}

function isHeader(value: unknown): value is Header {
  if (typeof value !== 'object' || value === null) return false
  const header = value as Record<string, unknown>
  const sections = [header.itemFactors, header.gram, header.itemIds] as (Partial<Section> | undefined)[]
  return (
    [header.items, header.users, header.interactions].every(isCount) &&
    Number.isFinite(header.dataUntil) &&
    typeof header.recipe === 'object' &&
    header.recipe !== null &&
    sections.every((section) => isCount(section?.offset) && isCount(section?.bytes))
  )
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Arguments for a typed array over a section: a view where alignment allows, else over a copy. */
function place(
  bytes: Uint8Array,
  section: Section,
  width: number,
  length: number,
  name: string,
): [ArrayBufferLike, number, number] {
  if (section.bytes !== length * width)
    throw corrupt(`section ${name} has ${section.bytes} bytes, expected ${length * width}`)
  checkInside(bytes, section, name)
  const at = bytes.byteOffset + section.offset
  if (at % width === 0) return [bytes.buffer, at, length]
  return [bytes.slice(section.offset, section.offset + section.bytes).buffer, 0, length]
}

/** Text is decoded from copies: `bytes` may lie in shared memory, which no TextDecoder reads. */
function* readIds(bytes: Uint8Array, section: Section, items: number): Generator<void, string[]> {
  checkInside(bytes, section, 'itemIds')
  const decoder = new TextDecoder()
  const end = section.offset + section.bytes
  const ids: string[] = []
  for (let from = section.offset; from < end; ) {
    let to = Math.min(end, from + TEXT_PIECE_BYTES)
    if (to < end) to = bytes.lastIndexOf(10, to)
    if (to < from) throw corrupt('section itemIds has an endless line')
    for (const id of decoder.decode(bytes.slice(from, to)).split('\n')) ids.push(id)
    from = to + 1
    yield
  }
  if (ids.length !== items) throw corrupt(`it lists ${ids.length} item ids, expected ${items}`)
  return ids
}

function checkInside(bytes: Uint8Array, section: Section, name: string): void {
  if (section.offset + section.bytes <= bytes.length) return
  throw corrupt(`section ${name} ends at byte ${section.offset + section.bytes} of ${bytes.length}`)
}

/** What is wrong with a model, or null. */
function modelProblem(model: Model): string | null {
  const { recipe, itemIds, itemFactors, gram } = model
  if (!Value.Check(Recipe, recipe)) return 'its recipe is incomplete or out of range'
  if (itemFactors.length !== itemIds.length * recipe.factors)
    return `${itemIds.length} items with ${recipe.factors} factors have ${itemFactors.length} numbers`
  if (gram.length !== recipe.factors ** 2) return `the Gram matrix has ${gram.length} numbers`
  for (let i = 0; i < itemIds.length; i++) {
    if (!isId(itemIds[i])) return `item ${i} has no valid id`
    if (i > 0 && itemIds[i - 1]! >= itemIds[i]!) return `item ids do not ascend at ${i}`
  }
  if (!allFinite(itemFactors)) return 'an item factor is not a finite number'
  if (!allFinite(gram)) return 'the Gram matrix has a number that is not finite'
  return null
}

/** A sum of products with zero is NaN exactly when a term is not finite. */
function allFinite(values: Float32Array | Float64Array): boolean {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0
  return sum === 0
}

function headerText(model: Model, start: number, lengths: readonly [number, number, number]): string {
  const [factorsAt, gramAt, idsAt] = layout(start, lengths)
  const header: Header = {
    recipe: model.recipe,
    items: model.itemIds.length,
    users: model.users,
    interactions: model.interactions,
    dataUntil: model.dataUntil,
    itemFactors: { offset: factorsAt, bytes: lengths[0] },
    gram: { offset: gramAt, bytes: lengths[1] },
    itemIds: { offset: idsAt, bytes: lengths[2] },
  }
  return JSON.stringify(header)
}

/** Where the three sections start, and the end of the last. */
function layout(start: number, lengths: readonly [number, number, number]): [number, number, number, number] {
  const gramAt = align(start + lengths[0])
  const idsAt = align(gramAt + lengths[1])
  return [start, gramAt, idsAt, idsAt + lengths[2]]
}

function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT
}

function bytesOf(array: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

function corrupt(detail: string, cause?: unknown): MillraceError {
  return new MillraceError('CORRUPT_FILE', `the model file is damaged: ${detail}; it is not loaded`, { cause })
}
