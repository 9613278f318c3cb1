import { connect, isIP, type Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import type { ISocketFactoryArgs } from 'kafkajs'

const KEEP_ALIVE_DELAY_MS = 60_000

/**
 * A connection as the client makes its own, but for one thing: the client lets go of a connection each time that it looks
 * for brokers anew, also of one that failed long ago. Such a socket has no handle any more, and Node answers `unref` with a
 * listener for its connecting, one more each time: an outage of a minute gathers hundreds, and Node warns of the eleventh.
 */
export function createSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
  const socket = ssl
    ? connectSecurely({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
    : connect({ host, port }, onConnect)
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
  const unref = socket.unref.bind(socket)
  socket.unref = () => (socket.destroyed ? socket : unref())
  return socket
}
