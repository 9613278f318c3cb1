import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What becomes of a request: `lose` lets the server carry it out and cuts the connection before its answer. */
export type Fate = 'pass' | 'lose' | 'cut' | 'hang' | 'refuse'

export interface HttpGate extends AsyncDisposable {
  /** Without credentials. */
  readonly url: string
  /** Decides from now on; `method path` of the request, without its query. */
  decide(fate: (request: string, headers: IncomingMessage['headers']) => Fate): void
}

/**
 * A reverse proxy before a real server, whose connections a case can cut and which can ask for credentials. The host stays
 * the client's, so that signatures over it hold.
 */
export async function openGate(target: string): Promise<HttpGate> {
  let decide: (request: string, headers: IncomingMessage['headers']) => Fate = () => 'pass'
  const server = createServer((incoming, outgoing) => {
    const fate = decide(`${incoming.method} ${incoming.url?.split('?')[0]}`, incoming.headers)
    if (fate === 'cut') incoming.socket.destroy()
    if (fate === 'refuse') outgoing.writeHead(401).end('who are you?')
    if (fate === 'pass' || fate === 'lose') forward(target, incoming, outgoing, fate)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    decide(fate) {
      decide = fate
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function forward(target: string, incoming: IncomingMessage, outgoing: ServerResponse, fate: 'pass' | 'lose'): void {
  const options = { method: incoming.method, headers: incoming.headers }
  const forwarded = request(new URL(incoming.url ?? '/', target), options, (answer) => {
    if (fate === 'pass') answer.pipe(outgoing.writeHead(answer.statusCode ?? 502, answer.headers))
    else answer.resume().on('end', () => incoming.socket.destroy())
  })
  forwarded.on('error', () => incoming.socket.destroy())
  incoming.pipe(forwarded)
}
