import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname

/** A virtual environment beside this file, made once; returns its Python. */
export function installPeers(): string {
  const python = join(here, '.venv', 'bin', 'python')
  if (existsSync(join(here, '.venv', 'installed'))) return python
  const steps: [string, string[]][] = [
    ['python3', ['-m', 'venv', join(here, '.venv')]],
    [python, ['-m', 'pip', 'install', '--quiet', '-r', join(here, 'requirements.txt')]],
    [python, ['-c', `open(${JSON.stringify(join(here, '.venv', 'installed'))}, 'w').close()`]],
  ]
  for (const [program, options] of steps) {
    const { status } = spawnSync(program, options, { stdio: ['ignore', 'inherit', 'inherit'] })
    if (status !== 0) throw new Error(`${program} ${options.join(' ')} ended with ${status}`)
  }
  return python
}

/** The last line of the program's output, parsed. */
export function runJson<T>(program: string, options: readonly string[]): T {
  const { status, stdout, stderr } = spawnSync(program, options, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (status !== 0) throw new Error(`${program} ${options[0]} ended with ${status}: ${stderr.slice(-2_000)}`)
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T
}
