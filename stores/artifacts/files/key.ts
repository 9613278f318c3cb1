/** A key's segments are prefixed on disk, so that no key can name a file of the folder itself, nor a temporary one. */
export function pathOf(key: string): string[] {
  return key.split('/').map((segment, index, all) => (index === all.length - 1 ? `f-${segment}` : `d-${segment}`))
}

/** The key's segment of a file or folder name; null for names that are not of keys. */
export function segmentOf(name: string, isFolder: boolean): string | null {
  return name.startsWith(isFolder ? 'd-' : 'f-') ? name.slice(2) : null
}
