import { QueryError, unknownName } from '../query/query-error.ts'

/** What power users use most of, in 30 days. `composite` is the mean of where a user stands by requests and by active time. */
export const powerMeasures = ['requests', 'tokens', 'cost', 'active_time', 'composite'] as const
export type PowerMeasure = (typeof powerMeasures)[number]

/** What users at risk have less of than before: calls, or local days with one, for users who come in bursts. */
export const riskMeasures = ['requests', 'active_days'] as const
export type RiskMeasure = (typeof riskMeasures)[number]

/** From when on a user is there. */
export const tenureMeasures = ['first_call', 'sign_up'] as const
export type TenureMeasure = (typeof tenureMeasures)[number]

/** By what the automatic segments are decided. */
export interface SegmentRules {
  readonly power: PowerMeasure
  readonly at_risk: RiskMeasure
  readonly new: TenureMeasure
}

/** Where an app says nothing. */
export const usualRules: SegmentRules = { power: 'requests', at_risk: 'requests', new: 'first_call' }

/** The names of rules are those of automatic segments: no segment of an app's own has such a name. */
export const ruleNames = ['power', 'at_risk', 'new'] as const satisfies readonly (keyof SegmentRules)[]

/** @throws QueryError for what no segment can be decided by */
export function parseRules(data: Readonly<Record<string, unknown>>): SegmentRules {
  return {
    power: measureOf('power', data['power'], powerMeasures) ?? usualRules.power,
    at_risk: measureOf('at_risk', data['at_risk'], riskMeasures) ?? usualRules.at_risk,
    new: measureOf('new', data['new'], tenureMeasures) ?? usualRules.new,
  }
}

function measureOf<Measure extends string>(rule: string, data: unknown, allowed: readonly Measure[]): Measure | undefined {
  if (data === undefined) return undefined
  if (typeof data !== 'string') {
    throw new QueryError(
      `${JSON.stringify(rule)} is an automatic segment: it is a word that says what decides it (${allowed.join(', ')}). Give yours another name.`,
      { given: rule, allowed },
    )
  }
  const known = allowed.find((one) => one === data)
  if (known === undefined) throw unknownName(`measure of segment ${JSON.stringify(rule)}`, data, { allowed })
  return known
}

/** What a reader should know of rules that are not the usual. */
export function ruleWarnings(rules: SegmentRules): string[] {
  const said = ruleNames.filter((name) => rules[name] !== usualRules[name])
  return said.length === 0 ? [] : [`segments go by: ${said.map((name) => `${name} by ${rules[name]}`).join(', ')}`]
}
