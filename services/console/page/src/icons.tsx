import type { ComponentChildren } from 'preact'

function Icon({ children }: { readonly children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  )
}

export function LikeIcon() {
  return (
    <Icon>
      <path d="M10 16.6 3.9 10.5a3.9 3.9 0 0 1 5.5-5.5l.6.6.6-.6a3.9 3.9 0 0 1 5.5 5.5Z" />
    </Icon>
  )
}

export function PurchaseIcon() {
  return (
    <Icon>
      <path d="M4.5 7h11l-.8 9.5H5.3ZM7.3 7V5.7a2.7 2.7 0 0 1 5.4 0V7" />
    </Icon>
  )
}

export function ViewIcon() {
  return (
    <Icon>
      <path d="M2 10s3-5.2 8-5.2S18 10 18 10s-3 5.2-8 5.2S2 10 2 10Z" />
      <circle cx="10" cy="10" r="2.3" />
    </Icon>
  )
}

export function DislikeIcon() {
  return (
    <Icon>
      <circle cx="10" cy="10" r="7" />
      <path d="m5.2 5.2 9.6 9.6" />
    </Icon>
  )
}

export function SearchIcon() {
  return (
    <Icon>
      <circle cx="8.8" cy="8.8" r="5.2" />
      <path d="m12.8 12.8 4 4" />
    </Icon>
  )
}

/** A mill wheel in running water. */
export function MillraceMark() {
  return (
    <svg class="mark" viewBox="0 0 40 40" aria-hidden="true" focusable="false">
      <g class="mark-wheel">
        <circle cx="20" cy="16" r="8.5" />
        <circle cx="20" cy="16" r="1.6" />
        <path d="M20 3.5v25M7.5 16h25M11.2 7.2l17.6 17.6M28.8 7.2 11.2 24.8" />
      </g>
      <path class="mark-water" d="M3 34c4.2-3.4 7.2-3.4 11.4 0s7.2 3.4 11.4 0 7-3.4 11.2 0" />
    </svg>
  )
}
