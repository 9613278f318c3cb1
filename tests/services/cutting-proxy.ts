import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** When the wire is cut: once so many bytes went up, or once so many came down (none: as the answer begins). */
export type Cut = { readonly afterBytesUp: number } | { readonly afterBytesDown: number }

export interface CuttingProxy extends AsyncDisposable {
  readonly port: number
  /** Applies to all traffic from now on until it has cut once; returns a promise of that cut. */
  arm(cut: Cut): Promise<void>
}

/** A TCP proxy on 127.0.0.1 before a real server, which cuts the wire where a case says. */
export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>()
  let armed: { cut: Cut; bytes: number; done: () => void } | null = null

  function keep(socket: Socket): void {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  }

  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1')
    for (const socket of [near, far]) keep(socket)
    const cutNow = () => {
      armed?.done()
      armed = null
      near.destroy()
      far.destroy()
    }
    const pass = (to: Socket, bytes: Buffer, limit: number) => {
      if (armed === null) return void to.write(bytes)
      const left = limit - armed.bytes
      armed.bytes += bytes.length
      if (bytes.length < left) return void to.write(bytes)
      to.write(bytes.subarray(0, left), cutNow)
    }
    near.on('data', (bytes: Buffer) => {
      if (armed !== null && 'afterBytesUp' in armed.cut) pass(far, bytes, armed.cut.afterBytesUp)
      else far.write(bytes)
    })
    far.on('data', (bytes: Buffer) => {
      if (armed !== null && 'afterBytesDown' in armed.cut) pass(near, bytes, armed.cut.afterBytesDown)
      else near.write(bytes)
    })
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    arm(cut) {
      const { promise, resolve } = Promise.withResolvers<void>()
      armed = { cut, bytes: 0, done: resolve }
      return promise
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
