import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'

/** A number of characters is packed into whole bytes as long as it stays below 2^48. */
const CHUNK_BITS_MAX = 48
/** No digit. */
const NONE = 255

/** Ids become numbers to the base of the smallest of these that has all their characters; codes are stored, append only. */
const ALPHABETS = [
  '0123456789',
  '0123456789abcdef',
  '0123456789abcdefghijklmnopqrstuvwxyz',
  '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ',
  '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_',
  Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join(''),
].map(alphabetOf)

const EVERY_ALPHABET = (1 << ALPHABETS.length) - 1
/** Bit a is set for a character of alphabet a. */
const MEMBERSHIP = Uint8Array.from({ length: 128 }, (_, code) =>
  ALPHABETS.reduce((bits, { digits }, index) => (digits[code] === NONE ? bits : bits | (1 << index)), 0),
)

/** How the ids of one record are written: their common beginning once, and a length of their own only where they differ. */
export interface IdForm {
  readonly alphabet: number
  readonly prefix: string
  /** Characters after the prefix; null where they differ from id to id. */
  readonly length: number | null
}

/** The form that serves all of `ids` (at least one), printable ASCII each. */
export function formOf(ids: readonly string[]): IdForm {
  const [first = ''] = ids
  let prefixLength = ids.length > 1 ? first.length : 0
  let sameLength = true
  for (const id of ids) {
    if (id.length !== first.length) sameLength = false
    let at = 0
    while (at < prefixLength && id.charCodeAt(at) === first.charCodeAt(at)) at++
    prefixLength = at
  }
  let alphabets = EVERY_ALPHABET
  for (const id of ids) {
    for (let at = prefixLength; at < id.length; at++) alphabets &= MEMBERSHIP[id.charCodeAt(at)] ?? 0
  }
  const alphabet = 31 - Math.clz32(alphabets & -alphabets)
  return { alphabet, prefix: first.slice(0, prefixLength), length: sameLength ? first.length - prefixLength : null }
}

export function writeForm(form: IdForm, writer: ByteWriter): void {
  writer.byte(form.alphabet | (form.length === null ? 0x80 : 0))
  writer.ascii(form.prefix)
  if (form.length !== null) writer.varint(form.length)
}

export function readForm(reader: ByteReader): IdForm {
  const head = reader.byte()
  const prefix = reader.ascii()
  return { alphabet: head & 0x7f, prefix, length: head & 0x80 ? null : reader.varint() }
}

export function writeId(id: string, form: IdForm, writer: ByteWriter): void {
  const start = form.prefix.length
  if (form.length === null) writer.varint(id.length - start)
  const alphabet = ALPHABETS[form.alphabet] as Alphabet
  for (let at = start; at < id.length; at += alphabet.chunk) {
    const end = Math.min(id.length, at + alphabet.chunk)
    let value = 0
    for (let index = end - 1; index >= at; index--) {
      value = value * alphabet.size + (alphabet.digits[id.charCodeAt(index)] ?? 0)
    }
    writer.uint(value, alphabet.bytes[end - at] ?? 0)
  }
}

export function readId(form: IdForm, reader: ByteReader): string {
  const alphabet = ALPHABETS[form.alphabet] ?? (ALPHABETS[0] as Alphabet)
  const length = form.length ?? reader.varint()
  let id = form.prefix
  for (let left = length; left > 0; left -= alphabet.chunk) {
    const characters = Math.min(left, alphabet.chunk)
    let value = reader.uint(alphabet.bytes[characters] ?? 0)
    for (let index = 0; index < characters; index++) {
      const rest = Math.floor(value / alphabet.size)
      id += alphabet.characters[value - rest * alphabet.size] ?? ''
      value = rest
    }
  }
  return id
}

interface Alphabet {
  readonly characters: string
  readonly size: number
  /** Characters packed into one number. */
  readonly chunk: number
  /** Bytes that so many characters take. */
  readonly bytes: readonly number[]
  /** Digit of a character code; NONE where the alphabet lacks it. */
  readonly digits: Uint8Array
}

function alphabetOf(characters: string): Alphabet {
  const bits = Math.log2(characters.length)
  const chunk = Math.floor(CHUNK_BITS_MAX / bits)
  const bytes = Array.from({ length: chunk + 1 }, (_, count) => Math.ceil((count * bits) / 8))
  const digits = new Uint8Array(128).fill(NONE)
  for (let index = 0; index < characters.length; index++) digits[characters.charCodeAt(index)] = index
  return { characters, size: characters.length, chunk, bytes, digits }
}
