/** What waits for a round: an item, and how its owner learns of the end. */
interface Waiting<Item> {
  readonly item: Item
  readonly done: PromiseWithResolvers<void>
}

/**
 * Work done in rounds, one at a time: what comes during a round shares the next one, so that the fixed price of a round
 * is paid the more rarely the more there is to do. A round takes items in the order of arrival until their sizes reach
 * `sizeMax`, and at least one. It fails for all of its items or for none. The queue is as long as there are callers that
 * wait for an item of theirs.
 */
export function createRounds<Item>(
  work: (items: readonly Item[]) => Promise<void>,
  { sizeOf, sizeMax }: { readonly sizeOf: (item: Item) => number; readonly sizeMax: number },
): (item: Item) => Promise<void> {
  const queue: Waiting<Item>[] = []
  let running = false

  function take(): Waiting<Item>[] {
    let size = 0
    const end = queue.findIndex(({ item }, index) => {
      size += sizeOf(item)
      return index > 0 && size > sizeMax
    })
    return queue.splice(0, end < 0 ? queue.length : end)
  }

  async function run(): Promise<void> {
    running = true
    // Batches of one fetch join one right after the other: now they are all here.
    await Promise.resolve()
    while (queue.length > 0) {
      const round = take()
      try {
        await work(round.map(({ item }) => item))
        for (const { done } of round) done.resolve()
      } catch (error) {
        for (const { done } of round) done.reject(error)
      }
    }
    running = false
  }

  return (item) => {
    const done = Promise.withResolvers<void>()
    queue.push({ item, done })
    if (!running) void run()
    return done.promise
  }
}
