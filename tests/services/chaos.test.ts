import { expect, test } from 'vitest'
import type { ServiceName } from '../../services/provision/definition.ts'
import { runStorm } from '../chaos/storm.ts'
import { clusterSettings } from './cluster-settings.ts'
import { startPrivateServices } from './private-services.ts'
import { serviceUrl } from './service-url.ts'

const STRUCK: readonly ServiceName[] = ['kafka', 'redis', 'clickhouse']
const EVENTS = 20_000
const KILLS = 6
const STORE_AWAY_MS = 10_000
const seed = Number(process.env.SEED ?? 20_261_123)

test(`${EVENTS} events with duplicates survive ${KILLS} SIGKILLs, a zombie, a flush and an outage, each counted exactly once (seed ${seed})`, async () => {
  await using servers = await startPrivateServices(STRUCK)
  await using cluster = await clusterSettings((name) => (STRUCK.includes(name) ? servers.url(name) : serviceUrl(name)))
  const lines: string[] = []
  const result = await runStorm({
    ...{ seed, events: EVENTS, kills: KILLS, storeAwayMs: STORE_AWAY_MS },
    ...{ servers, settings: cluster.settings, report: (line: string) => lines.push(line) },
  })
  const told = lines.join('\n')
  console.log(told, JSON.stringify({ ...result, reads: { ...result.reads, failures: result.reads.failures.length } }))
  expect(result.differences, told).toEqual([])
  expect(result.reads.failures, told).toEqual([])
  expect(result.deaths, told).toEqual([])
  expect(result).toMatchObject({ kills: KILLS, acknowledged: EVENTS })
  expect(result.reads.lists).toBeGreaterThan(100)
  expect(result.reads.degraded, 'the flush must show in replies').toBeGreaterThan(0)
}, 400_000)
