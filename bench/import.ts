import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seeded } from '../tests/support/events.ts'
import { millrace, temporaryFolder } from '../tests/support/process.ts'
import { report, rounded } from './report.ts'

const REAL = '../shared/data/online-retail/events.csv.gz'
const SYNTHETIC_EVENTS = 400_000

/** The released command, end to end: file to log, event store and user state, both consumers caught up. Best of two. */
export async function benchImport(): Promise<void> {
  await using folder = await temporaryFolder('bench-import')
  const file = existsSync(REAL) ? REAL : await synthetic(folder.path)
  let best = { seconds: Number.POSITIVE_INFINITY, events: 0 }
  for (const run of ['a', 'b']) {
    const environment = { DATA_DIR: join(folder.path, run), PORT: '1' }
    const startedAt = performance.now()
    const { code, output } = await millrace(['import', 'events', file, '--event-type', 'purchase'], environment)
    const seconds = (performance.now() - startedAt) / 1_000
    const events = Number(/([\d,]+) events accepted/.exec(output)?.[1]?.replaceAll(',', ''))
    if (code !== 0 || !(events > 0)) throw new Error(output)
    if (seconds < best.seconds) best = { seconds, events }
  }
  const details = {
    events: best.events,
    seconds: rounded(best.seconds),
    input: existsSync(REAL) ? 'Online Retail' : 'synthetic',
    command: 'npm run bench import',
  }
  report({
    figure: 'import_events_per_second',
    value: rounded(best.events / best.seconds, 4),
    unit: 'events/s',
    bar: { atLeast: 20_000 },
    details,
  })
}

async function synthetic(folder: string): Promise<string> {
  const random = seeded(3)
  const rows = Array.from({ length: SYNTHETIC_EVENTS }, (_, index) => {
    const user = Math.floor(random() ** 2 * 5_000)
    return `${user},${Math.floor(random() ** 2 * 4_000)},1,1.0,${1_291_191_960 + index},UK`
  })
  const file = join(folder, 'events.csv')
  await writeFile(file, ['user,item,quantity,price,timestamp,country', ...rows].join('\n'))
  return file
}
