// Real servers for tests/services/: `npm run test:services`, or one's own part of it with
//   SERVICES=kafka,registry vitest run --config tests/services/vitest.config.ts tests/services/event-log.kafka.test.ts
//
// SERVICES names the servers a run needs (kafka, registry, redis, clickhouse, mlflow, s3), all by default. For each, in this order:
//   1. its URL from the environment: KAFKA_URL, SCHEMA_REGISTRY_URL, REDIS_URL, CLICKHOUSE_URL, MLFLOW_URL, S3_URL;
//   2. what `npm run services -- start` has running in .services (SERVICES_DIR names another folder);
//   3. a server of this run's own on a free port, stopped at the end.
// Tests read `serviceUrl('kafka')` of service-url.ts (or those environment variables) and must keep to names of their own:
// topics, subjects, key prefixes, databases, experiments, buckets. S3_URL is the endpoint with its credentials.
// Cases that stop or kill a server start private ones with private-services.ts.
import type { TestProject } from 'vitest/node'
import type { ServiceName } from '../../services/provision/definition.ts'
import { serviceNames, serviceStatus } from '../../services/provision/services.ts'
import { SERVICES_FOLDER, startPrivateServices } from './private-services.ts'

type ServiceUrls = Readonly<Partial<Record<ServiceName, string>>>

declare module 'vitest' {
  export interface ProvidedContext {
    services: ServiceUrls
  }
}

const VARIABLES: Readonly<Record<ServiceName, string>> = {
  kafka: 'KAFKA_URL',
  registry: 'SCHEMA_REGISTRY_URL',
  redis: 'REDIS_URL',
  clickhouse: 'CLICKHOUSE_URL',
  mlflow: 'MLFLOW_URL',
  s3: 'S3_URL',
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const names = serviceNames((process.env.SERVICES ?? '').split(',').filter(Boolean))
  const urls: Partial<Record<ServiceName, string>> = {}
  for (const name of names) {
    const url = process.env[VARIABLES[name]] || (await serviceStatus(name, { folder: SERVICES_FOLDER }))?.url
    if (url !== undefined) urls[name] = url
  }
  const missing = names.filter((name) => urls[name] === undefined)
  const own = missing.length === 0 ? null : await startPrivateServices(missing)
  for (const name of missing) urls[name] = own?.url(name)
  for (const name of names) process.env[VARIABLES[name]] = urls[name]
  project.provide('services', urls)
  return async () => own?.[Symbol.asyncDispose]()
}
