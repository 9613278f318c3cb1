import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openUserState } from '../../stores/user-state/open.ts'
import { userStateContract } from '../contract/user-state.ts'
import { ownRedis } from './own-redis.ts'
import { serviceUrl } from './service-url.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-redis-'))
const inFolder = (name: string) => join(folder, name)
const newPrefix = () => `contract-${randomUUID()}`
const servers: Promise<AsyncDisposable>[] = []
afterAll(async () => {
  for (const server of await Promise.allSettled(servers)) {
    if (server.status === 'fulfilled') await server.value[Symbol.asyncDispose]()
  }
  rmSync(folder, { recursive: true, force: true })
})

const prefix = newPrefix()
userStateContract(
  'redis',
  (now) => openUserState(`${serviceUrl('redis')}?prefix=${prefix}`, { listEntriesMax: 100, now }),
  { keepsLists: true },
)

// A server in cluster mode refuses scripts and commands whose keys do not lie in one slot.
let cluster: ReturnType<typeof ownRedis> | null = null
userStateContract(
  'redis in cluster mode',
  async (now) => {
    cluster ??= ownRedis(folder, ['--cluster-enabled', 'yes'], { slots: true })
    if (!servers.includes(cluster)) servers.push(cluster)
    return openUserState(`redis://127.0.0.1:${(await cluster).port}`, { listEntriesMax: 100, now })
  },
  { keepsLists: true },
)

let encrypted: ReturnType<typeof ownRedis> | null = null
userStateContract(
  'redis over TLS with a password',
  async (now) => {
    encrypted ??= ownRedis(folder, ['--requirepass', 's3cret', ...certificate()], { tls: true })
    if (!servers.includes(encrypted)) servers.push(encrypted)
    const { port } = await encrypted
    return openUserState(`rediss://:s3cret@localhost:${port}?ca=${inFolder('ca.pem')}`, { listEntriesMax: 100, now })
  },
  { keepsLists: true },
)

/** A certificate for localhost that signs itself, and the server's options for it. */
function certificate(): string[] {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const files = ['-keyout', inFolder('key.pem'), '-out', inFolder('ca.pem')]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files], {
    stdio: 'ignore',
  })
  const use = ['--tls-cert-file', inFolder('ca.pem'), '--tls-key-file', inFolder('key.pem')]
  return [...use, '--tls-ca-cert-file', inFolder('ca.pem'), '--tls-auth-clients', 'no']
}
