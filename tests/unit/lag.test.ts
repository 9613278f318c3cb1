import { expect, test } from 'vitest'
import { createLagMonitor } from '../../streams/lag.ts'
import { openTemporaryLog } from './temporary-log.ts'

const { signal } = new AbortController()
const topic = 'training'

test('lag in seconds counts from the sample at which the end first passed the committed offset', async () => {
  const clock = { now: 1_000_000 }
  await using under = await openTemporaryLog(() => clock.now)
  const { log } = under
  const append = (count: number) =>
    log.append(
      topic,
      Array.from({ length: count }, () => ({ key: 'k', value: new Uint8Array(1) })),
      { signal },
    )
  const commit = (offset: number) => log.commit('g', [{ topic, partition: 0, offset }], { signal })
  const monitor = createLagMonitor({ log, groups: [{ group: 'g', topics: [topic] }], now: () => clock.now })
  const lag = () => monitor.current().map(({ lagRecords, lagSeconds }) => [lagRecords, lagSeconds])
  const sampleAfter = async (ms: number) => {
    clock.now += ms
    await monitor.sample(signal)
  }
  expect([monitor.current(), monitor.sampledAt()]).toEqual([[], null])
  await monitor.sample(signal)
  expect(monitor.sampledAt()).toBe(clock.now)
  expect(monitor.current()).toEqual([{ group: 'g', topic, partition: 0, lagRecords: 0, lagSeconds: 0 }])
  await append(10)
  await sampleAfter(1_000)
  expect(lag()).toEqual([[10, 0]])
  await append(5)
  await sampleAfter(1_000)
  expect(lag()).toEqual([[15, 1]])
  clock.now += 500
  expect(lag()).toEqual([[15, 1.5]])
  await commit(10)
  await sampleAfter(500)
  expect(lag()).toEqual([[5, 1]])
  await commit(15)
  await sampleAfter(1_000)
  expect(lag()).toEqual([[0, 0]])
})

test('a monitor that starts on an old backlog takes its age from the record that waits', async () => {
  const clock = { now: 1_000_000 }
  await using under = await openTemporaryLog(() => clock.now)
  await under.log.append(topic, [{ key: 'k', value: new Uint8Array(1) }], { signal })
  clock.now += 90_000
  const groups = [{ group: 'g', topics: [topic, 'interactions'] }]
  const monitor = createLagMonitor({ log: under.log, groups, now: () => clock.now })
  await monitor.sample(signal)
  expect(monitor.current()).toEqual([
    { group: 'g', topic, partition: 0, lagRecords: 1, lagSeconds: 90 },
    { group: 'g', topic: 'interactions', partition: 0, lagRecords: 0, lagSeconds: 0 },
    { group: 'g', topic: 'interactions', partition: 1, lagRecords: 0, lagSeconds: 0 },
  ])
})

test('the record that waits is read once while its group stands still, and again when it has moved on', async () => {
  const clock = { now: 1_000_000 }
  await using under = await openTemporaryLog(() => clock.now)
  const append = () => under.log.append(topic, [{ key: 'k', value: new Uint8Array(1) }], { signal })
  await append()
  clock.now += 60_000
  await append()
  let reads = 0
  const log = new Proxy(under.log, {
    get(target, name) {
      if (name === 'read') reads++
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const monitor = createLagMonitor({ log, groups: [{ group: 'g', topics: [topic] }], now: () => clock.now })
  for (let times = 0; times < 5; times++) await monitor.sample(signal)
  expect([reads, monitor.current()[0]?.lagSeconds]).toEqual([1, 60])
  await under.log.commit('g', [{ topic, partition: 0, offset: 1 }], { signal })
  for (let times = 0; times < 5; times++) await monitor.sample(signal)
  expect([reads, monitor.current()[0]?.lagSeconds]).toEqual([2, 0])
})
