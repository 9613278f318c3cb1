import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { PrivateServices } from '../services/private-services.ts'
import type { Cluster } from '../support/cluster.ts'

export interface Fault {
  readonly name: string
  readonly isKill: boolean
  /** Causes it, and resolves when what it hit is back. */
  cause(): Promise<void>
}

export interface FaultOptions {
  readonly kills: number
  readonly storeAwayMs: number
  readonly stallMs: number
  readonly random: () => number
}

/** How long a killed process stays away, at most: some return within their session, some after it. */
const AWAY_MS_MAX = 8_000

/**
 * The kills of every process and the broker in turn, and one each, at seeded places among them, of: an updater stalled past
 * its session, Redis flushed, the event store away. One after the other, so that never both edges are down.
 */
export function planFaults(cluster: Cluster, servers: PrivateServices, options: FaultOptions): readonly Fault[] {
  const { random } = options
  const killable = ['sink-1', 'updater-1', 'edge-1', 'kafka', 'updater-2', 'edge-2', 'sink-2']
  const faults: Fault[] = Array.from({ length: options.kills }, (_, index) => {
    const name = killable[index % killable.length] as string
    const awayMs = Math.floor(random() * AWAY_MS_MAX)
    return name === 'kafka' ? brokerKilled(servers, awayMs) : processKilled(cluster, name, awayMs)
  })
  for (const fault of [
    updaterStalled(cluster, `updater-${1 + Math.floor(random() * 2)}`, options.stallMs),
    redisFlushed(servers),
    storeAway(servers, options.storeAwayMs),
  ]) {
    faults.splice(1 + Math.floor(random() * faults.length), 0, fault)
  }
  return faults
}

function processKilled(cluster: Cluster, name: string, awayMs: number): Fault {
  return {
    ...{ name: `${name} is killed and away for ${awayMs} ms`, isKill: true },
    async cause() {
      await cluster.get(name).kill()
      await pause(awayMs)
      await cluster.get(name).start()
    },
  }
}

function brokerKilled(servers: PrivateServices, awayMs: number): Fault {
  return {
    ...{ name: `the broker is killed and away for ${awayMs} ms`, isKill: true },
    async cause() {
      process.kill(servers.pid('kafka'), 'SIGKILL')
      await pause(awayMs)
      await servers.start('kafka')
    },
  }
}

function updaterStalled(cluster: Cluster, name: string, stallMs: number): Fault {
  return {
    ...{ name: `${name} is stalled for ${stallMs} ms, past its session, and goes on as a zombie`, isKill: false },
    async cause() {
      cluster.get(name).stall()
      await pause(stallMs)
      cluster.get(name).goOn()
    },
  }
}

function redisFlushed(servers: PrivateServices): Fault {
  return {
    ...{ name: 'Redis is flushed', isKill: false },
    async cause() {
      const { hostname, port } = new URL(servers.url('redis'))
      await new Promise<void>((resolve, reject) => {
        const socket = connect(Number(port), hostname).once('error', reject)
        socket.once('data', (data) => {
          socket.destroy()
          if (data.toString().startsWith('+OK')) resolve()
          else reject(new Error(`FLUSHALL: ${data}`))
        })
        socket.write('FLUSHALL\r\n')
      })
      await pause(AWAY_MS_MAX)
    },
  }
}

function storeAway(servers: PrivateServices, awayMs: number): Fault {
  return {
    ...{ name: `the event store is away for ${awayMs} ms`, isKill: false },
    async cause() {
      await servers.stop('clickhouse')
      await pause(awayMs)
      await servers.start('clickhouse')
    },
  }
}
