import avro, { type Type as AvroType, type Schema } from 'avsc'
import { MillraceError } from '../../schemas/errors.ts'
import type { Codec } from './port.ts'

const HEADER_BYTES = 5

/** Avro schemas by their registered id, as far as they were loaded. */
export type WriterSchemas = ReadonlyMap<number, string>

export interface AvroCodecParts<T> {
  readonly name: string
  readonly schemaText: string
  readonly schemaId: number
  readonly writerSchemas: WriterSchemas
  /** What is wrong with a decoded value; null when nothing is. */
  readonly problemOf: (value: T) => string | null
}

export function createAvroCodec<T>(parts: AvroCodecParts<T>): Codec<T> {
  const reader = parseSchema(parts.schemaText)
  const decoders = new Map<number, (body: Buffer) => T>([[parts.schemaId, (body) => reader.fromBuffer(body) as T]])

  function decoderOf(schemaId: number): (body: Buffer) => T {
    const known = decoders.get(schemaId)
    if (known !== undefined) return known
    const schemaText = parts.writerSchemas.get(schemaId)
    if (schemaText === undefined)
      throw invalid(parts.name, `was written with schema id ${schemaId}, which the registry does not have`)
    const writer = parseSchema(schemaText)
    const resolver = reader.createResolver(writer)
    const decoder = (body: Buffer) => reader.fromBuffer(body, resolver) as T
    decoders.set(schemaId, decoder)
    return decoder
  }

  return {
    encode(value) {
      const body = reader.toBuffer(value)
      const bytes = Buffer.allocUnsafeSlow(HEADER_BYTES + body.length)
      bytes[0] = 0
      bytes.writeUInt32BE(parts.schemaId, 1)
      bytes.set(body, HEADER_BYTES)
      return bytes
    },
    decode(bytes) {
      const schemaId = schemaIdOf(bytes)
      if (schemaId === null) throw invalid(parts.name, `is not in Confluent wire format (${bytes.length} bytes)`)
      let value: T
      try {
        value = decoderOf(schemaId)(
          Buffer.from(bytes.buffer, bytes.byteOffset + HEADER_BYTES, bytes.length - HEADER_BYTES),
        )
      } catch (cause) {
        if (cause instanceof MillraceError) throw cause
        throw invalid(parts.name, `cannot be read with schema id ${schemaId} (${(cause as Error).message})`, cause)
      }
      const problem = parts.problemOf(value)
      if (problem !== null) throw invalid(parts.name, problem)
      return value
    },
  }
}

/** The schema id of a value in Confluent wire format; null for anything else. */
export function schemaIdOf(bytes: Uint8Array): number | null {
  if (bytes.length < HEADER_BYTES || bytes[0] !== 0) return null
  return Buffer.from(bytes.buffer, bytes.byteOffset, HEADER_BYTES).readUInt32BE(1)
}

function parseSchema(schemaText: string): AvroType {
  return avro.Type.forSchema(JSON.parse(schemaText) as Schema)
}

function invalid(name: string, detail: string, cause?: unknown): MillraceError {
  return new MillraceError('INVALID_EVENT', `a ${name} ${detail}`, { cause })
}
