import type { CacheVerdict, Identity, LedgerEvent, LlmCall } from '@spanledger/conventions'
import type { Cost } from '@spanledger/pricing'

import { openDictionary, type DictionaryLimit, type DictionaryTable } from './dictionary.ts'
import { inTurns } from '../sqlite/in-turns.ts'
import { NOBODY } from './withheld-identity.ts'
import { nowhere, openProperties, type PlacedIdentity, type PlacedProperties } from './properties.ts'
import { besides, sideBySide } from '../sqlite/side-by-side.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** Gives ids to all that repeats in calls. */
export interface Interning {
  /**
   * At the start of each transaction, with SQLite's `data_version`, which is another after each commit of another process, and the last
   * erasure: it takes ids away.
   */
  begin(standing: { readonly dataVersion: number; readonly lastErasure: number }): Promise<void>
  /** Fills in the ids of what each call names, of its price once the calls are priced. Inside a transaction that was begun. */
  intern(calls: readonly NamedCall[], priced: Promise<void>): Promise<void>
  internIdentities(identities: readonly Identity[]): Promise<IdentityIds[]>
  /** What each event is an instance of. */
  internSubjects(events: readonly LedgerEvent[]): Promise<number[]>
  /** How many names were met since it was last asked that stand under "(other)", by counter. */
  takeFolded(): ReadonlyMap<string, number>
  /** Forgets all ids: after a rollback they may be other ones. */
  forget(): void
}

export interface IdentityIds {
  readonly userId: number
  readonly sessionId: number
  readonly placed: PlacedProperties
}

/** Whose a call is, with ids that are 0 until interning fills them in. */
interface IdentityRow extends PlacedIdentity {
  userId: number
  sessionId: number
}

/** What something costs, with the id of its price. */
interface PricedRow {
  cost: Cost
  priceId: number
}

/** A call with all that names something. */
export interface NamedCall extends IdentityRow, PricedRow {
  readonly call: LlmCall
  modelId: number
  kindId: number
}

export function openInterning(db: Sqlite): Interning {
  const users = openDictionary(db, userTable)
  const sessions = openDictionary(db, sessionTable)
  let folded = new Map<string, number>()
  const counting = (counter: string) => (): void => void folded.set(counter, (folded.get(counter) ?? 0) + 1)
  const models = openDictionary(db, { ...modelTable, limit: { ...modelLimit, folded: counting('models_over_limit') } })
  const kinds = openDictionary(db, { ...kindTable, limit: { ...kindLimit, folded: counting('kinds_over_limit') } })
  const prices = openDictionary(db, priceTable)
  const subjects = openDictionary(db, subjectTable)
  const properties = openProperties(db)
  const all = [users, sessions, models, kinds, prices, subjects, properties]

  /**
   * Fills in whose the rows are: what is remembered at once, the rest side by side but for sessions, which are of a user. Properties
   * come second: nearly all are remembered, so SQLite has the users to look for meanwhile.
   */
  const fillIdentities = async (rows: readonly IdentityRow[], start: (learning: Promise<unknown>) => void): Promise<void> => {
    for (const one of all) one.trim()
    const strangers: IdentityRow[] = []
    const sitting: IdentityRow[] = []
    const unplaced: IdentityRow[] = []
    await inTurns(rows, (run) => {
      for (const row of run) {
        if (!users.find(row)) strangers.push(row)
        else if (!sessions.find(row)) sitting.push(row)
      }
    })
    start(users.learn(strangers).then(() => sessions.learn([...sitting, ...strangers.filter((row) => !sessions.find(row))])))
    await inTurns(rows, (run) => {
      for (const row of run) if (!properties.find(row)) unplaced.push(row)
    })
    start(properties.learn(unplaced))
  }
  const fillNames = async (calls: readonly NamedCall[]): Promise<void> => {
    const unknown = [models, kinds, prices].map((dictionary) => ({ dictionary, rows: [] as NamedCall[] }))
    await inTurns(calls, (run) => {
      for (const row of run) for (const one of unknown) if (!one.dictionary.find(row)) one.rows.push(row)
    })
    await sideBySide(unknown.map((one) => one.dictionary.learn(one.rows)))
  }
  const forget = (): void => {
    folded = new Map()
    for (const one of all) one.forget()
  }
  let erasureKnown = 0
  return {
    begin: async ({ dataVersion, lastErasure }) => {
      if (lastErasure !== erasureKnown) forget()
      erasureKnown = lastErasure
      await properties.begin(dataVersion)
    },
    internIdentities: async (identities) => {
      const rows = identities.map((identity): IdentityRow => ({ identity, ...nobody }))
      await besides((start) => fillIdentities(rows, start))
      return rows
    },
    internSubjects: async (events) => {
      const rows = events.map((event): SubjectRow => ({ event, subjectId: 0 }))
      await subjects.learn(rows.filter((row) => !subjects.find(row)))
      return rows.map(({ subjectId }) => subjectId)
    },
    intern: (calls, priced) =>
      besides(async (start) => {
        await fillIdentities(calls, start)
        await priced
        await fillNames(calls)
      }),
    takeFolded: () => {
      const taken = folded
      if (taken.size > 0) folded = new Map()
      return taken
    },
    forget,
  }
}

/** Nobody with nothing. */
export const nobody: IdentityIds = { userId: 0, sessionId: 0, placed: nowhere }

const userTable: DictionaryTable<IdentityRow> = {
  table: 'users',
  id: 'user_id',
  columns: { name: ({ identity }) => identity.user ?? NOBODY },
  set: (row, id) => void (row.userId = id),
}

const sessionTable: DictionaryTable<IdentityRow> = {
  table: 'sessions',
  id: 'session_id',
  columns: {
    name: ({ identity }) => identity.session ?? NOBODY,
    user_id: ({ userId, identity }) => (identity.session === undefined ? 0 : userId),
  },
  set: (row, id) => void (row.sessionId = id),
}

const modelTable: DictionaryTable<NamedCall> = {
  table: 'models',
  id: 'model_id',
  columns: {
    requested_model: ({ call }) => call.requestedModel,
    model: ({ call }) => call.model,
    provider: ({ call }) => clean(call.provider),
  },
  set: (row, id) => void (row.modelId = id),
}

/** What stands in the place of names beyond a limit. */
const OTHER = '(other)'

/** Why a call of a provider whose prices are known has none: the name of the provider is then no invention. */
const reasonsOfKnownProviders: ReadonlySet<string> = new Set([
  'unknown_model',
  'unknown_service_tier',
  'no_price_yet',
  'no_price_for_bucket',
  'cost_over_limit',
])

/** Models that have a price are as many as the price book and its user name. */
const modelLimit: Omit<DictionaryLimit<NamedCall>, 'folded'> = {
  max: 5000,
  fold: ({ call, cost }) => {
    if (cost.costNanoUsd !== undefined) return undefined
    return [OTHER, OTHER, reasonsOfKnownProviders.has(cost.reason) ? clean(call.provider) : OTHER]
  },
}

const kindTable: DictionaryTable<NamedCall> = {
  table: 'kinds',
  id: 'kind_id',
  columns: {
    finish_reason: ({ call }) => call.finishReason ?? '',
    operation: ({ call }) => clean(call.operation),
    status: ({ call }) => call.status,
    error_class: ({ call }) => call.errorClass ?? '',
    error_type: ({ call }) => call.errorType ?? '',
    service_tier: ({ call }) => call.serviceTier ?? '',
    streamed: ({ call }) => (call.streamed ? 1 : 0),
    usage_quality: ({ call }) => call.usageQuality,
    origin: ({ call }) => call.origin,
    auto_retry: ({ call }) => call.autoRetry ?? '',
    cache_verdict: ({ call }) => (call.cacheVerdict === undefined ? '' : verdictWord(call.cacheVerdict)),
  },
  set: (row, id) => void (row.kindId = id),
}

/** `included_by_conventions`, `left_out_by_arithmetic`, …: one of few. */
function verdictWord({ inputIncludesCache, by }: CacheVerdict): string {
  return `${inputIncludesCache ? 'included' : 'left_out'}_by_${by}`
}

/** Operations of the conventions, which are no invention. */
const knownOperations: ReadonlySet<unknown> = new Set([
  'chat',
  'text_completion',
  'generate_content',
  'embeddings',
  'rerank',
  'invoke_agent',
])

/** The words of emitters go; what they were read as stays, and the tier where a price depends on it. */
const kindLimit: Omit<DictionaryLimit<NamedCall>, 'folded'> = {
  max: 2000,
  fold: ({ cost }, entry) => {
    const [finishReason = '', operation = '', status = '', errorClass = '', errorType = '', tier = '', ...rest] = entry
    return [
      other(finishReason),
      knownOperations.has(operation) ? operation : OTHER,
      status,
      errorClass,
      other(errorType),
      cost.costNanoUsd === undefined ? other(tier) : tier,
      ...rest,
    ]
  },
}

/** Nothing said stays so. */
function other(text: string | number): string {
  return text === '' ? '' : OTHER
}

export const priceTable: DictionaryTable<PricedRow> = {
  table: 'prices',
  id: 'price_id',
  columns: { price: ({ cost }) => priceText(cost) },
  set: (row, id) => void (row.priceId = id),
}

interface SubjectRow {
  readonly event: LedgerEvent
  subjectId: number
}

const subjectTable: DictionaryTable<SubjectRow> = {
  table: 'event_subjects',
  id: 'subject_id',
  columns: {
    name: ({ event }) => event.name,
    kind: ({ event }) => event.kind,
    source: ({ event }) => event.source,
    origin: ({ event }) => event.origin,
  },
  set: (row, id) => void (row.subjectId = id),
}

function clean(text: string): string {
  return text.isWellFormed() && !text.includes('\u0000') ? text : text.toWellFormed().replaceAll('\u0000', '\ufffd')
}

const priceTexts = new WeakMap<object, string>()

/** The price as JSON; the price book hands out one object per price, so each is written as text once. */
export function priceText(cost: Cost): string {
  if (cost.costNanoUsd === undefined) return `{"unpriced":"${cost.reason}"}`
  let text = priceTexts.get(cost.price)
  if (text === undefined) {
    text = JSON.stringify(cost.price)
    priceTexts.set(cost.price, text)
  }
  return text
}
