/** The backing servers that can be provisioned, in the order in which they start. */
export const SERVICE_NAMES = ['kafka', 'registry', 'redis', 'clickhouse', 'mlflow', 's3'] as const
export type ServiceName = (typeof SERVICE_NAMES)[number]

/** Where one server lives. */
export interface ServicePlace {
  /** What was downloaded; shared by every instance. */
  readonly distFolder: string
  /** What this instance keeps: its configuration, data, log and pid file. */
  readonly dataFolder: string
  readonly port: number
  /** Ports this server needs beside its own, as many as `extraPorts` says. */
  readonly extraPorts: readonly number[]
}

export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** How one kind of server is fetched, started, asked for its health and reached. Servers listen on 127.0.0.1 only. */
export interface ServiceDefinition {
  /** Programs of the machine that it cannot do without, and the Debian packages that have them. */
  readonly needs: Readonly<Record<string, string>>
  /** Name and version: the folder the download goes to. */
  readonly release: string
  readonly defaultPort: number
  readonly extraPorts: number
  /** The setting of Millrace that takes `url`. */
  readonly setting: string
  /** Downloads into the empty folder `distFolder`; called once per release. */
  install(distFolder: string): Promise<void>
  /** Writes the instance's files, which may exist already, and says what to run. */
  prepare(place: ServicePlace): Promise<Launch>
  /** Resolves when the server answers as it should; throws or returns false while it does not. */
  isHealthy(place: ServicePlace): Promise<boolean>
  url(port: number): string
}
