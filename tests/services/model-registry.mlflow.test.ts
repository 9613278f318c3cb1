import { randomUUID } from 'node:crypto'
import { openModelRegistry } from '../../stores/model-registry/open.ts'
import { testModelRegistry } from '../contract/model-registry.ts'
import { serviceUrl } from './service-url.ts'

testModelRegistry(
  async () => {
    const url = `${serviceUrl('mlflow')}/?name=test-${randomUUID()}`
    return { open: () => openModelRegistry(url, { unreachable: 'refuse' }), [Symbol.asyncDispose]: async () => {} }
  },
  { name: 'mlflow', durable: true },
)
