import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const ARGUMENTS = [
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/** A real Chromium: the one that CHROMIUM names, Debian's, or Playwright's own. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', chromium.executablePath()].find(
    (path) => path !== undefined && existsSync(path),
  )
  if (executablePath === undefined) {
    throw new Error('no Chromium found: set CHROMIUM, or install it (apt-get install chromium)')
  }
  const isRoot = process.getuid?.() === 0
  return chromium.launch({ executablePath, args: isRoot ? [...ARGUMENTS, '--no-sandbox'] : ARGUMENTS })
}
