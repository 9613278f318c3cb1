import { DislikeIcon, LikeIcon, PurchaseIcon, ViewIcon } from './icons.tsx'
import { nameOf, type ShelfItem } from './shelf.ts'

const ACTIONS = {
  view: { label: 'View', Icon: ViewIcon },
  like: { label: 'Like', Icon: LikeIcon },
  purchase: { label: 'Buy', Icon: PurchaseIcon },
  dislike: { label: 'Not for me', Icon: DislikeIcon },
} as const
export type ActionType = keyof typeof ACTIONS

/** The small things a visitor can do with an item, each one event. */
export function ItemActions(props: {
  readonly item: ShelfItem
  readonly types: readonly ActionType[]
  readonly isDisabled: boolean
  readonly onAct: (item: ShelfItem, type: string) => void
}) {
  return (
    <div class="actions">
      {props.types.map((type) => {
        const { label, Icon } = ACTIONS[type]
        return (
          <button
            key={type}
            type="button"
            class={`action action-${type}`}
            title={label}
            aria-label={`${label}: ${nameOf(props.item, props.item.itemId)}`}
            disabled={props.isDisabled}
            onClick={() => props.onAct(props.item, type)}
          >
            <Icon />
          </button>
        )
      })}
    </div>
  )
}
