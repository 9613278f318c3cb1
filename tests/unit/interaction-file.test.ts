import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readInteractionFile } from '../../bench/interaction-file.ts'

let folder = ''
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-interactions-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** [user, item, weight, time] of every pair that is read. */
async function read(content: string | Uint8Array, name = 'file.csv') {
  const path = join(folder, `${files++}-${name}`)
  await writeFile(path, content)
  const { users, items, userAt, itemAt, weights, timestamps } = await readInteractionFile(path, { timestamps: true })
  return Array.from(userAt, (user, at) => [users[user], items[itemAt[at]!], weights[at], timestamps?.[at] ?? null])
}

const RATED = [
  ['1', '31', 2.5, 1_260_759_144],
  ['1', '1029', 3, 1_260_759_179],
  ['7', '31', 4, 1_260_759_182],
]
const LINES = ['1,31,2.5,1260759144', '1,1029,3.0,1260759179', '7,31,4,1260759182']
const with_ = (separator: string) => LINES.map((line) => line.replaceAll(',', separator))

test.each([
  ['bare', LINES.join('\n')],
  ['MovieLens, as it is published', ['userId,movieId,rating,timestamp', ...LINES].join('\n')],
  [
    'Windows line ends, a mark of byte order, an empty line',
    `\uFEFF${['user,item,w,t', ...LINES, '', ''].join('\r\n')}`,
  ],
  ['quotes around everything', ['"User ID","Item"', ...LINES.map((line) => line.replace(/[^,]+/g, '"$&"'))].join('\n')],
  ['spaces after commas', with_(', ').join('\n')],
  ['tabs, without a header', with_('\t').join('\n')],
  ['tabs under typed names', ['user_id:token\titem_id:token\trating:float\ttime:float', ...with_('\t')].join('\n')],
  ['semicolons', ['user;item;weight;time', ...with_(';')].join('\n')],
  ['double colons', with_('::').join('\n')],
  ['names that say nothing, above numbers', ['who,what,how,when', ...LINES].join('\n')],
])('rows come out the same: %s', async (_, content) => {
  expect(await read(content)).toEqual(RATED)
  expect(await read(gzipSync(content), 'file.csv.gz')).toEqual(RATED)
})

test('two columns of numbers have a header only where it is none', async () => {
  expect(await read('1,2\n3,4')).toEqual([
    ['1', '2', 1, null],
    ['3', '4', 1, null],
  ])
  expect(await read('who,what\n3,4\n3,5')).toEqual([
    ['3', '4', 1, null],
    ['3', '5', 1, null],
  ])
  expect(await read('ann,lamp\nbob,7\n')).toEqual([
    ['ann', 'lamp', 1, null],
    ['bob', '7', 1, null],
  ])
})

test('one line per user: any white space, users without items, lines of any length', async () => {
  const expected = [
    ['0', '5', 1, null],
    ['0', '9', 1, null],
    ['0', '12', 1, null],
    ['2', '5', 1, null],
  ]
  expect(await read('0 5 9 12\n1 \n2 5\n')).toEqual(expected)
  expect(await read('0\t5\t9\t12\r\n2\t5\r\n', 'file.txt')).toEqual(expected)
  expect(await read('  0  5 9  12\n\n2 5', 'file.txt')).toEqual(expected)
})

test('a quoted id keeps its separators and quotes, an unquoted one its quote', async () => {
  expect(await read('user,item\n"a, ""b""",12" vinyl\n"c","d"\n')).toEqual([
    ['a, "b"', '12" vinyl', 1, null],
    ['c', 'd', 1, null],
  ])
  await expect(read('a,x\n"b,x\n')).rejects.toMatchObject({ message: expect.stringContaining('line 2') })
})
