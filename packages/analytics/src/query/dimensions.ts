import { canonicalPropertyKey } from '@spanledger/conventions'

import type { Catalog } from '../ledger/catalog.ts'
import { nearest, QueryError, unknownName } from './query-error.ts'
import { timeSteps, type TimeStep } from './time-bucket.ts'

/** What calls can be split by, and filtered by. */
export type Dimension =
  | { readonly kind: 'column'; readonly name: ColumnDimension }
  | { readonly kind: 'property'; readonly key: string }
  | { readonly kind: 'trait'; readonly key: string }
  | { readonly kind: 'latest'; readonly key: string }
  | { readonly kind: 'segment' }
  | { readonly kind: 'experiment'; readonly key: string }
  | { readonly kind: 'time'; readonly step: TimeStep }

/** Dimensions that stand in a column of the call or of a table it points to. */
export const columnDimensions = {
  user: { label: 'User', says: 'who made the call' },
  session: { label: 'Session', says: 'the sitting or thread; ids count per user' },
  provider: { label: 'Provider', says: 'openai, anthropic, …' },
  model: { label: 'Model', says: 'requested model and provider: gpt-4o/openai; a filter may name the model alone' },
  requested_model: { label: 'Requested model', says: 'what the app asked for' },
  response_model: { label: 'Response model', says: 'what answered' },
  operation: { label: 'Operation', says: 'chat, embeddings, …' },
  status: { label: 'Status', says: 'ok, error or cancelled' },
  error: { label: 'Error', says: 'class of what went wrong: rate_limit, timeout, server_error, …' },
  error_type: { label: 'Error type', says: "the emitter's own word for the error" },
  finish_reason: { label: 'Finish reason', says: 'why the model stopped' },
  service_tier: { label: 'Service tier', says: 'default, flex, priority, batch, …' },
  usage_quality: { label: 'Usage quality', says: 'reported, partial, estimated or missing' },
  origin: { label: 'Origin', says: 'app, otlp, import or sample' },
} as const satisfies Record<string, { label: string; says: string }>

export type ColumnDimension = keyof typeof columnDimensions

/** The other dimensions, for lists and messages. */
export const otherDimensions = {
  feature: 'the property "feature"',
  prompt: 'the property "prompt": the name of a prompt, as gen_ai.prompt.name or Helicone-Prompt-Id tell it',
  'property:KEY': 'any property, by its name in any spelling',
  'trait:KEY': 'what holds for the user, as imported: a plan, a region',
  'latest:KEY': 'of any property the latest value that the user had by as_of, for all of its calls',
  'experiment:NAME': 'the variant that the user was exposed to first, for calls from then on',
  segment: 'the automatic segment of the user: power, casual, new, at_risk, churned',
  'time:minute': 'when the call started, by the minute; at most two weeks of them',
  'time:hour': 'when the call started, by the hour',
  'time:day': 'by local day',
  'time:week': 'by week, from Monday, or from Sunday with week_start',
  'time:month': 'by calendar month',
} as const

/** The value shown for calls without one. */
export const NONE = '(none)'
/** What is shown in place of the values of rows of few users, which are told as one. */
export const SUPPRESSED = '(suppressed)'

const names: readonly string[] = [...Object.keys(columnDimensions), ...Object.keys(otherDimensions)]

/**
 * The dimension that a name means: `user`, `property:plan`, `time:day`, or a bare property name that the ledger has.
 * @throws QueryError with the nearest name, for a name that is none
 */
export function resolveDimension(name: string, catalog: Catalog): Dimension {
  const trimmed = name.trim()
  const lower = trimmed.toLowerCase()
  if (Object.hasOwn(columnDimensions, lower)) return { kind: 'column', name: lower as ColumnDimension }
  if (lower === 'segment') return { kind: 'segment' }
  if (lower === 'feature' || lower === 'prompt') return { kind: 'property', key: lower }
  const [prefix = '', ...rest] = trimmed.split(':')
  if (rest.length > 0 && prefix.toLowerCase() === 'experiment') return experimentOf(rest.join(':'), name)
  if (rest.length > 0 && prefix.toLowerCase() === 'property') return propertyOf(rest.join(':'), name)
  if (rest.length > 0 && prefix.toLowerCase() === 'trait') return { ...propertyOf(rest.join(':'), name), kind: 'trait' }
  if (rest.length > 0 && prefix.toLowerCase() === 'latest') return { ...propertyOf(rest.join(':'), name), kind: 'latest' }
  if (rest.length > 0 && prefix.toLowerCase() === 'time') {
    const step = timeSteps.find((known) => known === rest.join(':').toLowerCase())
    if (step === undefined) throw unknownName('step of time', name, { allowed: timeSteps.map((known) => `time:${known}`) })
    return { kind: 'time', step }
  }
  const bare = propertyOf(trimmed, name)
  // An empty ledger knows no properties yet; there a script's bare names are taken at their word.
  if (catalog.keys.has(bare.key) || catalog.keys.size === 0 || catalog.keysLeftOut) return bare
  throw unknownName('name', name, {
    allowed: [...new Set([...names, ...catalog.keys.keys()])],
    advice: `For a property that no call has yet, write "property:${name}".`,
  })
}

function propertyOf(name: string, given: string): Dimension & { kind: 'property' } {
  const key = canonicalPropertyKey(name)
  if (key === undefined) throw new QueryError(`${JSON.stringify(given)} cannot be the name of a property.`, { given })
  return { kind: 'property', key }
}

function experimentOf(key: string, given: string): Dimension {
  if (key.trim() === '') throw new QueryError('Name an experiment: experiment:NAME.', { given })
  return { kind: 'experiment', key: key.trim() }
}

/** What to say of a property or trait that nothing in the ledger has, or undefined where something has. */
export function unknownProperty(dimension: Dimension, catalog: Catalog): string | undefined {
  if (dimension.kind === 'trait' && !catalog.traits.has(dimension.key)) {
    const known = [...catalog.traits.keys()]
    return `no user has trait ${JSON.stringify(dimension.key)}; ${known.length === 0 ? 'import some: spanledger traits import FILE.csv' : `there are: ${known.join(', ')}`}`
  }
  if ((dimension.kind !== 'property' && dimension.kind !== 'latest') || catalog.keys.has(dimension.key) || catalog.keysLeftOut)
    return undefined
  const near = nearest(dimension.key, [...catalog.keys.keys()])
  return `no call has property ${JSON.stringify(dimension.key)}${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`}`
}

/** The key of a dimension's column in an answer. */
export function columnKey(dimension: Dimension): string {
  switch (dimension.kind) {
    case 'column':
      return dimension.name
    case 'property':
    case 'latest':
    case 'trait':
      return dimension.key
    case 'experiment':
      return dimension.key
    case 'segment':
      return 'segment'
    case 'time':
      return dimension.step === 'sunday_week' ? 'week' : dimension.step
  }
}

/** What a dimension's values are. */
export function columnSays(dimension: Dimension, catalog: Catalog): string {
  switch (dimension.kind) {
    case 'column':
      return columnDimensions[dimension.name].says
    case 'property':
      return `the call's property ${JSON.stringify(catalog.keys.get(dimension.key)?.name ?? dimension.key)}; ${NONE} for calls without it`
    case 'latest':
      return `the latest property ${JSON.stringify(catalog.keys.get(dimension.key)?.name ?? dimension.key)} that the user had by as_of, for all of its calls; ${NONE} of users who never had it`
    case 'trait':
      return `what holds for the user as ${JSON.stringify(catalog.traits.get(dimension.key)?.name ?? dimension.key)}: when the call was made, or with traits "current" at as_of`
    case 'experiment':
      return `the variant of experiment ${JSON.stringify(dimension.key)} that the user was exposed to first; ${NONE} for calls before that, and of users who were not`
    case 'segment':
      return otherDimensions.segment
    case 'time':
      return dimension.step === 'sunday_week' ? 'by week, from Sunday' : otherDimensions[`time:${dimension.step}`]
  }
}

export function columnLabel(dimension: Dimension, catalog: Catalog): string {
  switch (dimension.kind) {
    case 'column':
      return columnDimensions[dimension.name].label
    case 'property':
    case 'latest':
      return catalog.keys.get(dimension.key)?.name ?? dimension.key
    case 'trait':
      return catalog.traits.get(dimension.key)?.name ?? dimension.key
    case 'experiment':
      return dimension.key
    case 'segment':
      return 'Segment'
    case 'time':
      return { minute: 'Minute', hour: 'Hour', day: 'Day', week: 'Week', sunday_week: 'Week', month: 'Month' }[dimension.step]
  }
}
