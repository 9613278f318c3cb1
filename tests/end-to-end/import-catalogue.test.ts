import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createApi } from '../../services/cli/api.ts'
import { importItems, importUsers } from '../../services/cli/import/import-catalogue.ts'
import { inspectInputFile } from '../../services/cli/import/input-file.ts'
import { openEdge } from '../support/edge-harness.ts'
import { temporaryFolder } from '../support/process.ts'

const columns = { id: 'id', title: 'title', categories: 'categories' }
const longName = 'x'.repeat(129)

async function importFile(kind: 'items' | 'users', lines: readonly string[]) {
  await using folder = await temporaryFolder('import-catalogue')
  const path = join(folder.path, 'catalogue.csv')
  await writeFile(path, ['id,title,categories', ...lines].join('\n'))
  await using edge = await openEdge({ consumers: false })
  const { signal } = new AbortController()
  const api = createApi(await edge.app.listen({ port: 0, host: '127.0.0.1' }), async () => {}, signal)
  const reasons: string[] = []
  const work = kind === 'items' ? importItems : importUsers
  const result = await work(api, {
    ...{ file: await inspectInputFile(path, null), columns, dryRun: false, signal },
    onProgress: () => {},
    onRejected: (reason: string) => reasons.push(reason),
  })
  return { result, reasons, items: edge.catalogue.itemCount, user: edge.catalogue.user('u1') }
}

test('an item that the edge refuses is counted as rejected and named by its line; the others are imported', async () => {
  const { result, reasons, items } = await importFile('items', ['a,A,Drama', `b,B,${longName}`, 'c,C,'])
  expect(result).toEqual({ accepted: 2, rejected: 1 })
  expect(reasons).toEqual([expect.stringMatching(/^line 3: .*categories/)])
  expect(items).toBe(2)
})

test('when every item of a request is refused the import goes on and says so', async () => {
  const { result, reasons } = await importFile('items', [`a,A,${longName}`])
  expect(result).toEqual({ accepted: 0, rejected: 1 })
  expect(reasons).toEqual([expect.stringMatching(/^line 2: .*categories/)])
})

test('a user that the edge refuses does not end the import', async () => {
  const { result, reasons, user } = await importFile('users', [`u0,,${longName}`, 'u1,,Drama|Comedy'])
  expect(result).toEqual({ accepted: 1, rejected: 1 })
  expect(reasons).toEqual([expect.stringMatching(/^line 2: .*categories/)])
  expect(user?.categories).toEqual(['Drama', 'Comedy'])
})

test('items whose descriptions are too long for one request go in several', async () => {
  const categories = Array.from({ length: 32 }, (_, index) => `${'é'.repeat(100)}${index}`).join('|')
  const { result, items } = await importFile(
    'items',
    Array.from({ length: 300 }, (_, index) => `i${index},T,${categories}`),
  )
  expect(result).toEqual({ accepted: 300, rejected: 0 })
  expect(items).toBe(300)
})
