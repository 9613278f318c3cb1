import { createClient, ErrorReply, RESP_TYPES } from 'redis'
import { MillraceError } from '../../../schemas/errors.ts'
import type { RedisAddress } from './address.ts'
import { toFailure } from './failure.ts'
import type { Script } from './scripts.ts'

/** Commands waiting to be sent or answered, at most; beyond, they are refused with OVERLOADED. */
const COMMANDS_MAX = 20_000
const CONNECT_TIMEOUT_MS = 5_000
/** A command without an answer for so long has failed; whether it took effect is then unknown. */
const COMMAND_TIMEOUT_MS = 2_000
/** A connection that stays silent for so long, although it is asked every PING_INTERVAL_MS, is given up. */
const SILENCE_MAX_MS = 4_000
const PING_INTERVAL_MS = 1_000
const RECONNECT_DELAY_MS = 50
const RECONNECT_DELAY_MAX_MS = 1_000

export interface ConnectionEvents {
  /** Called in the order in which the server sent them, among the replies; null means every key. */
  readonly onInvalidate: ((key: string | null) => void) | null
  /** A channel to hear, from the opening on and before `onRestored`; messages come in the same order as `onInvalidate`. */
  readonly channel: { readonly name: string; readonly onMessage: (message: string) => void } | null
  /** After a loss, before anything else is delivered. */
  readonly onLost: () => void
  /** Connected anew. */
  readonly onRestored: () => void
  /** For the log: the connection was lost or is back, once each, with the reason. */
  readonly warn: (message: string) => void
}

/** One connection to Redis that comes back by itself. While it is away every command fails at once. */
export interface RedisConnection {
  readonly ready: boolean
  send(args: readonly (string | Buffer)[]): Promise<unknown>
  /** Like `send`, with texts in the reply as bytes. */
  sendForBytes(args: readonly (string | Buffer)[]): Promise<unknown>
  run(script: Script, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<unknown>
  close(): Promise<void>
}

/** @throws MillraceError STATE_UNAVAILABLE when the server cannot be reached now or refuses the password. */
export async function openConnection(address: RedisAddress, events: ConnectionEvents): Promise<RedisConnection> {
  let opened = false
  const client = newClient(address, events.onInvalidate !== null, () => opened)
  watch(client, address, events, () => opened)
  try {
    await client.connect()
    if (events.channel !== null) await client.subscribe(events.channel.name, events.channel.onMessage)
  } catch (error) {
    client.destroy()
    throw toFailure(error, address.shown)
  }
  opened = true
  return connectionOf(client, address.shown)
}

type Client = ReturnType<typeof newClient>

function newClient(address: RedisAddress, followsChanges: boolean, isOpened: () => boolean) {
  return createClient({
    url: address.url,
    RESP: 3,
    emitInvalidate: followsChanges,
    disableOfflineQueue: true,
    commandsQueueMaxLength: COMMANDS_MAX,
    pingInterval: PING_INTERVAL_MS,
    maintNotifications: 'disabled',
    commandOptions: { timeout: undefined },
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_MAX_MS,
      reconnectStrategy: (retries) =>
        isOpened() && Math.min(RECONNECT_DELAY_MS * 2 ** Math.min(retries, 10), RECONNECT_DELAY_MAX_MS),
      ...(address.authority === null ? {} : { tls: true, ca: address.authority }),
    },
  })
}

function watch(client: Client, { shown }: RedisAddress, events: ConnectionEvents, isOpened: () => boolean): void {
  let lost = false
  client.on('error', (error: unknown) => {
    if (!isOpened() || client.isReady) return
    events.onLost()
    if (lost) return
    lost = true
    events.warn(`${toFailure(error, shown).message}; it is tried again until it is back`)
  })
  client.on('end', events.onLost)
  client.on('ready', () => {
    if (!isOpened()) return
    if (lost) events.warn(`USER_STATE_URL ${shown} answers again`)
    lost = false
    events.onRestored()
  })
  const { onInvalidate } = events
  if (onInvalidate === null) return
  client.on('invalidate', (key: Buffer | string | null) => onInvalidate(key === null ? null : key.toString()))
}

function connectionOf(client: Client, shown: string): RedisConnection {
  const bytes = { [RESP_TYPES.BLOB_STRING]: Buffer }
  const send = async (args: readonly (string | Buffer)[], options?: { typeMapping: typeof bytes }) => {
    try {
      return await withDeadline(client.sendCommand<unknown>([...args], options), shown)
    } catch (error) {
      throw isNoScript(error) ? error : toFailure(error, shown)
    }
  }
  return {
    get ready() {
      return client.isReady
    },
    send,
    sendForBytes: (args) => send(args, { typeMapping: bytes }),
    async run(script, keys, args) {
      const rest = [String(keys.length), ...keys, ...args]
      try {
        return await send(['EVALSHA', script.sha, ...rest])
      } catch (error) {
        if (!isNoScript(error)) throw error
        return send(['EVAL', script.text, ...rest])
      }
    },
    async close() {
      if (!client.isOpen) return
      if (client.isReady) await withDeadline(client.close(), shown).catch(() => client.destroy())
      else client.destroy()
    },
  }
}

/** The server has restarted or dropped its scripts; it has done nothing. */
function isNoScript(error: unknown): boolean {
  return error instanceof ErrorReply && error.message.startsWith('NOSCRIPT')
}

function withDeadline<T>(answer: Promise<T>, shown: string): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const timer = setTimeout(() => {
    const what = `does not answer (nothing for ${COMMAND_TIMEOUT_MS} ms)`
    reject(new MillraceError('STATE_UNAVAILABLE', `USER_STATE_URL ${shown} ${what}`, { field: 'USER_STATE_URL' }))
  }, COMMAND_TIMEOUT_MS)
  answer.then(resolve, reject).finally(() => clearTimeout(timer))
  return promise
}
