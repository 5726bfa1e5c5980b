/** The net promoter score of answers from 0 to 10: the share of 9 and 10 less that of 0 to 6, in percent. Null of nothing. */
export function netPromoterScore(answers: readonly number[]): { readonly score: number; readonly standardError: number } | null {
  const n = answers.length
  if (n === 0) return null
  const promoters = answers.filter((answer) => answer >= 9).length / n
  const detractors = answers.filter((answer) => answer <= 6).length / n
  const score = promoters - detractors
  return { score: score * 100, standardError: Math.sqrt((promoters + detractors - score ** 2) / n) * 100 }
}

/** What a customer is worth over a number of months: revenue less cost, for as long as they are likely to stay. */
export function lifetimeValue({
  monthlyMargin,
  monthlyChurn,
  months,
}: {
  readonly monthlyMargin: number
  readonly monthlyChurn: number
  readonly months: number
}): number {
  let value = 0
  for (let month = 0; month < months; month++) value += monthlyMargin * (1 - monthlyChurn) ** month
  return value
}
