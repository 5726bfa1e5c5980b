/** So many items are worked on at a time: about a quarter of a millisecond of a write. */
const RUN = 64
/** The same of what is made ready while another write runs: that one is to have its turn more often, or SQLite waits for it. */
export const SHORT_RUN = 32

/** Works through items in short runs, and between two of them gives the event loop of the app its turn. */
export async function inTurns<Item>(items: readonly Item[], work: (run: readonly Item[]) => void, length = RUN): Promise<void> {
  for (let at = 0; at < items.length; at += length) {
    if (at > 0) await new Promise<void>((resolve) => void setImmediate(resolve))
    work(items.length <= length ? items : items.slice(at, at + length))
  }
}
