import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe } from 'vitest'
import { openUserState } from '../../stores/user-state/open.ts'
import type { UserState } from '../../stores/user-state/port.ts'
import { userStateListsLaw } from '../contract/user-state-lists.ts'
import { serviceUrl } from './service-url.ts'

describe.each(['one process', 'three processes'])('%s', (kind) => {
  const prefix = `lists-${randomUUID()}`
  const states: UserState[] = []

  beforeAll(async () => {
    for (let index = 0; index < 3; index++) {
      const options = { listEntriesMax: 10_000, now: () => Date.now() }
      states.push(await openUserState(`${serviceUrl('redis')}?prefix=${prefix}`, options))
    }
  })
  afterAll(async () => {
    for (const state of states) await state[Symbol.asyncDispose]()
  })

  const ownProcesses = kind === 'three processes'
  const at = (index: number) => states[ownProcesses ? index : 0] as UserState
  const actors = () => ({ edges: [at(0), at(1)] as const, updater: at(2) })
  userStateListsLaw(`redis, ${kind}`, actors, { ownProcesses, every: ownProcesses ? 10 : 2 })
})
