import { attributes as names, eventAttributes as ours } from './attributes.ts'
import {
  eventSources,
  revenuePeriods,
  taskStates,
  type EventKind,
  type EventSource,
  type LedgerEvent,
  type NamedTarget,
} from './ledger-event.ts'
import { parseUsd } from './money.ts'
import type { ReadingFault } from './reading-fault.ts'
import { MAX_TEXT_LENGTH, shortText } from './short-text.ts'
import type { SpanRecord } from './span.ts'

/** What an event says besides when, where and by whom. */
export type EventFacts = Pick<
  LedgerEvent,
  'name' | 'source' | 'target' | 'outcome' | 'previous' | 'value' | 'min' | 'max' | 'amountNanoUsd' | 'task' | 'step' | 'period'
>

type Attributes = SpanRecord['attributes']

/** The name of what has none, as reports show it. */
const NO_NAME = '(none)'

const nothing: EventFacts = {
  name: NO_NAME,
  source: 'human',
  target: undefined,
  outcome: undefined,
  previous: undefined,
  value: undefined,
  min: undefined,
  max: undefined,
  amountNanoUsd: undefined,
  task: undefined,
  step: undefined,
  period: undefined,
}

/** How the attributes of each kind are read. What is refused is left out of the facts and added to the faults. */
export const readFacts: Readonly<Record<EventKind, (attributes: Attributes, faults: ReadingFault[]) => EventFacts>> = {
  feedback: (attributes, faults) => ({
    ...nothing,
    name: nameOf(attributes[names.evaluationName], 'score', faults),
    source: readSource(attributes[ours.scoreSource], 'human', faults),
    target: readTarget(attributes, faults),
    ...readScore(attributes, faults),
  }),
  nps: (attributes, faults) => ({
    ...nothing,
    name: nameOf(attributes[ours.name], 'nps', faults),
    value: readWhole(attributes[ours.npsScore], { min: 0, max: 10 }, faults),
    min: 0,
    max: 10,
  }),
  goal: (attributes, faults) => {
    const task = keepText(attributes[ours.taskId], faults)
    return {
      ...nothing,
      name: nameOf(attributes[ours.name], 'goal', faults),
      target: readTarget(attributes, faults) ?? (task === undefined ? undefined : { kind: 'task', id: task }),
      outcome: readSuccess(attributes[ours.goalSuccess], faults),
      value: readNumber(attributes[ours.goalValue], faults),
      task,
      step: keepText(attributes[ours.taskStep], faults),
    }
  },
  task: (attributes, faults) => {
    // A step of nothing says nothing.
    const task = needed(keepText(attributes[ours.taskId], faults), faults)
    return {
      ...nothing,
      name: nameOf(attributes[ours.name], 'task', faults),
      target: task === undefined ? undefined : { kind: 'task', id: task },
      outcome: needed(oneOf(attributes[ours.taskState], taskStates, faults), faults),
      task,
      step: keepText(attributes[ours.taskStep], faults),
    }
  },
  milestone: (attributes, faults) => ({ ...nothing, name: nameOf(attributes[ours.name], undefined, faults) }),
  exposed: (attributes, faults) => {
    const experiment = keepText(attributes[ours.experimentKey], faults)
    if (experiment === undefined) return { ...nothing, name: nameOf(attributes[ours.featureName], undefined, faults) }
    // Without an outcome it would be a feature.
    return {
      ...nothing,
      name: experiment,
      outcome: needed(keepText(attributes[ours.experimentVariant], faults), faults) ?? NO_NAME,
      value: readShare(attributes[ours.experimentShare], faults),
    }
  },
  revenue: (attributes, faults) => {
    const id = keepText(attributes[ours.revenueId], faults)
    return {
      ...nothing,
      name: nameOf(attributes[ours.name], 'revenue', faults),
      target: id === undefined ? undefined : { kind: 'entry', id },
      amountNanoUsd: readAmount(attributes, faults),
      period: oneOf(attributes[ours.revenuePeriod], revenuePeriods, faults),
    }
  },
  plan_change: (attributes, faults) => ({
    ...nothing,
    name: 'plan',
    outcome: needed(keepText(attributes[ours.planTo], faults), faults),
    previous: keepText(attributes[ours.planFrom], faults),
  }),
  session_end: (attributes, faults) => ({
    ...nothing,
    name: 'session',
    outcome: needed(oneOf(attributes[ours.sessionOutcome], ['completed', 'abandoned'], faults), faults),
  }),
  consent: (attributes, faults) => ({
    ...nothing,
    name: nameOf(attributes[ours.consentPurpose], 'analytics', faults),
    outcome: needed(oneOf(attributes[ours.consentState], ['granted', 'denied'], faults), faults),
  }),
}

/** The facts of `gen_ai.evaluation.result`; who says no source is taken for a model that judges. */
export function readEvaluationFacts(attributes: Attributes, evaluated: NamedTarget | undefined, faults: ReadingFault[]): EventFacts {
  return {
    ...nothing,
    name: nameOf(attributes[names.evaluationName], undefined, faults),
    source: readSource(attributes[ours.scoreSource], 'judge', faults),
    target: evaluated ?? readTarget(attributes, faults),
    ...readScore(attributes, faults),
  }
}

/** A score with the scale it was given on; off the scale it is refused, never clamped. */
function readScore(attributes: Attributes, faults: ReadingFault[]): Pick<EventFacts, 'value' | 'min' | 'max' | 'outcome'> {
  const outcome = keepText(attributes[names.evaluationScoreLabel], faults)
  const said = attributes[names.evaluationScoreValue]
  const value = readNumber(said, faults)
  const ends = { min: readNumber(attributes[ours.scoreMin], faults), max: readNumber(attributes[ours.scoreMax], faults) }
  // Half a scale, or one upside down, says nothing of where a score stands on it.
  const scale = ends.min !== undefined && ends.max !== undefined && ends.min < ends.max ? { min: ends.min, max: ends.max } : undefined
  if (scale === undefined && (ends.min !== undefined || ends.max !== undefined)) faults.push('event_value_refused')
  const isOff = value !== undefined && scale !== undefined && (value < scale.min || value > scale.max)
  if (isOff || (isMissing(said) && outcome === undefined)) faults.push('event_value_refused')
  return { value: isOff ? undefined : value, min: scale?.min, max: scale?.max, outcome }
}

/** What a call is named by: its span, or the provider's id of its answer. */
function readTarget(attributes: Attributes, faults: ReadingFault[]): NamedTarget | undefined {
  const traceId = attributes[ours.targetTraceId]
  const spanId = attributes[ours.targetSpanId]
  if (!isMissing(traceId) || !isMissing(spanId)) {
    const target = callTarget(traceId, spanId)
    if (target !== undefined) return target
    faults.push('event_target_refused')
  }
  const id = keepText(attributes[names.responseId], faults)
  return id === undefined ? undefined : { kind: 'response', id }
}

/** A call by its span; undefined for what are no ids, or those of no span. */
export function callTarget(traceId: unknown, spanId: unknown): NamedTarget | undefined {
  return isId(traceId, 32) && isId(spanId, 16) ? { kind: 'call', id: `${traceId}-${spanId}` } : undefined
}

function isId(value: unknown, length: number): value is string {
  return typeof value === 'string' && value.length === length && /^[0-9a-f]+$/.test(value) && !/^0+$/.test(value)
}

function readAmount(attributes: Attributes, faults: ReadingFault[]): number | undefined {
  const currency = attributes[ours.revenueCurrency]
  if (!isMissing(currency) && !(typeof currency === 'string' && currency.trim().toUpperCase() === 'USD')) {
    faults.push('event_currency_refused')
    return undefined
  }
  const amount = parseSignedUsd(attributes[ours.revenueAmount])
  if (amount === undefined) faults.push('event_amount_refused')
  return amount
}

function parseSignedUsd(value: unknown): number | undefined {
  const text = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : ''
  if (!text.startsWith('-')) return parseUsd(text)
  const positive = parseUsd(text.slice(1))
  // Not -0, which is no whole number to SQLite.
  return positive === undefined || positive === 0 ? positive : -positive
}

function readWhole(value: unknown, { min, max }: { min: number; max: number }, faults: ReadingFault[]): number | undefined {
  const number = toNumber(value)
  if (number !== undefined && Number.isInteger(number) && number >= min && number <= max) return number
  faults.push('event_value_refused')
  return undefined
}

/** From 0 to 1; what is neither that nor missing is a fault. */
function readShare(value: unknown, faults: ReadingFault[]): number | undefined {
  const share = readNumber(value, faults)
  if (share === undefined || (share >= 0 && share <= 1)) return share
  faults.push('event_value_refused')
  return undefined
}

/** Undefined for none, and for what is no number; only the latter is a fault. */
function readNumber(value: unknown, faults: ReadingFault[]): number | undefined {
  if (isMissing(value)) return undefined
  const number = toNumber(value)
  if (number === undefined) faults.push('event_value_refused')
  return number
}

function toNumber(value: unknown): number | undefined {
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'bigint' || (typeof value === 'string' && /^\s*-?\d{1,15}(?:\.\d{1,17})?\s*$/.test(value))
        ? Number(value)
        : Number.NaN
  return Number.isFinite(number) ? number + 0 : undefined
}

/** A goal that says nothing of success was reached. */
function readSuccess(value: unknown, faults: ReadingFault[]): string | undefined {
  if (isMissing(value) || value === true || value === 'true') return 'success'
  if (value === false || value === 'false') return 'failure'
  faults.push('event_value_refused')
  return undefined
}

function readSource(value: unknown, otherwise: EventSource, faults: ReadingFault[]): EventSource {
  return oneOf(value, eventSources, faults) ?? otherwise
}

function oneOf<Word extends string>(value: unknown, words: readonly Word[], faults: ReadingFault[]): Word | undefined {
  if (isMissing(value)) return undefined
  const text = typeof value === 'string' ? value.trim().toLowerCase() : ''
  const word = words.find((one) => one === text)
  if (word === undefined) faults.push('event_value_refused')
  return word
}

/** What an event says nothing without. */
function needed<Value>(value: Value | undefined, faults: ReadingFault[]): Value | undefined {
  if (value === undefined && !faults.includes('event_value_refused')) faults.push('event_value_refused')
  return value
}

function nameOf(value: unknown, otherwise: string | undefined, faults: ReadingFault[]): string {
  const name = keepText(value, faults) ?? otherwise
  if (name !== undefined) return name
  faults.push('event_name_refused')
  return NO_NAME
}

/** Numbers and booleans are names too: experiments have variants 0 and 1. */
function keepText(value: unknown, faults: ReadingFault[]): string | undefined {
  const text = typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : value
  const kept = shortText(text)
  if (typeof text === 'string' && text.trim().length > MAX_TEXT_LENGTH) faults.push('event_name_cut')
  return kept
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null
}
