import { MillraceError } from '../../../schemas/errors.ts'
import type { Alias, AliasChange } from '../port.ts'
import { readJson, writeJson } from './json-file.ts'

/** Older changes and rollback targets are let go, so that the file stays small. */
const HISTORY_MAX = 10_000
const SERVED_BEFORE_MAX = 1_000

/** Which versions serve, and how that came about. Changes must not overlap; each is one replacement of the file. */
export interface Aliases {
  read(alias: Alias): Promise<string | null>
  promote(version: string, change: Change & { expected?: string | null }): Promise<AliasChange>
  rollback(change: Change): Promise<AliasChange>
  setChallenger(version: string | null, change: Change): Promise<AliasChange>
  /** Newest first. */
  history(limit: number): Promise<readonly AliasChange[]>
}

interface Change {
  readonly reason: string
  readonly now: number
}

interface AliasesFile {
  readonly champion: string | null
  readonly challenger: string | null
  /** Versions that served before the champion, newest last: a rollback takes the last one off. */
  readonly servedBefore: readonly string[]
  /** Newest last. */
  readonly history: readonly AliasChange[]
}

const NOTHING: AliasesFile = { champion: null, challenger: null, servedBefore: [], history: [] }

export function createAliases(file: string): Aliases {
  const load = async () =>
    (await readJson<AliasesFile>(file, ['champion', 'challenger', 'servedBefore', 'history'])) ?? NOTHING

  async function change(
    found: AliasesFile,
    alias: Alias,
    to: string | null,
    servedBefore: readonly string[],
    { reason, now }: Change,
  ): Promise<AliasChange> {
    const entry: AliasChange = { alias, from: found[alias], to, reason, at: now }
    await writeJson(file, {
      ...found,
      [alias]: to,
      servedBefore: servedBefore.slice(-SERVED_BEFORE_MAX),
      history: [...found.history, entry].slice(-HISTORY_MAX),
    } satisfies AliasesFile)
    return entry
  }

  return {
    read: async (alias) => (await load())[alias],
    async promote(version, { expected, ...why }) {
      const found = await load()
      if (expected !== undefined && expected !== found.champion)
        throw new MillraceError(
          'CONFLICT',
          `the champion is ${found.champion ?? 'none'}, not ${expected ?? 'none'}; version ${version} was not promoted`,
        )
      const leaves = found.champion !== null && found.champion !== version ? [found.champion] : []
      return await change(found, 'champion', version, [...found.servedBefore, ...leaves], why)
    },
    async rollback(why) {
      const found = await load()
      const to = found.servedBefore.at(-1)
      if (to === undefined)
        throw new MillraceError(
          'CONFLICT',
          `no version served before ${found.champion ?? 'now'}; there is nothing to roll back to`,
        )
      return await change(found, 'champion', to, found.servedBefore.slice(0, -1), why)
    },
    async setChallenger(version, why) {
      const found = await load()
      return await change(found, 'challenger', version, found.servedBefore, why)
    },
    history: async (limit) => (await load()).history.toReversed().slice(0, Math.max(0, limit)),
  }
}
