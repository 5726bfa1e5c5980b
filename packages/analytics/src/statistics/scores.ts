/** The net promoter score of answers from 0 to 10: the share of 9 and 10 less that of 0 to 6, in percent. Null of nothing. */
export function netPromoterScore(answers: readonly number[]): { readonly score: number; readonly standardError: number } | null {
  const n = answers.length
  if (n === 0) return null
  const promoters = answers.filter((answer) => answer >= 9).length / n
  const detractors = answers.filter((answer) => answer <= 6).length / n
  const score = promoters - detractors
  return { score: score * 100, standardError: Math.sqrt((promoters + detractors - score ** 2) / n) * 100 }
}

/** What a user is worth over so many months, where `left(m)` of the users are still there m months after the first. */
export function lifetimeValue({ monthlyMargin, left, months }: LifetimeWords): number {
  let value = 0
  for (let month = 0; month < months; month++) value += monthlyMargin * left(month)
  return value
}

interface LifetimeWords {
  readonly monthlyMargin: number
  readonly left: (month: number) => number
  readonly months: number
}
