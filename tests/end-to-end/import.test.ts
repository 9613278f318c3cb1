import { existsSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { millrace, startProcess, temporaryFolder } from '../support/process.ts'

const REAL = '../shared/data/online-retail'
const HEADER = 'user,item,quantity,price,timestamp,country'
const rows = (count: number) =>
  Array.from({ length: count }, (_, index) => `${100 + (index % 7)},${index % 11},1,2.5,${1_291_191_960 + index},UK`)

async function counts(environment: Readonly<Record<string, string>>) {
  const { code, output } = await millrace(['lag', '--json'], environment)
  expect(code, output).toBe(0)
  return JSON.parse(output.slice(output.indexOf('{'))).status
}

test('a CSV is imported in this process, counted everywhere, and not sent twice', async () => {
  await using folder = await temporaryFolder('import')
  const environment = { DATA_DIR: join(folder.path, 'data'), PORT: '1' }
  const file = join(folder.path, 'events.csv')
  await writeFile(file, [HEADER, ...rows(2_500)].join('\n'))
  const flags = ['--event-type', 'purchase', '--value', 'quantity']
  const first = await millrace(['import', 'events', file, ...flags], environment)
  expect(first.output).toContain('2,500 events accepted, 0 rejected')
  expect(first.code).toBe(0)
  const again = await millrace(['import', 'events', file, ...flags], environment)
  expect(again.output).toContain('imported before')
  const status = await counts(environment)
  expect(status).toMatchObject({
    log: { interactions: 2_500 },
    eventStore: { events: 2_500 },
    userState: { users: 7, events: 2_500 },
    deadLetters: 0,
  })
})

test('rows that cannot be events are named by line, the others are imported, and the exit code says so', async () => {
  await using folder = await temporaryFolder('import-bad-rows')
  const environment = { DATA_DIR: join(folder.path, 'data'), PORT: '1' }
  const file = join(folder.path, 'events.csv')
  const bad = [
    'a b,1,1,1,1291191960,UK',
    '5,,1,1,1291191960,UK',
    '5,1,much,1,1291191960,UK',
    '5,1,1,1,yesterday,UK',
    '5,1,1,1,100,UK',
  ]
  await writeFile(file, [HEADER, ...rows(20), ...bad].join('\n'))
  const rejects = join(folder.path, 'rejects.txt')
  const { code, output } = await millrace(
    ['import', 'events', file, '--event-type', 'purchase', '--value', 'quantity', '--rejects', rejects],
    environment,
  )
  expect(output).toContain('20 events accepted, 5 rejected')
  expect(code).toBe(2)
  const lines = (await readFile(rejects, 'utf8')).trim().split('\n')
  expect(lines).toHaveLength(5)
  for (const [index, field] of ['user', 'item', 'quantity', 'timestamp', ''].entries()) {
    expect(
      lines.some((line) => line.includes(`line ${22 + index}`) && line.includes(field)),
      `${index}: ${lines}`,
    ).toBe(true)
  }
})

test.each([
  ['a missing file', 'gone.csv', null, /gone\.csv does not exist/],
  ['a missing column', 'columns.csv', 'who,what\n1,2\n', /no user column \(columns: who, what\)/],
  ['an empty file', 'empty.csv', '', /no user column/],
  [
    'a truncated archive',
    'cut.csv.gz',
    gzipSync([HEADER, ...rows(5_000)].join('\n')).subarray(0, 9_000),
    /truncated gzip/,
  ],
  ['an alien archive', 'alien.csv.gz', 'this is no archive', /not an intact gzip/],
  ['a row of another width', 'ragged.csv', `${HEADER}\n1,2,3\n`, /line 2/],
  ['broken NDJSON', 'broken.ndjson', '{"user":"1","item":"2"\n', /line 1/],
  ['a type nobody configured', 'type.csv', 'user,item,type\n1,2,juggle\n', /juggle/],
])('%s is refused by name and leaves nothing behind', async (_name, name, content, message) => {
  await using folder = await temporaryFolder('import-refused')
  const environment = { DATA_DIR: join(folder.path, 'data'), PORT: '1' }
  const file = join(folder.path, name)
  if (content !== null) await writeFile(file, content)
  const { code, output } = await millrace(['import', 'events', file], environment)
  expect(output).toMatch(message)
  expect(code).toBe(2)
  if (existsSync(environment.DATA_DIR)) expect((await counts(environment)).log.interactions).toBe(0)
})

test('a dry run checks every row and stores none', async () => {
  await using folder = await temporaryFolder('import-dry')
  await using running = await startProcess({ DATA_DIR: join(folder.path, 'data') })
  const environment = { DATA_DIR: join(folder.path, 'client'), MILLRACE_URL: running.url }
  const file = join(folder.path, 'events.csv.gz')
  await writeFile(file, gzipSync([HEADER, ...rows(300), '1,,1,1,1,UK'].join('\n')))
  const { code, output } = await millrace(['import', 'events', file, '--dry-run'], environment)
  expect(output).toContain('300 events would be accepted, 1 rejected')
  expect(code).toBe(2)
  expect((await counts(environment)).log.interactions).toBe(0)
})

test('items with titles and categories reach the lists, users with preferences are kept, over HTTP', async () => {
  await using folder = await temporaryFolder('import-catalogue')
  await using running = await startProcess({ DATA_DIR: join(folder.path, 'data') })
  const environment = { DATA_DIR: join(folder.path, 'client'), MILLRACE_URL: running.url }
  const items = join(folder.path, 'items.csv')
  await writeFile(items, 'item,title,categories\n1,"A lamp, small",Light|Home\n2,A chair,Home\n')
  const users = join(folder.path, 'users.ndjson')
  await writeFile(users, '{"user":"u1","categories":["Light"]}\n')
  const events = join(folder.path, 'events.csv')
  await writeFile(events, 'user,item\nu9,1\nu9,2\n')
  expect((await millrace(['import', 'items', items], environment)).output).toContain('2 items accepted')
  expect((await millrace(['import', 'users', users], environment)).output).toContain('1 users accepted')
  expect((await millrace(['import', 'events', events], environment)).output).toContain('2 events accepted')
  const described = await fetch(`${running.url}/api/v1/items/1`)
  expect(await described.json()).toMatchObject({ itemId: '1', title: 'A lamp, small', categories: ['Light', 'Home'] })
  const preferences = await fetch(`${running.url}/api/v1/users/u1`)
  expect(await preferences.json()).toMatchObject({ userId: 'u1', categories: ['Light'] })
})

test.runIf(existsSync(REAL))('a slice of Online Retail comes through exactly, titles included', async () => {
  await using folder = await temporaryFolder('import-real')
  await using running = await startProcess({
    DATA_DIR: join(folder.path, 'data'),
    TRAIN_TRIALS: '1',
    HALF_LIFE_DAYS: '365',
  })
  const environment = { DATA_DIR: join(folder.path, 'client'), MILLRACE_URL: running.url }
  const lines = gunzipSync(readFileSync(`${REAL}/events.csv.gz`))
    .toString()
    .split('\n')
    .slice(0, 12_001)
  const file = join(folder.path, 'slice.csv')
  await writeFile(file, lines.join('\n'))
  const imported = await millrace(
    ['import', 'events', file, '--event-type', 'purchase', '--value', 'quantity'],
    environment,
  )
  expect(imported.output).toContain('12,000 events accepted')
  await millrace(['import', 'items', `${REAL}/items.csv`], environment)
  expect(await counts(environment)).toMatchObject({
    log: { interactions: 12_000 },
    eventStore: { events: 12_000 },
    userState: { events: 12_000 },
  })
  const trained = await millrace(['train', '--factors', '16', '--iterations', '5'], environment)
  expect([0, 4], trained.output).toContain(trained.code)
  const evaluated = await millrace(['evaluate'], environment)
  expect(evaluated.output).toMatch(/ndcg_at_10\s+0\.\d/)
  const listed = await millrace(['recommend', '17850', '--json'], environment)
  const reply = JSON.parse(listed.output.slice(listed.output.indexOf('{'), listed.output.lastIndexOf('}') + 1))
  expect(reply.items).toHaveLength(10)
  expect(reply.items.every((item: { title: string | null }) => item.title)).toBe(true)
})
