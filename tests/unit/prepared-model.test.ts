import { expect, test } from 'vitest'
import { createScorer } from '../../engine/scoring/scorer.ts'
import { createModelPreparation } from '../../services/edge/prepared-model.ts'
import { CatalogueIndex } from '../../services/runtime/catalogue-index.ts'
import { groupedModel } from '../support/edge-harness.ts'
import { eventually } from '../support/eventually.ts'

const SIZE = 30_000
const describe = (catalogue: CatalogueIndex, itemId: string, group: number) =>
  catalogue.putItem(itemId, { itemId, title: null, categories: [`c${group}`], attributes: {}, withdrawn: false })

/** A model and a catalogue of `size` items in two groups, one item in the catalogue alone. */
function open(size: number) {
  const catalogue = new CatalogueIndex()
  const itemIds = Array.from({ length: size }, (_, index) => `item-${index}`)
  for (const [index, itemId] of itemIds.entries()) describe(catalogue, itemId, index % 2)
  describe(catalogue, 'unseen', 1)
  catalogue.setItemsRead(0, size + 1)
  const scorer = createScorer(groupedModel(itemIds, (itemId) => Number(itemId.slice(5)) % 2))
  const serving = { version: '1', id: '1', scorer, trainedAt: 0, metrics: {} }
  const clock = { now: 1_000_000 }
  return {
    catalogue,
    scorer,
    clock,
    prepare: createModelPreparation({ current: () => serving }, catalogue, () => clock.now),
  }
}

test('a small catalogue is placed at once', () => {
  const { scorer, prepare } = open(100)
  expect(prepare()?.complete).toBe(true)
  expect(scorer.indexOf('unseen')).toBe(100)
})

test('many unseen items of a small catalogue are indexed elsewhere, and serve once they are', async () => {
  const { catalogue, scorer, prepare } = open(100)
  for (let item = 0; item < 2_500; item++) describe(catalogue, `more-${item}`, item % 2)
  catalogue.setItemsRead(0, 2_601)
  expect(prepare()?.complete).toBe(false)
  expect(scorer.itemIds).toHaveLength(100)
  await eventually(prepare, (prepared) => prepared?.complete === true)
  expect(scorer.itemIds).toHaveLength(100 + 2_501)
})

test('a large catalogue is placed between other work: requests meanwhile are answered without its unseen items', async () => {
  const { catalogue, scorer, clock, prepare } = open(SIZE)
  expect(prepare()?.complete).toBe(false)
  expect(scorer.indexOf('unseen')).toBeUndefined()
  let turns = 0
  const turning = setInterval(() => turns++, 0)
  const placed = await eventually(prepare, (prepared) => prepared?.complete === true)
  clearInterval(turning)
  expect(turns).toBeGreaterThan(0)
  expect(placed?.withdrawn).toHaveLength(0)
  expect(scorer.indexOf('unseen')).toBe(SIZE)

  catalogue.putItem('unseen', null)
  describe(catalogue, 'later', 0)
  catalogue.setItemsRead(0, SIZE + 3)
  clock.now += 2_000
  const meanwhile = prepare()
  expect([meanwhile?.complete, Array.from(meanwhile?.withdrawn ?? [])]).toEqual([false, [SIZE]])
  describe(catalogue, 'latest', 0)
  catalogue.setItemsRead(0, SIZE + 4)
  await eventually(
    () => scorer.indexOf('later'),
    (index) => index !== undefined,
  )
  expect(prepare()?.complete).toBe(false)
  clock.now += 2_000
  await eventually(prepare, (prepared) => prepared?.complete === true)
  expect([scorer.indexOf('unseen'), scorer.indexOf('latest') !== undefined]).toEqual([undefined, true])
})

test('an item that is withdrawn and described again while a large catalogue is placed is placed once', async () => {
  const { catalogue, scorer, prepare } = open(SIZE)
  expect(prepare()?.complete).toBe(false)
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve))
    catalogue.putItem('unseen', null)
    describe(catalogue, 'unseen', 1)
  }
  await eventually(prepare, (prepared) => prepared?.complete === true)
  expect(scorer.itemIds.filter((itemId) => itemId === 'unseen')).toHaveLength(1)
})
