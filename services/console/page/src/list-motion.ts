import type { RefObject } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'

const MOVE_MS = 420
const EASING = 'cubic-bezier(.2,.7,.2,1)'

/** Lets the rows of a list glide to their new places and new rows rise in. Rows carry `data-row`. Still where motion is unwanted. */
export function useListMotion(revision: unknown): RefObject<HTMLOListElement | null> {
  const list = useRef<HTMLOListElement>(null)
  const places = useRef<ReadonlyMap<string, number>>(new Map())
  useLayoutEffect(() => {
    const rows = [...(list.current?.querySelectorAll<HTMLElement>('[data-row]') ?? [])]
    const now = new Map(rows.map((row) => [row.dataset.row ?? '', row.offsetTop]))
    const before = places.current
    places.current = now
    if (before.size === 0 || matchMedia('(prefers-reduced-motion: reduce)').matches) return
    for (const row of rows) {
      const from = before.get(row.dataset.row ?? '')
      const to = now.get(row.dataset.row ?? '') ?? 0
      if (from === undefined) {
        row.animate(
          [
            { opacity: 0, transform: 'translateY(14px)' },
            { opacity: 1, transform: 'none' },
          ],
          {
            duration: MOVE_MS,
            easing: EASING,
          },
        )
      } else if (from !== to) {
        row.animate([{ transform: `translateY(${from - to}px)` }, { transform: 'none' }], {
          duration: MOVE_MS,
          easing: EASING,
        })
      }
    }
  }, [revision])
  return list
}
