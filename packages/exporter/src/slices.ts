/** How long reading spans may hold the event loop at a time. */
const SLICE_MS = 1
/** How many items are worked on between two looks at the clock; reading a call takes some hundredths of a millisecond. */
const ITEMS_PER_LOOK = 8

/** Does `work` on each item in turn, in slices of about a millisecond, so that the app is never held up for longer. */
export async function inSlices<Item>(next: () => Item | undefined, work: (item: Item) => void): Promise<void> {
  let sliceEndsMs = performance.now() + SLICE_MS
  for (let n = 1, item = next(); item !== undefined; n++, item = next()) {
    work(item)
    if (n % ITEMS_PER_LOOK !== 0 || performance.now() < sliceEndsMs) continue
    await new Promise((resolve) => setImmediate(resolve))
    sliceEndsMs = performance.now() + SLICE_MS
  }
}
