/** Birds and places of a mill race: a fresh visitor gets a name that is easy to remember. */
const FIRST = ['quiet', 'amber', 'early', 'brisk', 'mossy', 'silver', 'upper', 'gentle', 'bright', 'river'] as const
const SECOND = [
  'heron',
  'otter',
  'dipper',
  'wagtail',
  'kingfisher',
  'trout',
  'willow',
  'sluice',
  'weir',
  'alder',
] as const

export function freshVisitorId(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(3))
  const [first = 0, second = 0, third = 0] = numbers
  const tail = (third % 1_679_616).toString(36).padStart(4, '0')
  return `${FIRST[first % FIRST.length]}-${SECOND[second % SECOND.length]}-${tail}`
}

export function isVisitorId(text: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(text)
}

/** A random event id; works on plain HTTP too, where the browser has no randomUUID. */
export function freshEventId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
