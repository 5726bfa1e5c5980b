/** What is read of users beside the sums of their calls, where a metric needs it. */
export type Reading = 'latencies' | 'retries' | 'feedback'

/** A user who was shown a variant, and what the user did in the time that counts. */
export interface ExposedUser {
  readonly userId: number
  readonly variant: string
  readonly requests: number
  readonly errors: number
  /** Of the calls that have a price. */
  readonly costNanoUsd: number
  readonly reachedGoal: boolean
  /** Requests in the two weeks before. */
  readonly requestsBefore: number
  /** Of each call; none unless they were read. */
  readonly latenciesMs: readonly number[]
  /** Requests that ask something once more; null where nothing in the ledger says so, and unless they were read. */
  readonly retries: number | null
  /** The mean of the feedback of the user, 0 to 10; null of who gave none, and unless it was read. */
  readonly satisfaction: number | null
}
