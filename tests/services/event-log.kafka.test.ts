import { randomUUID } from 'node:crypto'
import { openEventLog } from '../../streams/event-log/open.ts'
import type { EventLog } from '../../streams/event-log/port.ts'
import { eventLogContract } from '../contract/event-log.ts'
import { serviceUrl } from './service-url.ts'

const open = () => openEventLog(`${serviceUrl('kafka')}?sessionTimeoutMs=6000`, { now: Date.now })

eventLogContract('Kafka log', async () => {
  const own = randomUUID()
  let log: EventLog = await open()
  return {
    get log() {
      return log
    },
    topic: (name) => `${name}-${own}`,
    group: (name) => `${name}-${own}`,
    async reopen() {
      await log[Symbol.asyncDispose]()
      log = await open()
      return log
    },
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  }
})
