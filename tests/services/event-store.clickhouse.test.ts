import { openEventStore } from '../../stores/event-store/open.ts'
import { testEventStore } from '../contract/event-store.ts'
import { temporaryDatabase } from './clickhouse-database.ts'
import { serviceUrl } from './service-url.ts'

testEventStore(
  async () => {
    const database = await temporaryDatabase(serviceUrl('clickhouse'))
    return {
      open: () => openEventStore(database.url),
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    }
  },
  { name: 'clickhouse', durable: true },
)
