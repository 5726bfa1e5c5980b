/**
 * Waits for all, also where one fails, and only then throws the first failure: whoever still had statements to run would run
 * them after the transaction was rolled back.
 */
export async function sideBySide(works: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) if (outcome.status === 'rejected') throw outcome.reason
}
