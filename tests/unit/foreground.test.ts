import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { runForeground } from '../../services/all-in-one/foreground.ts'

test('when a service fails for good, what runs beside it is stopped too, so that the process can end', async () => {
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const beside = Promise.withResolvers<string>()
  let disposed = false
  const running = runForeground({
    environment: { LOG_LEVEL: 'silent' },
    signal: new AbortController().signal,
    start: async () => ({
      url: 'http://127.0.0.1:1',
      failed: failure.promise,
      async [Symbol.asyncDispose]() {
        disposed = true
      },
    }),
    greeting: () => 'ready',
    async beside(_url, _context, _print, signal) {
      failure.reject(new Error('a service ended'))
      while (!signal.aborted) await pause(60_000, undefined, { signal }).catch(() => undefined)
      beside.resolve(disposed ? 'stopped after the services' : 'stopped before the services')
    },
  })
  expect(await running).toBe(1)
  expect(disposed).toBe(true)
  expect(await Promise.race([beside.promise, pause(2_000, 'still runs')])).toBe('stopped before the services')
})

test('a failure while everything stops is told, and is not exit code 0', async () => {
  const stop = new AbortController()
  const code = await runForeground({
    environment: { LOG_LEVEL: 'silent' },
    signal: stop.signal,
    start: async () => {
      setTimeout(() => stop.abort(), 10)
      return {
        url: 'http://127.0.0.1:1',
        failed: new Promise<never>(() => undefined),
        async [Symbol.asyncDispose]() {
          throw new Error('the last commit did not reach the disk')
        },
      }
    },
    greeting: () => 'ready',
  })
  expect(code).toBe(1)
})

test('a start that is given up is no failure', async () => {
  const stop = new AbortController()
  const code = await runForeground({
    environment: { LOG_LEVEL: 'silent' },
    signal: stop.signal,
    start: async (_context, opening) => {
      stop.abort()
      opening.throwIfAborted()
      throw new Error('not reached')
    },
    greeting: () => 'ready',
  })
  expect(code).toBe(0)
})
