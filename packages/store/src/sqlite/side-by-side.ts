/**
 * Waits for all, also where one fails, and only then throws the first failure: whoever still had statements to run would run
 * them after the transaction was rolled back.
 */
export async function sideBySide(works: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) if (outcome.status === 'rejected') throw outcome.reason
}

/** Hands to `work` a way to start what is to run beside it; whatever becomes of `work`, all that was started has ended when this returns. */
export async function besides<Result>(work: (start: (started: Promise<unknown>) => void) => Promise<Result>): Promise<Result> {
  const running: Promise<unknown>[] = []
  try {
    return await work((started) => {
      started.catch(() => undefined) // Thrown by `sideBySide`; here it only must not count as unhandled.
      running.push(started)
    })
  } finally {
    await sideBySide(running)
  }
}
