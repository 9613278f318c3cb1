export interface ArtifactInfo {
  readonly key: string
  readonly bytes: number
  /** SHA-256 of the content, hex. */
  readonly checksum: string
}

/**
 * Immutable-by-convention blobs under slash-separated keys (segments of [A-Za-z0-9._-]).
 * Guarantees: `put` resolves when the whole content is durable and replaces atomically: a reader sees the old or the new
 * content, never a part; `get` verifies the checksum. Unknown keys are null.
 * Errors: CORRUPT_FILE (checksum mismatch, names the key), ARTIFACTS_UNAVAILABLE, DISK_FULL, INVALID_REQUEST (bad key).
 */
export interface Artifacts extends AsyncDisposable {
  put(key: string, content: Uint8Array, options: { signal: AbortSignal }): Promise<ArtifactInfo>
  /** The content starts at a multiple of 64 bytes of its buffer, so that typed arrays can view it without a copy. */
  get(key: string, options: { signal: AbortSignal }): Promise<Uint8Array<ArrayBuffer> | null>
  list(prefix: string, options: { signal: AbortSignal }): Promise<readonly ArtifactInfo[]>
  remove(key: string, options: { signal: AbortSignal }): Promise<void>
}
