import { symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createClient } from 'redis'
import { expect, test } from 'vitest'
import { freePort } from '../../services/provision/free-port.ts'
import { run, temporaryFolder } from '../support/process.ts'

const services = (args: readonly string[], environment: Readonly<Record<string, string>>) =>
  run([process.execPath, 'services/provision/main.ts', ...args], environment)

test('start, status and stop tell what runs; a second start finds it, also after a kill, with the data it had', async () => {
  await using folder = await temporaryFolder('provision')
  const port = await freePort()
  const place = { SERVICES_DIR: folder.path, REDIS_PORT: String(port) }
  const up = new RegExp(`^redis +up, pid (\\d+), USER_STATE_URL=redis://127\\.0\\.0\\.1:${port}\\n$`)
  const down = { code: 3, output: expect.stringMatching(/^redis +down\n$/) }
  try {
    expect(await services(['status', 'redis'], place)).toMatchObject(down)
    const started = await services(['start', 'redis'], place)
    expect(started).toMatchObject({ code: 0, output: expect.stringMatching(up) })
    expect(await services(['start', 'redis'], place)).toMatchObject({ code: 0, output: started.output })
    expect(await services(['status', 'redis'], place)).toMatchObject({ code: 0, output: started.output })
    const client = createClient({ url: `redis://127.0.0.1:${port}` })
    client.on('error', () => {})
    await client.connect()
    await client.set('kept', 'yes')
    await client.sendCommand(['CONFIG', 'SET', 'appendfsync', 'always'])
    await client.set('last', 'one')
    client.destroy()
    process.kill(Number(up.exec(started.output)?.[1]), 'SIGKILL')
    expect(await services(['status', 'redis'], place)).toMatchObject(down)
    const again = await services(['start', 'redis'], place)
    expect(again).toMatchObject({ code: 0, output: expect.stringMatching(up) })
    expect(again.output).not.toBe(started.output)
    const reader = createClient({ url: `redis://127.0.0.1:${port}` })
    await reader.connect()
    expect([await reader.get('kept'), await reader.get('last')]).toEqual(['yes', 'one'])
    reader.destroy()
  } finally {
    expect(await services(['stop', 'redis'], place)).toMatchObject({ code: 0, output: 'stopped redis\n' })
  }
  expect(await services(['stop', 'redis'], place)).toMatchObject({ code: 0, output: 'nothing ran\n' })
  expect(await services(['status', 'redis'], place)).toMatchObject(down)
})

test('what is missing or in the way is one line that names it, and an exit code that is not 0', async () => {
  await using folder = await temporaryFolder('provision-refused')
  await symlink('/bin/sh', join(folder.path, 'sh'))
  const bare = { SERVICES_DIR: folder.path, PATH: folder.path }
  expect(await services(['start', 'kafka'], bare)).toMatchObject({
    code: 1,
    output:
      'kafka needs java and mvn and openssl, not found on this machine; install default-jre-headless maven openssl\n',
  })
  expect(await services(['start', 'mlflow'], bare)).toMatchObject({
    code: 1,
    output: 'mlflow needs python3, not found on this machine; install python3-venv\n',
  })
  const port = await freePort()
  const other = createServer().listen(port, '127.0.0.1')
  const taken = await services(['start', 'redis'], { SERVICES_DIR: folder.path, REDIS_PORT: String(port) })
  other.close()
  const inTheWay = `redis cannot start: something else listens on 127.0.0.1:${port}\n`
  expect(taken).toMatchObject({ code: 1, output: inTheWay })
  expect(await services(['start', 'postgres'], {})).toMatchObject({ code: 1, output: expect.stringMatching(/^no service postgres; there are kafka, .*\n$/) }) // biome-ignore format: one line
  expect(await services(['restart'], {})).toMatchObject({ code: 2, output: expect.stringMatching(/^usage: .*\n$/) })
})
