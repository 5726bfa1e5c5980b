/** So many items are worked on at a time: about a quarter of a millisecond of a write. */
const RUN = 64

/** Works through items in short runs, and between two of them gives the event loop of the app its turn. */
export async function inTurns<Item>(items: readonly Item[], work: (run: readonly Item[]) => void): Promise<void> {
  for (let at = 0; at < items.length; at += RUN) {
    if (at > 0) await new Promise<void>((resolve) => void setImmediate(resolve))
    work(items.length <= RUN ? items : items.slice(at, at + RUN))
  }
}
