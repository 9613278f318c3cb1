import type { Item, User } from '../../schemas/catalogue.ts'
import type { Interaction } from '../../schemas/interaction.ts'

export interface TrainingRequest {
  readonly runId: string
}

/** One kind of value in Confluent wire format: byte 0, schema id (4 bytes, big-endian), Avro body. */
export interface Codec<T> {
  encode(value: T): Uint8Array
  /**
   * Reads a value written with this or, by Avro's schema resolution, another version of the schema. Items, users and
   * training requests are also checked against their TypeBox schema; interactions are checked by streams/interactions.ts.
   * @throws MillraceError INVALID_EVENT saying what is wrong.
   */
  decode(bytes: Uint8Array): T
}

/**
 * The codecs of every topic's values. Schema ids are stable: the same schema text has the same id after every restart.
 * `encode` and `decode` are synchronous; before decoding, `prepare` loads the writer schemas of these values that are not
 * known yet (a schema that the registry does not have is no error here: its values fail in `decode`).
 */
export interface Codecs {
  readonly interaction: Codec<Interaction>
  readonly item: Codec<Item>
  readonly user: Codec<User>
  readonly trainingRequest: Codec<TrainingRequest>
  prepare(values: readonly (Uint8Array | null)[]): Promise<void>
}

/** Where schemas have their ids. Errors: CORRUPT_FILE, FOLDER_NOT_WRITABLE, DISK_FULL, LOG_UNAVAILABLE. */
export interface SchemaRegistry {
  /** The id of a schema under a subject, registering it when new. */
  register(subject: string, schemaText: string): Promise<number>
  /** null for an id that was never given. */
  schema(id: number): Promise<string | null>
}
