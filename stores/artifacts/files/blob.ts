import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { sha256 } from '../checksum.ts'

/**
 * One artifact as a file: a header of 64 bytes, then the content. The header is `MRARTF01`, the content's length as a
 * little-endian 64-bit integer, its SHA-256 (32 bytes) and 16 zero bytes, so header and content change in one rename.
 */
const HEADER_BYTES = 64
const MAGIC = 'MRARTF01'

export interface BlobHeader {
  readonly bytes: number
  /** SHA-256, hex. */
  readonly checksum: string
}

export async function writeBlob(handle: FileHandle, content: Uint8Array, signal: AbortSignal): Promise<BlobHeader> {
  const checksum = await sha256(content, signal)
  const header = Buffer.alloc(HEADER_BYTES)
  header.write(MAGIC, 'latin1')
  header.writeBigUInt64LE(BigInt(content.byteLength), 8)
  header.write(checksum, 16, 'hex')
  await writeFully(handle, header, 0)
  await writeFully(handle, content, HEADER_BYTES)
  await handle.sync()
  return { bytes: content.byteLength, checksum }
}

/** null when the file is none of ours or not as long as it says. */
export async function readBlobHeader(handle: FileHandle): Promise<BlobHeader | null> {
  const header = Buffer.alloc(HEADER_BYTES)
  const { bytesRead } = await handle.read(header, 0, HEADER_BYTES, 0)
  if (bytesRead < HEADER_BYTES || header.toString('latin1', 0, 8) !== MAGIC) return null
  const bytes = Number(header.readBigUInt64LE(8))
  if ((await handle.stat()).size !== HEADER_BYTES + bytes) return null
  return { bytes, checksum: header.toString('hex', 16, 48) }
}

/** The verified content in a buffer of its own; null when it is not what was written. */
export async function readBlob(path: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null> {
  await using handle = await open(path, 'r')
  const header = await readBlobHeader(handle)
  if (header === null) return null
  const content = new Uint8Array(new ArrayBuffer(header.bytes))
  for (let read = 0; read < content.byteLength; ) {
    signal.throwIfAborted()
    const length = Math.min(content.byteLength - read, 1 << 26)
    const { bytesRead } = await handle.read(content, read, length, HEADER_BYTES + read)
    if (bytesRead === 0) return null
    read += bytesRead
  }
  return (await sha256(content, signal)) === header.checksum ? content : null
}

async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.byteLength; ) {
    const length = Math.min(bytes.byteLength - written, 1 << 26)
    written += (await handle.write(bytes, written, length, position + written)).bytesWritten
  }
}
