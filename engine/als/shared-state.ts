import type { SideOffsets } from '../kernels/als-kernels.ts'
import { CONTROL_CELLS } from './barrier.ts'
import { type Layout, STRIPES } from './layout.ts'
import type { InteractionMatrix } from './port.ts'

/** Views of the shared memory by what they hold. */
export interface SharedState {
  readonly matrix: InteractionMatrix
  /** The same matrix by items: `rowPointers` over items, `itemIndices` holding users. */
  readonly transposed: InteractionMatrix
  readonly userFactors: Float32Array
  readonly itemFactors: Float32Array
  readonly userRegularizations: Float64Array
  readonly itemRegularizations: Float64Array
  readonly stripes: Float64Array
  readonly curvature: Float32Array
  readonly spread: Float32Array
  readonly squares: Float64Array
  readonly losses: Float64Array
  readonly control: Int32Array
}

export function viewState(memory: WebAssembly.Memory, layout: Layout): SharedState {
  const { users, items, interactions, width } = layout
  const ints = (at: number, length: number) => new Int32Array(memory.buffer, at, length)
  const floats = (at: number, length: number) => new Float32Array(memory.buffer, at, length)
  const doubles = (at: number, length: number) => new Float64Array(memory.buffer, at, length)
  return {
    matrix: {
      users,
      items,
      rowPointers: ints(layout.userPointers, users + 1),
      itemIndices: ints(layout.userIndices, interactions),
      strengths: floats(layout.userStrengths, interactions),
    },
    transposed: {
      users: items,
      items: users,
      rowPointers: ints(layout.itemPointers, items + 1),
      itemIndices: ints(layout.itemIndices, interactions),
      strengths: floats(layout.itemStrengths, interactions),
    },
    userFactors: floats(layout.userFactors, users * width),
    itemFactors: floats(layout.itemFactors, items * width),
    userRegularizations: doubles(layout.userRegularizations, users),
    itemRegularizations: doubles(layout.itemRegularizations, items),
    stripes: doubles(layout.stripes, STRIPES * width * width),
    curvature: floats(layout.curvature, width),
    spread: floats(layout.spread, width),
    squares: doubles(layout.squares, STRIPES * width),
    losses: doubles(layout.losses, (layout.control - layout.losses) / 8),
    control: ints(layout.control, CONTROL_CELLS),
  }
}

/** Which rows a half-step solves, and where the kernels find them. */
export interface Side {
  readonly name: 'users' | 'items'
  readonly rows: number
  readonly otherRows: number
  /** Row pointers of the other side. */
  readonly otherPointers: number
  readonly offsets: SideOffsets
}

export function sidesOf(layout: Layout): { readonly users: Side; readonly items: Side } {
  const users: SideOffsets = {
    factors: layout.userFactors,
    otherFactors: layout.itemFactors,
    pointers: layout.userPointers,
    indices: layout.userIndices,
    strengths: layout.userStrengths,
    regularizations: layout.userRegularizations,
  }
  const items: SideOffsets = {
    factors: layout.itemFactors,
    otherFactors: layout.userFactors,
    pointers: layout.itemPointers,
    indices: layout.itemIndices,
    strengths: layout.itemStrengths,
    regularizations: layout.itemRegularizations,
  }
  return {
    users: {
      name: 'users',
      rows: layout.users,
      otherRows: layout.items,
      otherPointers: layout.itemPointers,
      offsets: users,
    },
    items: {
      name: 'items',
      rows: layout.items,
      otherRows: layout.users,
      otherPointers: layout.userPointers,
      offsets: items,
    },
  }
}
