// That what is scraped and shown exists: scrape targets, data source, and every metric and label of the dashboard's queries.
import { Writable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../schemas/config.ts'
import { parseEventWeights, Settings } from '../../schemas/settings.ts'
import { startMillrace } from '../../services/all-in-one/compose.ts'
import { createLogger } from '../../services/runtime/logger.ts'
import { createMetrics } from '../../services/runtime/metrics.ts'
import { temporaryFolder } from '../support/process.ts'
import { compose, LISTENS_ON, ours, read, settingsOf } from './compose-file.ts'

const SCRAPED_LABELS = ['job', 'instance']

test('Prometheus scrapes every Millrace service where it serves its metrics, and Grafana asks that Prometheus', () => {
  const prometheus = parse(read('monitoring/prometheus.yml')) as {
    scrape_configs: { job_name: string; dns_sd_configs: { names: string[]; port: number }[] }[]
  }
  const scraped = prometheus.scrape_configs.map(({ dns_sd_configs: [found] }) => [found?.names[0], found?.port])
  expect(Object.fromEntries(scraped)).toEqual(
    Object.fromEntries(ours.map(([name, service]) => [name, settingsOf(service).PORT])),
  )
  const { datasources } = parse(read('monitoring/grafana/provisioning/datasources/prometheus.yml'))
  expect(datasources[0].url).toBe(`http://prometheus:${LISTENS_ON.prometheus}`)
  const { providers } = parse(read('monitoring/grafana/provisioning/dashboards/millrace.yml'))
  expect(compose.services.grafana?.volumes).toContain(`./monitoring/grafana/dashboards:${providers[0].options.path}:ro`)
  const sources = dashboard.panels.flatMap((panel) => panel.targets ?? []).map((target) => target.datasource.uid)
  expect(new Set(sources)).toEqual(new Set([datasources[0].uid]))
})

const dashboard: {
  panels: { title: string; targets?: { expr: string; legendFormat: string; datasource: { uid: string } }[] }[]
} = JSON.parse(read('monitoring/grafana/dashboards/millrace.json'))

const stack = new AsyncDisposableStack()
const labelsOf = new Map<string, ReadonlySet<string>>()
beforeAll(async () => {
  const folder = stack.use(await temporaryFolder('deployment')).path
  const settings = loadConfig(Settings, { DATA_DIR: folder, PORT: '0', TRAIN_SCHEDULE: 'never', LOG_LEVEL: 'silent' })
  const metrics = createMetrics()
  const logger = createLogger(settings, { terminal: false, stream: new Writable({ write: (_c, _e, done) => done() }) })
  const context = { settings, eventWeights: parseEventWeights(settings), logger, metrics, now: Date.now }
  const running = stack.use(await startMillrace(context, new AbortController().signal))
  const served = await (await fetch(`${running.url}/metrics`)).text()
  for (const [, name = '', type] of served.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const metric = metrics.getSingleMetric(name) as unknown as { labelNames: string[] }
    const labels = new Set([...metric.labelNames, ...SCRAPED_LABELS])
    if (type !== 'histogram') labelsOf.set(name, labels)
    else for (const part of ['bucket', 'sum', 'count']) labelsOf.set(`${name}_${part}`, new Set([...labels, 'le']))
  }
  labelsOf.set('up', new Set(SCRAPED_LABELS))
})
afterAll(() => stack.disposeAsync())

test('every query of the dashboard is about metrics and labels that the services export', () => {
  const targets = dashboard.panels.flatMap((panel) => panel.targets ?? [])
  expect(targets.length).toBeGreaterThan(30)
  for (const { expr, legendFormat } of targets) {
    const metrics = metricsIn(expr)
    expect(metrics.length, expr).toBeGreaterThan(0)
    for (const metric of metrics) {
      expect([...labelsOf.keys()], expr).toContain(metric)
      if (/\bby\b/.test(expr)) expect(groupedBy(expr), expr).toEqual(expect.arrayContaining(labelsIn(legendFormat)))
      for (const label of [...groupedBy(expr), ...labelsIn(legendFormat)])
        expect([...(labelsOf.get(metric) ?? [])], `${expr} shown as ${legendFormat}`).toContain(label)
    }
  }
})

test('the dashboard shows everything that the operators of a recommender ask for', () => {
  const asked = new Set(dashboard.panels.flatMap((panel) => panel.targets ?? []).flatMap(({ expr }) => metricsIn(expr)))
  for (const metric of [
    ...['events_accepted_total', 'kafka_consumergroup_lag', 'kafka_consumergroup_group_lag_seconds'],
    ...['event_freshness_seconds_bucket', 'recommendation_latency_seconds_bucket', 'recommendation_lists_total'],
    ...['ml_training_duration_seconds_sum', 'ml_model_accuracy', 'dead_letters_total'],
  ])
    expect([...asked]).toContain(metric)
})

/** Names in a PromQL expression that are neither functions, keywords, labels nor label values. */
function metricsIn(expr: string): string[] {
  const bare = expr
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replace(/\b(by|without)\s*\([^)]*\)/g, ' ')
    .replace(/\b[a-z_]+\s*\(/g, ' ')
  return [...new Set(bare.match(/\b[a-z_][a-z0-9_]*\b/g) ?? [])].filter((name) => name !== 'or')
}

/** Labels that an expression groups by or selects. */
function groupedBy(expr: string): string[] {
  const grouped = [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(/\s*,\s*/))
  const selected = [...expr.matchAll(/[{,]\s*(\w+)\s*[=!]/g)].map(([, label = '']) => label)
  return [...grouped, ...selected]
}

function labelsIn(legend: string): string[] {
  return [...legend.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, label = '']) => label)
}
