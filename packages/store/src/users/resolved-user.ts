/** SQL of whom a user is, through aliases of aliases; the user itself where it is none. `userId` is SQL of ours. */
export function resolvedUser(userId: string): string {
  return `WITH RECURSIVE chain (at, steps) AS (SELECT ${userId}, 0
    UNION ALL SELECT a.to_user_id, steps + 1 FROM chain JOIN aliases AS a ON a.from_user_id = chain.at AND a.undone_ms IS NULL)
    SELECT at FROM chain ORDER BY steps DESC LIMIT 1`
}
