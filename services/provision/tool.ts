import { spawn } from 'node:child_process'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../schemas/errors.ts'

const MAVEN_DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'
const OUTPUT_CHARACTERS_MAX = 2_000

/** Runs a program of the machine to its end. @throws MillraceError CONFIG_INVALID when it is missing, INTERNAL when it fails. */
export async function runTool(command: string, args: readonly string[], packageName = command): Promise<void> {
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    const keep = (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-OUTPUT_CHARACTERS_MAX)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (cause) =>
      reject(
        new MillraceError('CONFIG_INVALID', `${command} is not installed; install the package ${packageName}`, {
          cause,
        }),
      ),
    )
    child.on('close', (exitCode) => resolve({ code: exitCode, output: text }))
  })
  if (code !== 0)
    throw new MillraceError('INTERNAL', `${command} ${args[0] ?? ''} ended with ${code}: ${output.trim()}`)
}

/** `tools`: command -> package. @throws MillraceError CONFIG_INVALID naming everything that is missing, in one line. */
export async function requireTools(name: string, tools: Readonly<Record<string, string>>): Promise<void> {
  const missing: string[] = []
  for (const command of Object.keys(tools)) {
    await runTool('sh', ['-c', `command -v ${command}`]).catch(() => missing.push(command))
  }
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((command) => tools[command]))].join(' ')
  throw new MillraceError(
    'CONFIG_INVALID',
    `${name} needs ${missing.join(' and ')}, not found on this machine; install ${packages}`,
  )
}

/** Puts an artifact of Maven Central and everything it needs at run time into `folder`. */
export async function fetchWithDependencies(artifacts: readonly string[], folder: string): Promise<void> {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`
  })
  await mkdir(folder, { recursive: true })
  const pom = join(folder, 'pom.xml')
  await writeFile(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>millrace</groupId><artifactId>libraries</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join('\n')}</dependencies></project>\n`,
  )
  const goal = `${MAVEN_DEPENDENCY_PLUGIN}:copy-dependencies`
  await runTool('mvn', ['-q', '-B', '-f', pom, goal, '-DincludeScope=runtime', `-DoutputDirectory=${folder}`], 'maven')
}

/** Puts one artifact of Maven Central, given as group:name:version:type:classifier, at `file`. */
export async function fetchArtifact(artifact: string, file: string): Promise<void> {
  const aside = `${file}.fetched`
  await runTool(
    'mvn',
    ['-q', '-B', `${MAVEN_DEPENDENCY_PLUGIN}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${aside}`],
    'maven',
  )
  const [, name, version, type, classifier] = artifact.split(':')
  await rename(join(aside, `${name}-${version}${classifier ? `-${classifier}` : ''}.${type}`), file)
  await rm(aside, { recursive: true })
}

/** A Python environment of its own in `folder`, with these packages. */
export async function installPython(folder: string, packages: readonly string[], pipFlags: readonly string[] = []) {
  await runTool('python3', ['-m', 'venv', folder], 'python3-venv')
  await runTool(join(folder, 'bin', 'pip'), ['install', '-q', '--disable-pip-version-check', ...pipFlags, ...packages])
}
