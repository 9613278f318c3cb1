import { existsSync } from 'node:fs'
import { MillraceError } from '../../schemas/errors.ts'
import type { Settings } from '../../schemas/settings.ts'
import { isEmbedded } from '../runtime/backends.ts'

/** Where commands send their requests; dispose stops what was opened for them. */
export interface Connection extends AsyncDisposable {
  readonly url: string
  readonly inProcess: boolean
}

/**
 * The edge at `url` if it answers; otherwise, with embedded backends only, all of Millrace in this process on DATA_DIR.
 * @throws MillraceError NOT_READY when nothing answers and a backend is not embedded, or when MILLRACE_URL was given.
 */
export async function connect(
  settings: Settings,
  options: { readonly url: string | undefined; readonly mayCreate: boolean; readonly signal: AbortSignal },
): Promise<Connection> {
  const url = (options.url ?? `http://127.0.0.1:${settings.PORT}`).replace(/\/+$/, '')
  if (await answers(url, options.signal)) return { url, inProcess: false, async [Symbol.asyncDispose]() {} }
  if (options.url !== undefined || !isEmbedded(settings)) {
    throw new MillraceError('NOT_READY', `nothing answers at ${url}; start it with "npm start" or correct MILLRACE_URL`)
  }
  if (!options.mayCreate && !existsSync(settings.DATA_DIR)) {
    throw new MillraceError(
      'NOT_READY',
      `nothing answers at ${url} and there is no data folder ${settings.DATA_DIR}; start with "npm start" or "npx millrace import"`,
    )
  }
  // Loaded only now: with an edge that answers, a command needs nothing but fetch.
  const { startInProcess } = await import('../all-in-one/in-process.ts')
  const running = await startInProcess(settings, options.signal)
  return { url: running.url, inProcess: true, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(`${url}/livez`, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) })
    await response.body?.cancel()
    return response.ok
  } catch (error) {
    if (error instanceof TypeError && error.message.includes('URL')) {
      throw new MillraceError('CONFIG_INVALID', `MILLRACE_URL "${url}" is not a URL`, { cause: error })
    }
    return false
  }
}
