import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRandom } from '../../engine/evaluation/random.ts'

const BENCH = join(import.meta.dirname, '../../bench/engine.ts')
const FIELDS = [
  ...['users', 'items', 'train', 'test', 'secondsPerIteration', 'secondsTotal', 'loss', 'recall_at_20', 'ndcg_at_20'],
  ...['peakRssMb', 'recommendUsP50', 'recommendUsP99', 'foldInUsP50', 'foldInUsP99'],
]

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-engine-bench-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

/** The last line of what the command prints, or how it refused. */
async function bench(...options: string[]): Promise<{ code: number; output: string; errors: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [BENCH, ...options])
    return { code: 0, output: stdout, errors: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, output: stdout, errors: stderr }
  }
}

/** Events of users with a taste for one half of the items, in order of time: [user, item, second]. */
function events(count: number): readonly (readonly [string, string, number])[] {
  const random = createRandom(3)
  return Array.from({ length: count }, (_, at) => {
    const user = Math.floor(random() * 40)
    return [`u${user}`, `i${2 * Math.floor(random() * 30) + (user % 2)}`, 1_000 + at] as const
  })
}

const SMALL = ['--factors', '8', '--iterations', '6']

describe('a given split', () => {
  const [past, future] = [events(900).slice(0, 700), events(900).slice(700)]

  test('gives the same numbers from CSV with a header, gzip without one, and lines per user', async () => {
    const csv = (rows: typeof past) => rows.map(([user, item, second]) => `${user},${item},1,${second}`).join('\n')
    const once = [...new Map(past.map((event) => [`${event[0]} ${event[1]}`, event])).values()]
    const perUser = [...new Set(once.map(([user]) => user))]
      .map((user) => [user, ...once.filter(([owner]) => owner === user).map(([, item]) => item)].join(' '))
      .join('\n')
    const train = [
      await file('train.csv', `user,item,weight,timestamp\r\n${csv(once).replaceAll('\n', '\r\n')}\r\n`),
      await file('train.csv.gz', gzipSync(csv(once))),
      await file('train.txt', `${perUser}\n\n`),
    ]
    const testFile = await file('test.csv', csv(future))
    const runs = await Promise.all(train.map((path) => bench('--train', path, '--test', testFile, ...SMALL)))
    const results = runs.map(({ output, errors }) => {
      expect(output.trim().split('\n'), errors).toHaveLength(1)
      return JSON.parse(output)
    })
    for (const result of results) {
      for (const name of FIELDS) expect(result[name], name).toBeGreaterThan(0)
      expect(result).toMatchObject({ users: 40, items: 60, train: once.length, test: 200 })
    }
    expect(results[1].ndcg_at_20).toBe(results[0].ndcg_at_20)
    // Users come in another order, which is the order of summation and of random starts.
    expect(Math.abs(results[2].ndcg_at_20 - results[0].ndcg_at_20)).toBeLessThan(0.05)
  })

  test('adds repeated pairs up, keeps ids of any length apart and takes negative weights as dislikes', async () => {
    const id = '92233720368547758070000000'
    const once = `${id}1,x${id}1,3\n${id}1,x${id}2,-1\n${id}2,x${id}2,2\n${id}2,x${id}3,1`
    const twice = `${id}1,x${id}1,1\n${id}1,x${id}2,-1\n${id}2,x${id}2,2\n${id}2,x${id}3,1\n${id}1,x${id}1,2`
    const [one, other] = await Promise.all(
      [once, twice].map(async (text, at) => {
        const { output, errors } = await bench('--train', await file(`repeats-${at}.csv`, text), ...SMALL)
        return JSON.parse(output || errors)
      }),
    )
    expect(one).toMatchObject({ users: 2, items: 3, train: 4 })
    expect(other.loss).toBe(one.loss)
  })

  test('is searched on its past alone, and a search cut short is taken up to the same end', async () => {
    const rows = past.map(([user, item, second]) => `${user},${item},,${second}`)
    const train = await file('timed.csv', rows.join('\n'))
    const testFile = await file('timed-test.csv', future.map(([user, item]) => `${user},${item}`).join('\n'))
    const state = join(folder, 'state.json')
    const options = ['--train', train, '--test', testFile, ...SMALL, '--search', '9', '--top', '10']
    const whole = JSON.parse((await bench(...options, '--search-state', state)).output)
    const saved = JSON.parse(await readFile(state, 'utf8'))
    expect(whole.trials).toEqual(saved.trials)
    expect(whole.trials.length).toBe(12)
    await writeFile(state, JSON.stringify({ ...saved, trials: saved.trials.slice(0, 10) }))
    const resumed = await bench(...options, '--search-state', state, '--threads', '2')
    expect(resumed.errors.match(/^trial /gm)).toHaveLength(whole.trials.length - 10)
    const again = JSON.parse(resumed.output)
    for (const name of ['recipe', 'trials', 'loss', 'ndcg_at_10', 'recall_at_10'])
      expect(again[name]).toEqual(whole[name])
    const other = await bench(...options, '--alpha', '3', '--search-state', state)
    expect(other).toMatchObject({ code: 2, errors: expect.stringContaining('not of this search') })
  })
})

describe('bad input is refused in words, before any training:', () => {
  const GOOD = 'a,x\na,y\nb,x\nb,z\nc,y\nc,z'
  const cases: readonly (readonly [string, string, string, readonly string[], RegExp])[] = [
    ['an empty file', '', GOOD, [], /INVALID_MATRIX/],
    ['a header and nothing else', 'user,item\n', GOOD, [], /INVALID_MATRIX/],
    ['a row without an item', 'a,x\nb,', GOOD, [], /INVALID_INPUT_FILE.*line 2/],
    ['a weight of zero', 'a,x,0\nb,y,1', GOOD, [], /line 1 .*not zero/],
    ['a weight that float32 cannot tell from zero', 'a,x,1e-60\nb,y,1', GOOD, [], /line 1 .*not zero/],
    ['an infinite weight', 'a,x,1\nb,y,Infinity', GOOD, [], /line 2 .*finite/],
    ['a weight beyond float32', 'a,x,1\nb,y,1e39', GOOD, [], /line 2 .*finite/],
    ['weights that are no numbers', 'a,x,1\nb,y,NaN', GOOD, [], /line 2 .*finite/],
    ['weights that add up beyond float32', 'a,x,3e38\na,x,3e38\nb,y,1', GOOD, [], /INVALID_MATRIX.*strength/],
    ['only weights that cancel out', 'a,x,1\na,x,-1', GOOD, [], /INVALID_MATRIX/],
    ['a test file that training gives away', GOOD, 'a,x\nb,z', [], /nothing could be measured/],
    ['an empty test file', GOOD, '', [], /nothing could be measured/],
    ['lists of no items', GOOD, GOOD, ['--top', '0'], /--top must be 1 to 1000/],
    ['too many factors', GOOD, 'a,z', ['--factors', '1024'], /factors/],
    ['an unknown objective', GOOD, 'a,z', ['--objective', 'bpr'], /INVALID_PARAMETERS.*preset/],
    ['an unknown option', GOOD, 'a,z', ['--factor', '8'], /INVALID_PARAMETERS.*--factor/],
    ['a search on one pair', 'a,x', 'a,z', ['--search', '3'], /too few to search on/],
    ['a time in some lines only', 'a,x,1,5\na,y\nb,x,1,7', 'a,z', ['--search', '3'], /line 2 has no timestamp/],
    ['a time that is none', 'a,x,1,5\na,y,1,soon\nb,x,1,7', 'a,z', ['--search', '3'], /line 2 has the timestamp soon/],
  ]

  test('each of them', async () => {
    const refusals: string[] = []
    for (const [index, [name, train, held, options, expected]] of cases.entries()) {
      const paths = [await file(`bad-${index}.csv`, train), await file(`bad-test-${index}.csv`, held)] as const
      const { code, output, errors } = await bench('--train', paths[0], '--test', paths[1], ...options)
      if (code !== 2 || output !== '' || !expected.test(errors)) refusals.push(`${name}: ${code} ${errors || output}`)
    }
    expect(refusals).toEqual([])
    const missing = await bench('--train', join(folder, 'nowhere.csv'))
    expect(missing).toMatchObject({ code: 2, errors: expect.stringContaining('INVALID_INPUT_FILE') })
  })

  test('fewer items than asked for are simply all shown', async () => {
    const train = await file('few.csv', GOOD)
    const { output, errors } = await bench('--train', train, '--test', await file('few-test.csv', 'a,z'), ...SMALL)
    expect(JSON.parse(output || errors)).toMatchObject({ usersTested: 1, recall_at_20: 1, ndcg_at_20: 1 })
  })
})
