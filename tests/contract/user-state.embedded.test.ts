import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openUserState } from '../../stores/user-state/open.ts'
import { userStateContract } from './user-state.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-user-state-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

userStateContract('lmdb', (now) => openUserState(`lmdb:${folder}`, { listEntriesMax: 100, now }), {
  keepsLists: false,
})
