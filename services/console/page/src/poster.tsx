import type { ShelfItem } from './shelf.ts'

/** Chosen so that the most frequent film genres lie far apart on the colour wheel. */
const HUE_SEED = 223796

/** A small picture of its own for every item: rings on water, placed by the item's id, coloured by its first category. */
export function Poster({ item }: { readonly item: ShelfItem }) {
  const seed = hashOf(item.itemId, 0x811c9dc5)
  const hue = (hashOf(item.categories[0] ?? 'none', HUE_SEED) >>> 8) % 360
  const ringX = 4 + (seed % 33)
  const ringY = 8 + ((seed >>> 6) % 42)
  const crossX = 4 + ((seed >>> 12) % 33)
  const crossY = 8 + ((seed >>> 18) % 42)
  return (
    <svg class="poster" viewBox="0 0 40 56" aria-hidden="true" focusable="false" style={`--hue:${hue}`}>
      <rect class="poster-ground" width="40" height="56" />
      {[7, 14, 22, 31].map((radius) => (
        <circle key={radius} class="poster-ring" cx={ringX} cy={ringY} r={radius} />
      ))}
      {[5, 11, 18].map((radius) => (
        <circle key={radius} class="poster-cross" cx={crossX} cy={crossY} r={radius} />
      ))}
    </svg>
  )
}

/** FNV-1a, 32 bits. */
function hashOf(text: string, seed: number): number {
  let hash = seed
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0
  }
  return hash
}
