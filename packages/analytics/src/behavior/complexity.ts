/** What makes a request complex: tokens on a logarithmic scale up to where more makes no difference, weighted. A heuristic. */
export const complexityParts = {
  input: { weight: 0.4, most: 32_000 },
  output: { weight: 0.3, most: 8000 },
  reasoning: { weight: 0.3, most: 16_000 },
} as const

/** From here on a request is moderate, and complex. */
export const MODERATE = 40
export const COMPLEX = 70

/** From 0 to 100: all input tokens, visible output, reasoning. */
export function complexityIndex(tokens: Readonly<Record<keyof typeof complexityParts, number>>): number {
  let index = 0
  for (const [part, { weight, most }] of Object.entries(complexityParts)) {
    index += weight * Math.min(1, Math.log1p(tokens[part as keyof typeof complexityParts]) / Math.log1p(most))
  }
  return 100 * index
}

/** The same in SQL, of three expressions. */
export function complexitySql(tokens: Readonly<Record<keyof typeof complexityParts, string>>): string {
  const parts = Object.entries(complexityParts).map(
    ([part, { weight, most }]) => `${weight} * min(1, ln(1 + ${tokens[part as keyof typeof complexityParts]}) / ln(1 + ${most}))`,
  )
  return `100 * (${parts.join(' + ')})`
}
