import { inject } from 'vitest'
import type { ServiceName } from '../../services/provision/definition.ts'

/** Where a server of this run answers. @throws when SERVICES left it out: a missing server is a failure, never a skip. */
export function serviceUrl(name: ServiceName): string {
  const url = inject('services')[name]
  if (url === undefined)
    throw new Error(`this case needs ${name}: name it in SERVICES, or leave SERVICES empty for all`)
  return url
}
