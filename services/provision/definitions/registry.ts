import { join } from 'node:path'
import type { ServiceDefinition } from '../definition.ts'
import { fetchArtifact, runTool } from '../tool.ts'

/** 2.6 is the newest line that runs on Java 17. */
const VERSION = '2.6.13.Final'

/** Apicurio Registry with the Confluent-compatible interface; its schemas rest in an H2 file. */
export const registry: ServiceDefinition = {
  needs: { java: 'default-jre-headless', mvn: 'maven' },
  release: `apicurio-registry-${VERSION}`,
  defaultPort: 18_081,
  extraPorts: 1,
  setting: 'SCHEMA_REGISTRY_URL',
  url: (port) => `http://127.0.0.1:${port}/apis/ccompat/v7`,
  async install(distFolder) {
    const archive = join(distFolder, 'registry.tar.gz')
    await fetchArtifact(`io.apicurio:apicurio-registry-app:${VERSION}:tar.gz:all`, archive)
    await runTool('tar', ['xzf', archive, '-C', distFolder])
    await runTool('rm', [archive])
  },
  async prepare({ distFolder, dataFolder, port, extraPorts: [managementPort] }) {
    return {
      command: 'java',
      args: [
        ...['-Xmx384m', '-XX:+UseSerialGC', '-Djava.util.logging.manager=org.jboss.logmanager.LogManager'],
        ...['-jar', join(distFolder, `apicurio-registry-app-${VERSION}-runner.jar`)],
      ],
      environment: {
        QUARKUS_HTTP_HOST: '127.0.0.1',
        QUARKUS_HTTP_PORT: String(port),
        QUARKUS_MANAGEMENT_HOST: '127.0.0.1',
        QUARKUS_MANAGEMENT_PORT: String(managementPort),
        REGISTRY_DATASOURCE_URL: `jdbc:h2:file:${join(dataFolder, 'h2')}`,
      },
    }
  },
  async isHealthy({ port }) {
    return (await fetch(`http://127.0.0.1:${port}/apis/ccompat/v7/subjects`)).ok
  },
}
