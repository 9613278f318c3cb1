import { connect, type Socket } from 'node:net'

const HEAD_END = Buffer.from('\r\n\r\n')
const EMPTY: Buffer = Buffer.alloc(0)

export interface HttpReply {
  readonly status: number
  readonly body: Buffer
}

/** A whole request with its headers, as it goes over the wire. */
export function requestBytes(url: string, method: string, path: string, body?: unknown): Buffer {
  const text = body === undefined ? '' : JSON.stringify(body)
  const entity =
    body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\n${entity}\r\n${text}`)
}

/**
 * One keep-alive connection with one request under way at a time. It does as little as a client can, because it shares
 * the machine with what it measures: no header but `content-length` is looked at.
 */
export class HttpConnection implements Disposable {
  readonly #socket: Socket
  #received: Buffer = EMPTY
  #waiting: PromiseWithResolvers<HttpReply> | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (piece: Buffer) => this.#take(piece))
    socket.on('error', (error) => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')))
  }

  static async open(url: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new HttpConnection(socket)
  }

  send(request: Buffer): Promise<HttpReply> {
    if (this.#waiting !== null) throw new Error('a request is under way on this connection')
    this.#waiting = Promise.withResolvers<HttpReply>()
    this.#socket.write(request)
    return this.#waiting.promise
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  #take(piece: Buffer): void {
    this.#received = this.#received.length === 0 ? piece : Buffer.concat([this.#received, piece])
    const headEnd = this.#received.indexOf(HEAD_END)
    if (headEnd < 0) return
    const head = this.#received.toString('latin1', 0, headEnd)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN)
    const bodyStart = headEnd + HEAD_END.length
    if (Number.isNaN(length)) this.#waiting?.reject(new Error(`a reply without content-length: ${head}`))
    else if (this.#received.length < bodyStart + length) return
    const reply = { status: Number(head.slice(9, 12)), body: this.#received.subarray(bodyStart, bodyStart + length) }
    const waiting = this.#waiting
    this.#received = EMPTY
    this.#waiting = null
    waiting?.resolve(reply)
  }
}
