import { trainAls } from '../engine/als/train.ts'
import { seeded } from '../tests/support/events.ts'
import { report, rounded } from './report.ts'

const [USERS, ITEMS, INTERACTIONS, FACTORS, ITERATIONS] = [20_000, 5_000, 1_000_000, 64, 15]

/** 1,000,000 interactions x 15 iterations x 64 factors, one and two threads; the better of two runs each. */
export async function benchTraining(): Promise<void> {
  const matrix = makeMatrix()
  for (const threads of [1, 2]) {
    let best = { wall: Number.POSITIVE_INFINITY, cpu: 0 }
    for (let run = 0; run < 2; run++) {
      const cpu = process.cpuUsage()
      const startedAt = performance.now()
      await trainAls(matrix, { threads, recipe: RECIPE })
      const wall = (performance.now() - startedAt) / 1_000
      const used = process.cpuUsage(cpu)
      if (wall < best.wall) best = { wall, cpu: (used.user + used.system) / 1e6 }
    }
    const details = {
      threads,
      interactions: matrix.itemIndices.length,
      iterations: ITERATIONS,
      factors: FACTORS,
      cpuSeconds: rounded(best.cpu),
      command: 'npm run bench training',
    }
    report({ figure: `training_seconds_${threads}_threads`, value: rounded(best.wall), unit: 's', details })
  }
}

const RECIPE = {
  ...({ preset: 'ials', solver: 'cg' } as const),
  ...{
    factors: FACTORS,
    iterations: ITERATIONS,
    alpha: 1,
    alpha0: 0.1,
    regularization: 0.01,
    nu: 1,
    halfLifeDays: 90,
    seed: 1,
  },
}

function makeMatrix() {
  const random = seeded(11)
  const rows = Array.from({ length: USERS }, () => new Set<number>())
  let interactions = 0
  while (interactions < INTERACTIONS) {
    const row = rows[Math.floor(random() ** 1.5 * USERS)] as Set<number>
    const before = row.size
    row.add(Math.floor(random() ** 2 * ITEMS))
    interactions += row.size - before
  }
  const rowPointers = new Int32Array(USERS + 1)
  const itemIndices = new Int32Array(INTERACTIONS)
  let at = 0
  for (const [user, row] of rows.entries()) {
    itemIndices.set(
      [...row].sort((left, right) => left - right),
      at,
    )
    at += row.size
    rowPointers[user + 1] = at
  }
  return { users: USERS, items: ITEMS, rowPointers, itemIndices, strengths: new Float32Array(INTERACTIONS).fill(1) }
}
