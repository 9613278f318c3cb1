import { promisify } from 'node:util'
import { gzip, unzip, zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs from 'kafkajs'
import { unpackLz4 } from './lz4.ts'
import { unpackSnappy } from './snappy.ts'
import { tooLarge, UNPACKED_BYTES_MAX } from './unpacking.ts'

interface Packed {
  readonly buffer: Buffer
}

const LIMITED = { maxOutputLength: UNPACKED_BYTES_MAX }
/** The client asks for a codec at each batch. */
const GZIP = { compress: pack(promisify(gzip)), decompress: unpack(promisify(unzip)) }
const ZSTD = { compress: pack(promisify(zstdCompress)), decompress: unpack(promisify(zstdDecompress)) }

/**
 * How batches are packed and unpacked. We pack with gzip or zstd; others may produce with LZ4 or Snappy, for a batch that
 * cannot be read stops its partition. None unpacks to more than `UNPACKED_BYTES_MAX`.
 */
export function addCodecs(): void {
  const { CompressionCodecs: codecs, CompressionTypes: types } = kafkajs
  codecs[types.GZIP] = () => GZIP
  codecs[types.ZSTD] = () => ZSTD
  for (const [type, unpackHere] of [
    [types.LZ4, unpackLz4],
    [types.Snappy, unpackSnappy],
  ] as const) {
    // biome-ignore format: one line
    codecs[type] = () => ({
      compress: () => Promise.reject(new Error('LZ4 and Snappy are read only; LOG_URL takes gzip, zstd or none')),
      decompress: async (bytes: Buffer) => unpackHere(bytes),
    })
  }
}

function pack(packing: (bytes: Buffer) => Promise<Buffer>) {
  return ({ buffer }: Packed) => packing(buffer)
}

function unpack(unpacking: (bytes: Buffer, limits: typeof LIMITED) => Promise<Buffer>) {
  return async (bytes: Buffer): Promise<Buffer> => {
    try {
      return await unpacking(bytes, LIMITED)
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge() : error
    }
  }
}
