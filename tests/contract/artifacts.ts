import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Artifacts } from '../../stores/artifacts/port.ts'

/** One case's own store; `open` may be called again after the store was disposed. */
export interface ArtifactsPlace extends AsyncDisposable {
  open(): Promise<Artifacts>
}

export interface ArtifactsTraits {
  readonly name: string
  readonly durable: boolean
}

const signal = new AbortController().signal
const bytes = (length: number, seed = 1) => Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 17) % 251)
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex')

/** Every promise of stores/artifacts/port.ts. */
export function testArtifacts(makePlace: () => Promise<ArtifactsPlace>, traits: ArtifactsTraits): void {
  describe(`${traits.name} keeps artifacts`, () => {
    test('content of any length comes back whole, with its checksum, viewable as typed arrays', async () => {
      await using place = await makePlace()
      await using artifacts = await place.open()
      for (const length of [0, 1, 63, 64, 65, 8_192, 5_000_000]) {
        const content = bytes(length)
        const info = await artifacts.put(`models/${length}`, content, { signal })
        expect(info).toEqual({ key: `models/${length}`, bytes: length, checksum: sha256(content) })
        const read = await artifacts.get(`models/${length}`, { signal })
        expect(read !== null && Buffer.compare(read, content)).toBe(0)
        expect((read?.byteOffset ?? 1) % 64).toBe(0)
      }
    })

    test('the bytes written are those of the view, not of the whole buffer below it', async () => {
      await using place = await makePlace()
      await using artifacts = await place.open()
      const part = bytes(1_000).subarray(100, 200)
      await artifacts.put('part', part, { signal })
      expect(await artifacts.get('part', { signal })).toEqual(Uint8Array.from(part))
    })

    test('an unknown key is null, removing it is no error, and a removed one is gone', async () => {
      await using place = await makePlace()
      await using artifacts = await place.open()
      await artifacts.put('a/b', bytes(3), { signal })
      expect(await artifacts.get('a', { signal })).toBeNull()
      expect(await artifacts.get('a/b/c', { signal })).toBeNull()
      await artifacts.remove('none/such', { signal })
      await artifacts.remove('a/b', { signal })
      expect(await artifacts.get('a/b', { signal })).toBeNull()
      expect(await artifacts.list('', { signal })).toEqual([])
    })

    test('a key may be a prefix of another, and list gives those with a prefix in order', async () => {
      await using place = await makePlace()
      await using artifacts = await place.open()
      const keys = ['m/2', 'm/1', 'm', 'm/1/x', 'n', 'FORMAT', 'LOCK', 'keys', 'tmp', '.hidden', '..x']
      for (const [index, key] of keys.entries()) await artifacts.put(key, bytes(index, index), { signal })
      const listed = await artifacts.list('m/', { signal })
      expect(listed.map(({ key }) => key)).toEqual(['m/1', 'm/1/x', 'm/2'])
      expect(listed[0]).toEqual({ key: 'm/1', bytes: 1, checksum: sha256(bytes(1, 1)) })
      expect((await artifacts.list('', { signal })).map(({ key }) => key)).toEqual(keys.toSorted())
    })

    test.for(['', '/', '/a', 'a/', 'a//b', '..', '../a', 'a/../b', '.', 'a b', 'a\\b', 'ä', 'a\0', 'x'.repeat(600)])(
      'key %j is INVALID_REQUEST',
      async (key) => {
        await using place = await makePlace()
        await using artifacts = await place.open()
        const refused = { code: 'INVALID_REQUEST' }
        await expect(artifacts.put(key, bytes(1), { signal })).rejects.toMatchObject(refused)
        await expect(artifacts.get(key, { signal })).rejects.toMatchObject(refused)
        await expect(artifacts.remove(key, { signal })).rejects.toMatchObject(refused)
      },
    )

    test('any valid keys keep their contents apart', async () => {
      const segment = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,8}$/)
      const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'))
      const given = fc.array(fc.tuple(key, fc.uint8Array({ maxLength: 80 })), { maxLength: 6 })
      await fc.assert(
        fc.asyncProperty(given, async (puts) => {
          await using place = await makePlace()
          await using artifacts = await place.open()
          for (const [name, content] of puts) await artifacts.put(name, content, { signal })
          for (const [name, content] of new Map(puts))
            expect(await artifacts.get(name, { signal })).toEqual(Uint8Array.from(content))
          expect(await artifacts.list('', { signal })).toHaveLength(new Map(puts).size)
        }),
        { numRuns: 15 },
      )
    })

    test('a reader of a key that is being replaced sees the old or the new content, never a part', async () => {
      await using place = await makePlace()
      await using artifacts = await place.open()
      const versions = [bytes(300_000, 1), bytes(200_000, 2)]
      const checksums = versions.map(sha256)
      await artifacts.put('model', versions[0] ?? bytes(0), { signal })
      let writing = true
      const writer = (async () => {
        for (let round = 0; round < 20; round++)
          await artifacts.put('model', versions[round % 2] ?? bytes(0), { signal })
        writing = false
      })()
      // Awaited below; a read that fails first ends the case, and the store with it.
      writer.catch(() => {})
      let reads = 0
      while (writing) {
        const read = await artifacts.get('model', { signal })
        expect(checksums).toContain(read === null ? 'absent' : sha256(read))
        reads++
      }
      await writer
      expect(reads).toBeGreaterThan(0)
    })

    test('an aborted put answers ABORTED and changes nothing', async () => {
      await using place = await makePlace()
      await using artifacts = await place.open()
      await artifacts.put('k', bytes(5), { signal })
      const put = artifacts.put('k', bytes(9), { signal: AbortSignal.abort() })
      await expect(put).rejects.toMatchObject({ code: 'ABORTED' })
      expect(await artifacts.get('k', { signal })).toEqual(bytes(5))
    })

    test(`a reopened store ${traits.durable ? 'keeps' : 'forgets'} its artifacts, and a disposed one refuses`, async () => {
      await using place = await makePlace()
      const artifacts = await place.open()
      await artifacts.put('models/1', bytes(70), { signal })
      await artifacts[Symbol.asyncDispose]()
      await artifacts[Symbol.asyncDispose]()
      await expect(artifacts.get('models/1', { signal })).rejects.toMatchObject({ code: 'ARTIFACTS_UNAVAILABLE' })
      await using again = await place.open()
      expect(await again.get('models/1', { signal })).toEqual(traits.durable ? bytes(70) : null)
    })
  })
}
