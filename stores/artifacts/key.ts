import { MillraceError } from '../../schemas/errors.ts'

const KEY_LENGTH_MAX = 512
const SEGMENT = /^[A-Za-z0-9._-]{1,200}$/

/** @throws MillraceError INVALID_REQUEST for what could leave the folder or is no key: empty, absolute, `.` or `..` segments. */
export function checkKey(key: string): void {
  if (key.length <= KEY_LENGTH_MAX && key.split('/').every(isSegment)) return
  throw new MillraceError(
    'INVALID_REQUEST',
    `artifact key ${JSON.stringify(key.slice(0, 100))} is refused: write segments of [A-Za-z0-9._-] separated by single slashes, ${KEY_LENGTH_MAX} characters at most`,
    { field: 'key' },
  )
}

function isSegment(segment: string): boolean {
  return SEGMENT.test(segment) && segment !== '.' && segment !== '..'
}
