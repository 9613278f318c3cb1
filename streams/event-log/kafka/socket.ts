import { connect, isIP, type Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import type { ISocketFactoryArgs } from 'kafkajs'

const KEEP_ALIVE_DELAY_MS = 60_000

/** Makes the client's connections as it does itself, and knows which are open. Dispose ends those; there are none after it. */
export interface Sockets extends Disposable {
  readonly create: (options: ISocketFactoryArgs) => Socket
  readonly open: number
}

/**
 * The client lets go of a connection each time that it looks for brokers anew, also of one that failed long ago. Such a
 * socket has no handle any more, and Node answers `unref` with a listener for its connecting, one more each time: an outage
 * of a minute gathers hundreds, and Node warns of the eleventh.
 *
 * And a request that is under way while the client disconnects makes it connect again, which nobody ends: the process
 * would not end either.
 */
export function createSockets(): Sockets {
  const sockets = new Set<Socket>()
  let isClosed = false
  return {
    create({ host, port, ssl, onConnect }) {
      if (isClosed) throw new Error('the Kafka client is closed')
      const socket = ssl
        ? connectSecurely({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
        : connect({ host, port }, onConnect)
      socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
      const unref = socket.unref.bind(socket)
      socket.unref = () => (socket.destroyed ? socket : unref())
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      return socket
    },
    get open() {
      return sockets.size
    },
    [Symbol.dispose]() {
      isClosed = true
      for (const socket of sockets) socket.destroy()
    },
  }
}
