import { connect, createServer, type Socket } from 'node:net'
import { promisify } from 'node:util'

export interface CutProxy extends AsyncDisposable {
  readonly port: number
  /** From now on answers of the server are swallowed, while connections stay open: a network that is gone silently. */
  swallowAnswers(): void
  /** Ends every connection, and lets new ones through again. */
  cut(): void
}

/** A TCP proxy in front of a server, to lose answers or connections on purpose. */
export async function startCutProxy(target: string): Promise<CutProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let swallowing = false
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      const end = () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      }
      socket.on('error', end).on('close', end)
    }
    client.on('data', (data) => upstream.write(data))
    upstream.on('data', (data) => {
      if (!swallowing) client.write(data)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    swallowing = false
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as { port: number }).port,
    swallowAnswers: () => {
      swallowing = true
    },
    cut,
    async [Symbol.asyncDispose]() {
      const closed = promisify(server.close.bind(server))()
      cut()
      await closed
    },
  }
}
