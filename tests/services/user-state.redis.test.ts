import { randomUUID } from 'node:crypto'
import { openUserState } from '../../stores/user-state/open.ts'
import { userStateContract } from '../contract/user-state.ts'
import { serviceUrl } from './service-url.ts'

const prefix = `contract-${randomUUID()}`

userStateContract(
  'redis',
  (now) => openUserState(`${serviceUrl('redis')}?prefix=${prefix}`, { listEntriesMax: 100, now }),
  { keepsLists: true },
)
