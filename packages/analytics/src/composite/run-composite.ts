import type { Store } from '@spanledger/store'

import type { Answer, AnswerMeta } from '../query/answer.ts'
import type { Clock } from '../read/frame.ts'
import { checkOptions, type ReportOptionName } from '../report-options.ts'
import { QueryError, unknownName } from '../query/query-error.ts'
import { parseReportParams, type ReportParams } from '../report-params.ts'
import { runReport } from '../reports.ts'
import { onSnapshot, readingOnce } from '../ledger/snapshot.ts'
import { compositePeriod, type CompositePeriod } from './composite-period.ts'
import { composites, RECOMMENDATIONS, sectionNames, type CompositeName, type CompositePlan } from './composites.ts'
import { recommend } from './recommend.ts'
import { recommendationColumns, type Recommendation } from './recommendation.ts'
import type { SectionPlan } from './sections.ts'

/** Several reports as one answer, over one state of the ledger. */
export interface Composite {
  readonly schema: string
  readonly params: Readonly<Record<string, unknown>>
  readonly meta: CompositeMeta
  readonly sections: readonly Section[]
  /** What to look at, with the numbers behind it; empty where nothing stands out. */
  readonly recommendations: readonly Recommendation[]
}

/** Of the whole period; `as_of` is its end, where that is over, so that a report is the same whenever it is asked for. */
export type CompositeMeta = Omit<AnswerMeta, 'rows' | 'next'>

export interface Section {
  readonly name: string
  readonly title: string
  /** What the report answers by itself. */
  readonly answer: Answer
}

const options: readonly ReportOptionName[] = ['date', 'section', 'tiers', 'advanced_features', 'onboarding', 'free_plans']
/** How many experiments a composite looks into. */
const MAX_EXPERIMENTS = 5

/** @throws QueryError for params that a composite does not take, or that a section cannot be asked with */
export async function runComposite(store: Store, clock: Clock, name: CompositeName, params: ReportParams): Promise<Composite> {
  const asked = askedOf(store, clock, name, params)
  if (params.options?.['section'] !== undefined)
    throw new QueryError('One section is an answer by itself: ask for it as a report.', { given: params.options['section'] })
  return tellOnce(asked)
}

/**
 * One section of a composite, as `options.section` names it: an ordinary answer.
 * @throws QueryError without a section, or for one the composite does not have
 */
export async function runSection(store: Store, clock: Clock, name: CompositeName, params: ReportParams): Promise<Answer> {
  // A section has the columns that it has; which of them are shown is chosen by who shows them.
  const asked = askedOf(store, clock, name, { ...params, more_metrics: undefined })
  const { section } = params.options ?? {}
  const names = sectionNames(name)
  if (section === undefined)
    throw new QueryError(
      `The ${name} report has several sections: ask for all of them as a composite, or for one with section: ${names.join(', ')}.`,
      {
        given: '',
        allowed: names,
      },
    )
  if (section === RECOMMENDATIONS) return recommendationAnswer(await tellOnce(asked), params)
  const plan = asked.plan.sections.find((one) => one.name === section)
  if (plan === undefined) throw unknownName(`section of ${name}`, section, { allowed: names })
  const missing = missingFor(plan, asked)
  if (missing !== undefined) throw new QueryError(`Section ${section} of ${name} needs ${missing}.`, { given: section })
  return shortened(await runReport(store, ...sectionAsked(plan, asked)), params.limit)
}

interface AskedComposite {
  readonly store: Store
  readonly clock: Clock
  readonly name: CompositeName
  readonly plan: CompositePlan
  readonly params: ReportParams
  readonly period: CompositePeriod
}

const taken = [
  'since',
  'until',
  'last',
  'by',
  'where',
  'user',
  'user_prefix',
  'segment',
  'traits',
  'attribution',
  'week_start',
  'limit',
  // What is left out by the limit is not told of sections, so there is nothing that this could mean.
  'other',
  'explain',
  'options',
]

function askedOf(store: Store, clock: Clock, name: CompositeName, params: ReportParams): AskedComposite {
  parseReportParams(params, clock.segmentation)
  for (const [field, value] of Object.entries(params)) {
    if (value === undefined || taken.includes(field)) continue
    throw new QueryError(`The ${name} report has several sections and takes no ${field}. Ask one of its reports by itself, or a section.`, {
      given: field,
      allowed: taken,
    })
  }
  const { by = [], since, until, last, week_start: weekStart, options: given = {} } = params
  if (by.length > 1)
    throw new QueryError('A composite takes one property in by, whose groups are looked at for bias.', { given: by.join(',') })
  checkOptions(name, given, options)
  const plan: CompositePlan = composites[name]
  if (plan.isOfOneUser === true && params.user === undefined)
    throw new QueryError(`The ${name} report is about one user. Say which: --user ID.`, { given: '' })
  return {
    store,
    clock,
    name,
    plan,
    params,
    period: compositePeriod(plan.step, { date: given['date'], since, until, last, weekStart }, clock),
  }
}

/** Of one state of the ledger, and without asking anything twice: half of the reports about people begin with the same days. */
function tellOnce(asked: AskedComposite): Promise<Composite> {
  const store = readingOnce(asked.store)
  return onSnapshot(store, () => tellAll({ ...asked, store }))
}

async function tellAll(asked: AskedComposite): Promise<Composite> {
  const { store, clock, name, plan, params, period } = asked
  const sections: Section[] = []
  const left = uselessIn(asked)
  for (const section of plan.sections) {
    const missing = missingFor(section, asked)
    if (missing !== undefined) {
      left.push(`section ${section.name} is left out: it needs ${missing}`)
      continue
    }
    const told = await tellSection(section, asked).catch((error: unknown) => {
      // What the first section was told of, a filter that is wrong in itself is not.
      if (section.mayRefuseFilters !== true || sections.length === 0 || !(error instanceof QueryError)) throw error
      left.push(`section ${section.name} is left out: ${error.message}`)
      return []
    })
    sections.push(...told)
  }
  const [whole] = sections
  // Every composite begins with all calls of its period.
  if (whole === undefined) throw new Error('A composite has no sections.')
  const { rows: _, next: __, ...meta } = whole.answer.meta
  const recommendations = await recommend({
    store,
    clock: { ...clock, asOfMs: period.knownToMs },
    period,
    params: filtersOf(params),
    sections: new Map(sections.map((section) => [section.name, section.answer])),
  })
  return {
    schema: `${name}/v1`,
    params: Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined)),
    meta: {
      ...meta,
      to: new Date(period.toMs).toISOString(),
      complete: period.toMs <= clock.asOfMs,
      warnings: [...meta.warnings, ...left],
    },
    sections: sections.map(({ name: one, title, answer }) => ({ name: one, title, answer: shortened(answer, params.limit) })),
    recommendations,
  }
}

/** What the composite was given that no section of it needs: the same words may be meant for several composites. */
function uselessIn({ name, plan, params }: AskedComposite): string[] {
  const isNeeded = (need: SectionPlan['needs']): boolean => plan.sections.some(({ needs }) => needs === need)
  return [
    ...((params.by ?? []).length > 0 && !isNeeded('property')
      ? [`by is of no use in ${name}: none of its sections is split by a property`]
      : []),
    ...(params.options?.['tiers'] !== undefined && !plan.sections.some(({ takes }) => takes?.includes('tiers') === true)
      ? [`tiers are of no use in ${name}: none of its sections has limits`]
      : []),
    ...(params.week_start === 'sunday' && !plan.sections.some(({ hasWeeks }) => hasWeeks === true)
      ? [`week_start is of no use in ${name}: none of its sections tells of weeks`]
      : []),
  ]
}

async function tellSection(section: SectionPlan, asked: AskedComposite): Promise<Section[]> {
  const { name, title, report } = section
  const answer = await runReport(asked.store, ...sectionAsked(section, asked))
  const told: Section[] = [{ name, title, answer }]
  if (report !== 'experiments') return told
  // The list alone says nothing of what came of them.
  const latest = answer.rows.toSorted((a, b) => (String(a['since']) < String(b['since']) ? 1 : -1)).slice(0, MAX_EXPERIMENTS)
  for (const { experiment } of latest) {
    const [clock, , params] = sectionAsked(section, asked)
    const result = await runReport(asked.store, clock, report, { ...params, options: { experiment: String(experiment) } })
    told.push({ name: `experiment:${String(experiment)}`, title: `Experiment ${String(experiment)}`, answer: result })
  }
  return told
}

function missingFor({ needs }: SectionPlan, { params, clock }: AskedComposite): string | undefined {
  const haveSegmentsLimits = clock.segmentation?.custom.some(({ tier }) => tier !== undefined) === true
  if (needs === 'tiers' && params.options?.['tiers'] === undefined && !haveSegmentsLimits) return '--tiers FILE, or segments with limits'
  if (needs === 'property' && (params.by ?? []).length === 0) return '--by property:KEY'
  return undefined
}

/** With what a section's report is asked: what the composite was asked with, as far as it is of use there. */
function sectionAsked(
  section: SectionPlan,
  { clock, params, period }: AskedComposite,
): [clock: Clock, report: string, params: ReportParams] {
  const { options: given = {}, by, explain, week_start } = params
  const takes = (section.takes ?? []).filter((name) => given[name] !== undefined)
  const own: ReportParams = {
    ...filtersOf(params),
    ...section.params?.(period),
    ...(section.needs === 'property' ? { by } : {}),
    ...(explain === undefined ? {} : { explain }),
    ...(section.hasWeeks === true && week_start !== undefined ? { week_start } : {}),
    ...(takes.length === 0 ? {} : { options: Object.fromEntries(takes.map((name) => [name, given[name]])) }),
  }
  // At the first instant after a month nothing of the next one is there yet.
  const asOfMs = period.knownToMs - (section.atLastInstant === true ? 1 : 0)
  return [{ ...clock, asOfMs }, section.report, own]
}

function filtersOf({ where, user, user_prefix: prefix, segment, traits, attribution }: ReportParams): ReportParams {
  const filters = { where, user, user_prefix: prefix, segment, traits, attribution }
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined))
}

/** The first rows; `meta.rows` says how many there are. */
function shortened(answer: Answer, limit: number | undefined): Answer {
  return limit === undefined || answer.rows.length <= limit ? answer : { ...answer, rows: answer.rows.slice(0, limit) }
}

function recommendationAnswer({ meta, recommendations }: Composite, params: ReportParams): Answer {
  const columns = recommendationColumns.map(({ key, type, label }) => ({ key, type, label }))
  const answer: Answer = {
    schema: `${RECOMMENDATIONS}/v1`,
    params: { ...params },
    meta: { ...meta, rows: recommendations.length, next: null },
    columns,
    rows: recommendations.map((one) => ({ ...one })),
    totals: {},
    ...(params.explain === true ? { definitions: recommendationColumns } : {}),
  }
  return shortened(answer, params.limit)
}
