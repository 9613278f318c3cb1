import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'

const LINES_MAX = 300
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter(Boolean)
const sources = files.filter((file) => /\.tsx?$/.test(file) && !file.startsWith('engine/kernels/assembly/'))
const production = sources.filter((file) => /^(schemas|streams|engine|stores|services|client)\//.test(file))

/** What a top-level folder may import from; itself is always allowed. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  schemas: [],
  engine: ['schemas'],
  streams: ['schemas'],
  stores: ['schemas'],
  client: ['schemas'],
  services: ['schemas', 'engine', 'streams', 'stores', 'package.json'],
}

test('there is something to examine', () => {
  expect(production.length).toBeGreaterThan(60)
  expect(importsOf('services/cli/main.ts').length).toBeGreaterThan(5)
})

test('imports point one way: schemas <- engine, streams, stores <- services', () => {
  const wrong = production.flatMap((file) => {
    const home = topOf(file)
    return importsOf(file)
      .filter((target) => topOf(target) !== home && !MAY_IMPORT[home]?.includes(topOf(target)))
      .map((target) => `${file} imports ${target}`)
  })
  expect(wrong).toEqual([])
})

test('no service imports another; only all-in-one, standalone and the command line see all of them', () => {
  const composing = new Set(['all-in-one', 'standalone', 'cli'])
  const wrong = production
    .filter((file) => file.startsWith('services/') && !composing.has(serviceOf(file)))
    .flatMap((file) =>
      importsOf(file)
        .filter((target) => target.startsWith('services/') && !['runtime', serviceOf(file)].includes(serviceOf(target)))
        .map((target) => `${file} imports ${target}`),
    )
  expect(wrong).toEqual([])
})

test('the engine is pure: no file system, no network, no clock, no unseeded randomness', () => {
  const impure = /from 'node:(fs|net|http|https|dgram|child_process)|Date\.now\(|new Date\(\)|Math\.random\(|\bfetch\(/
  const kernelLoader = /^engine\/kernels\//
  const wrong = production.filter(
    (file) => file.startsWith('engine/') && !kernelLoader.test(file) && impure.test(readFileSync(file, 'utf8')),
  )
  expect(wrong).toEqual([])
})

test(`no file is longer than ${LINES_MAX} lines`, () => {
  const long = production
    .map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length }))
    .filter(({ lines }) => lines > LINES_MAX)
  expect(long).toEqual([])
})

test('no barrels and no drawers: no index.ts, no utils.ts, no helpers.ts', () => {
  expect(sources.filter((file) => /\/(index|utils?|helpers?|common|misc)\.tsx?$/.test(file))).toEqual([])
})

test('nothing names a machine: no absolute home or work paths', () => {
  const named = files
    .filter((file) => !/\.(png|lock|ico)$|package-lock\.json$/.test(file))
    .filter((file) => /\/(work|home|root)\/[a-z]/.test(readFileSync(file, 'utf8')))
    .filter((file) => file !== 'tests/tidy.test.ts')
  expect(named).toEqual([])
})

test('README, ARCHITECTURE and CONTRIBUTING name only files that exist', () => {
  const named = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'].flatMap((page) => {
    const text = readFileSync(page, 'utf8')
    const folders = 'schemas|streams|engine|stores|services|tests|bench|docs|monitoring|k8s'
    return [...text.matchAll(new RegExp(`\\b((?:${folders})/[\\w./-]*\\w\\.(?:tsx?|md|png|yml|avsc))\\b`, 'g'))].map(
      (match) => ({ page, file: match[1] as string }),
    )
  })
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter(({ file }) => !files.includes(file))).toEqual([])
})

function topOf(file: string): string {
  return file.split('/')[0] ?? ''
}

function serviceOf(file: string): string {
  return file.split('/')[1] ?? ''
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map(
    (match) => match[1] as string,
  )
  return specifiers.map((specifier) => normalize(join(dirname(file), specifier)))
}
