import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { ISocketFactoryArgs } from 'kafkajs'
import { expect, test } from 'vitest'
import { createSockets } from '../../streams/event-log/kafka/socket.ts'

const PLAIN = undefined as unknown as ISocketFactoryArgs['ssl']

test('letting go of a connection that failed, as often as one likes, leaves no listener behind', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  using sockets = createSockets()
  const socket = sockets.create({ host: '127.0.0.1', port, ssl: PLAIN, onConnect: () => {} })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('close', resolve))
  const before = socket.listenerCount('connect')
  for (let times = 0; times < 20; times++) {
    socket.end()
    socket.unref()
  }
  expect(socket.listenerCount('connect')).toBe(before)
  expect(sockets.open).toBe(0)
})

test('closing ends what is still open, and nothing is opened after it', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const sockets = createSockets()
  const options = { host: '127.0.0.1', port, ssl: PLAIN, onConnect: () => {} }
  const socket = sockets.create(options)
  await once(socket, 'connect')
  expect(sockets.open).toBe(1)
  sockets[Symbol.dispose]()
  await once(socket, 'close')
  expect(sockets.open).toBe(0)
  expect(() => sockets.create(options)).toThrow('closed')
  server.close()
})
