const ROWS_PER_BLOCK_BITS = 16
const ROWS_PER_BLOCK = 1 << ROWS_PER_BLOCK_BITS

export interface StagedBlock {
  /** Number of the block's first row. */
  readonly start: number
  readonly userIndex: Int32Array
  readonly itemIndex: Int32Array
  readonly typeIndex: Uint16Array
  readonly timestamp: Float64Array
  readonly value: Float64Array
}

/** Rows of a length that is not known before the last one: blocks of one size, none of them ever moved. */
export interface RowStaging {
  readonly length: number
  push(userIndex: number, itemIndex: number, typeIndex: number, timestamp: number, value: number): void
  blockOf(row: number): StagedBlock
  /** All rows' timestamps in one array. */
  timestamps(): Float64Array
}

export function createRowStaging(): RowStaging {
  const blocks: StagedBlock[] = []
  let block = newBlock(0)
  let within = ROWS_PER_BLOCK
  let length = 0
  return {
    get length() {
      return length
    },
    push(userIndex, itemIndex, typeIndex, timestamp, value) {
      if (within === ROWS_PER_BLOCK) {
        block = newBlock(length)
        blocks.push(block)
        within = 0
      }
      block.userIndex[within] = userIndex
      block.itemIndex[within] = itemIndex
      block.typeIndex[within] = typeIndex
      block.timestamp[within] = timestamp
      block.value[within] = value
      within++
      length++
    },
    blockOf: (row) => blocks[row >>> ROWS_PER_BLOCK_BITS] as StagedBlock,
    timestamps() {
      const all = new Float64Array(length)
      for (const { start, timestamp } of blocks) all.set(timestamp.subarray(0, length - start), start)
      return all
    },
  }
}

function newBlock(start: number): StagedBlock {
  return {
    start,
    userIndex: new Int32Array(ROWS_PER_BLOCK),
    itemIndex: new Int32Array(ROWS_PER_BLOCK),
    typeIndex: new Uint16Array(ROWS_PER_BLOCK),
    timestamp: new Float64Array(ROWS_PER_BLOCK),
    value: new Float64Array(ROWS_PER_BLOCK),
  }
}
