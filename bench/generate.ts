// `node bench/generate.ts --train FILE --test FILE [--users N --items N --interactions N --seed S]`: a seeded set shaped
// like MovieLens-20M, every twentieth interaction held out; gzip where a name ends in .gz.
import { createWriteStream } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { createGzip } from 'node:zlib'
import { uniformAt } from '../engine/als/random.ts'
import { generateUsers, MOVIELENS_SHAPE } from './interaction-generator.ts'

const TEST_SHARE = 0.05

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: { train: text, test: text, users: text, items: text, interactions: text, seed: text },
})
if (values.train === undefined || values.test === undefined) {
  console.error(
    'usage: node bench/generate.ts --train FILE --test FILE [--users N --items N --interactions N --seed S]',
  )
  process.exit(2)
}
const shape = {
  users: Number(values.users ?? MOVIELENS_SHAPE.users),
  items: Number(values.items ?? MOVIELENS_SHAPE.items),
  interactions: Number(values.interactions ?? MOVIELENS_SHAPE.interactions),
  seed: Number(values.seed ?? MOVIELENS_SHAPE.seed),
}
await Promise.all([write(values.train, false), write(values.test, true)])

/** Each file is generated on its own, so that each writes at its own pace. */
async function write(path: string, held: boolean): Promise<void> {
  const packed = path.endsWith('.gz') ? createGzip({ level: 1 }) : new PassThrough()
  await pipeline(Readable.from(piecesOf(held)), packed, createWriteStream(path))
}

function* piecesOf(held: boolean): Generator<string> {
  let piece = 'user,item\n'
  let user = 0
  let number = 0
  for (const items of generateUsers(shape)) {
    for (const item of items) {
      if (uniformAt(shape.seed + 9, number++) < TEST_SHARE === held) piece += `${user},${item}\n`
    }
    user++
    if (piece.length < 1 << 18) continue
    yield piece
    piece = ''
  }
  yield piece
}
