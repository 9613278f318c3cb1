import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServiceDefinition } from '../definition.ts'
import { fetchArtifact } from '../tool.ts'

const VERSION = '4.1.0'
/** Of development and tests; the server listens on the loopback address only. */
const CREDENTIALS = { accessKeyId: 'millrace', secretAccessKey: 'millrace-development' }

/** S3Proxy: the S3 interface, signatures checked, over a folder. The URL is the endpoint with its credentials. */
export const s3: ServiceDefinition = {
  needs: { java: 'default-jre-headless', mvn: 'maven' },
  release: `s3proxy-${VERSION}`,
  defaultPort: 19_000,
  extraPorts: 0,
  setting: 'S3_URL',
  url: (port) => `http://${CREDENTIALS.accessKeyId}:${CREDENTIALS.secretAccessKey}@127.0.0.1:${port}`,
  async install(distFolder) {
    await fetchArtifact(`org.gaul:s3proxy:${VERSION}:jar:jar-with-dependencies`, join(distFolder, 's3proxy.jar'))
  },
  async prepare({ distFolder, dataFolder, port }) {
    const store = join(dataFolder, 'store')
    const properties = join(dataFolder, 's3proxy.properties')
    await mkdir(store, { recursive: true })
    await writeFile(
      properties,
      `s3proxy.endpoint=http://127.0.0.1:${port}
s3proxy.authorization=aws-v4
s3proxy.identity=${CREDENTIALS.accessKeyId}
s3proxy.credential=${CREDENTIALS.secretAccessKey}
jclouds.provider=filesystem-nio2
jclouds.filesystem.basedir=${store}
`,
      { mode: 0o600 },
    )
    const jar = join(distFolder, 's3proxy.jar')
    return { command: 'java', args: ['-Xmx256m', '-XX:+UseSerialGC', '-jar', jar, '--properties', properties] }
  },
  async isHealthy({ port }) {
    return (await fetch(`http://127.0.0.1:${port}/`)).status > 0
  },
}
