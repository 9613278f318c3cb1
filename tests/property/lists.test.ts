import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { openUserState } from '../../stores/user-state/open.ts'
import type { UserState } from '../../stores/user-state/port.ts'
import { userStateListsLaw } from '../contract/user-state-lists.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-lists-'))
let state: UserState

beforeAll(async () => {
  state = await openUserState(`lmdb:${folder}`, { listEntriesMax: 10_000, now: () => 0 })
})
afterAll(async () => {
  await state[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

userStateListsLaw('lmdb', () => ({ edges: [state, state], updater: state }), { ownProcesses: false, every: 1 })
