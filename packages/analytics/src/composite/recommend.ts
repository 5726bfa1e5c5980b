import { biasFlags, feedbackCoverage, lostSteps, troubledFeatures } from './rules-of-sections.ts'
import { costPerUser, growingRisk, nearLimits, slowModels } from './rules-of-periods.ts'
import type { Rule, RuleAsked } from './rule.ts'
import type { Recommendation } from './recommendation.ts'

/** In the order of their numbers. A rule whose sections are not there has nothing to say. */
const rules: readonly Rule[] = [troubledFeatures, nearLimits, growingRisk, slowModels, costPerUser, lostSteps, biasFlags, feedbackCoverage]

export async function recommend(asked: RuleAsked): Promise<Recommendation[]> {
  const found: Recommendation[] = []
  for (const rule of rules) found.push(...(await rule(asked)))
  return found
}
