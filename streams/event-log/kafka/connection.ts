import { createRequire } from 'node:module'

interface Connection {
  connect(): Promise<unknown>
}

const MENDED = Symbol('mended')

/**
 * The client (2.2.4) connects once for each request that finds its connection closed: of sixteen reads at once it uses the
 * last one's socket, and fifteen stay open for good. Here they share one.
 */
export function mendConnection(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/connection') as {
    prototype: Connection & { [MENDED]?: true }
  }
  if (prototype[MENDED]) return
  prototype[MENDED] = true
  const { connect } = prototype
  const connecting = new WeakMap<Connection, Promise<unknown>>()
  prototype.connect = function (this: Connection) {
    const running = connecting.get(this) ?? connect.call(this).finally(() => connecting.delete(this))
    connecting.set(this, running)
    return running
  }
}
