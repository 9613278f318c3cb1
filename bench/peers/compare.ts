// `node bench/peers/compare.ts --train FILE [--factors 64] [--threads 1] [--solver cg] [--alpha 10] [--regularization 10]
// [--iterations 15] [--rounds 3] [--seed 1]`: objective `implicit` by PyPI implicit and by us, in turn, on the same matrix.
// Prints one JSON line with the ratio (ours / theirs) of each side's fastest iteration, and both losses in float64.
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installPeers, runJson } from './environment.ts'

const here = import.meta.dirname
const folder = mkdtempSync(join(tmpdir(), 'millrace-peers-'))
try {
  compare(installPeers())
} finally {
  rmSync(folder, { recursive: true, force: true })
}

interface Measured {
  readonly secondsOfFastestIteration: number
  readonly cpuSecondsOfFastestIteration: number
}

interface TheirMeasured extends Measured {
  readonly version: string
  readonly blas: readonly string[]
}

function compare(python: string): void {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      ...{ train: text, factors: { ...text, default: '64' }, threads: { ...text, default: '1' } },
      ...{ solver: { ...text, default: 'cg' }, alpha: { ...text, default: '10' } },
      ...{ regularization: { ...text, default: '10' }, iterations: { ...text, default: '15' } },
      ...{ rounds: { ...text, default: '3' }, seed: { ...text, default: '1' } },
    },
  })
  if (values.train === undefined) throw new Error('--train FILE is missing (bench/generate.ts makes one)')
  const { train, factors, threads, solver, alpha, regularization, iterations, seed } = values
  const ours: Measured[] = []
  const theirs: TheirMeasured[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const options = { train, factors, threads, solver, alpha, regularization, iterations, seed, export: folder }
    const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
    ours.push(runJson(process.execPath, [join(here, '../engine.ts'), '--objective', 'implicit', ...given]))
    const ourLoss = runJson<number>(python, [join(here, 'loss.py'), folder, folder, factors, alpha, regularization])
    const recipe = [factors, iterations, threads, solver, alpha, regularization, seed]
    theirs.push(runJson(python, [join(here, 'implicit_als.py'), folder, folder, ...recipe]))
    const theirLoss = runJson<number>(python, [join(here, 'loss.py'), folder, folder, factors, alpha, regularization])
    console.error(`round ${round + 1}: loss ${ourLoss} ours, ${theirLoss} theirs`, ours.at(-1), theirs.at(-1))
    if (round + 1 < Number(values.rounds)) continue
    const wall = ratio(ours, theirs, 'secondsOfFastestIteration')
    const cpu = ratio(ours, theirs, 'cpuSecondsOfFastestIteration')
    const { version, blas } = theirs.at(-1)!
    const machine = {
      cpu: cpus()[0]?.model.trim(),
      cores: cpus().length,
      node: process.version,
      implicit: version,
      blas,
    }
    console.log(JSON.stringify({ ...values, wall, cpu, ourLoss, theirLoss, lossRatio: ourLoss / theirLoss, machine }))
  }
}

function ratio(ours: readonly Measured[], theirs: readonly Measured[], of: keyof Measured) {
  const [left, right] = [ours, theirs].map((rounds) => Math.min(...rounds.map((measured) => measured[of])))
  return { ours: left, theirs: right, ratio: left! / right! }
}
