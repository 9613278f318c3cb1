// Builds what Node cannot run directly: the WASM kernels (AssemblyScript) and the web page (Vite).
// Runs at `npm ci` (prepare) and skips a target that is newer than its sources.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const binaries = join(root, 'node_modules', '.bin')

buildKernels()
buildConsole()

/** Each engine/kernels/assembly/NAME.ts without a leading underscore becomes engine/kernels/NAME.wasm. */
function buildKernels(): void {
  const sources = globSync('engine/kernels/assembly/*.ts', { cwd: root })
  for (const source of sources.filter((path) => !basename(path).startsWith('_'))) {
    const target = join('engine/kernels', `${basename(source, '.ts')}.wasm`)
    if (isFresh(target, sources)) continue
    run('asc', [
      source,
      ...['-o', target, '-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--sharedMemory'],
      ...['--initialMemory', '1', '--maximumMemory', '65536'],
      ...['--enable', 'simd', '--enable', 'threads', '--enable', 'relaxed-simd'],
    ])
  }
}

function buildConsole(): void {
  if (!existsSync(join(root, 'services/console/vite.config.ts'))) return
  const sources = globSync('services/console/{page,public}/**/*', { cwd: root }).concat(
    'services/console/vite.config.ts',
  )
  if (isFresh('services/console/dist/index.html', sources)) return
  mkdirSync(join(root, 'services/console/dist'), { recursive: true })
  run('vite', ['build', '--config', 'services/console/vite.config.ts', '--logLevel', 'warn'])
}

function isFresh(target: string, sources: readonly string[]): boolean {
  const path = join(root, target)
  if (!existsSync(path)) return false
  const builtAt = statSync(path).mtimeMs
  return sources.every((source) => statSync(join(root, source)).mtimeMs <= builtAt)
}

function run(command: string, args: readonly string[]): void {
  const program = join(binaries, command)
  if (!existsSync(program)) {
    console.error(`build: ${command} is not installed (run "npm ci" without --omit=dev to build from source)`)
    process.exit(1)
  }
  const { status } = spawnSync(program, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
