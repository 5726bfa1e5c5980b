/**
 * How long reading may hold the event loop at a time: shorter than a run of a write, which waits for it between any two of its own,
 * and SQLite with it.
 */
const SLICE_MS = 0.1
/** How many items are read between two looks at the clock. */
const ITEMS_PER_LOOK = 16

/**
 * Gives each item to `take` until that returns false or there are no more, in slices, so that other requests get their turn.
 * @returns whether there are no more
 */
export async function inSlices<Item>(items: Iterator<Item, void>, take: (item: Item) => boolean | void): Promise<boolean> {
  let sliceEndsMs = performance.now() + SLICE_MS
  for (let n = 1; ; n++) {
    const next = items.next()
    if (next.done === true) return true
    if (take(next.value) === false) return false
    if (n % ITEMS_PER_LOOK !== 0 || performance.now() < sliceEndsMs) continue
    await new Promise((resolve) => setImmediate(resolve))
    sliceEndsMs = performance.now() + SLICE_MS
  }
}
