import { MAX_REPORTS, namesOneAnswer, type TraceSpan } from './settle.ts'
import { answerKey, answerKeys, childKey, findKnown, from, keysText, spanKey, spansUnder, traceKeys } from './span-keys.ts'
import { readSpanRows, type SpanRow } from './span-rows.ts'
import { inTurns, SHORT_RUN } from '../sqlite/in-turns.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** A batch is decided with at most so many spans that came before; what is beyond is counted as `trace_spans_over_limit`. */
export const MAX_RELATED_SPANS = 100_000

/** Spans, and the keys behind which there is something where any came before that they have to do with. */
export interface Searched {
  readonly spans: readonly TraceSpan[]
  /** Of each span. */
  readonly keys: readonly (readonly number[])[]
  /** All of them. */
  readonly text: string
}

export async function readySearch(spans: readonly TraceSpan[]): Promise<Searched> {
  const keys: number[][] = []
  const all = new Set<number>()
  const add = (run: readonly TraceSpan[]): void => {
    for (const span of run) {
      const first = firstKeysOf(span)
      keys.push(first)
      for (const key of first) all.add(key)
    }
  }
  await inTurns(spans, add, SHORT_RUN)
  return { spans, keys, text: keysText(all) }
}

/** Those spans of whose trace, or with whose response id, some span seems to have come before. The others are related to none. */
export async function findRelated(db: Sqlite, { spans, keys, text }: Searched): Promise<TraceSpan[]> {
  const known = await findKnown(db, text)
  return known.size === 0 ? [] : spans.filter((_, n) => keys[n]?.some((key) => known.has(key)) === true)
}

function firstKeysOf({ traceId, responseId }: TraceSpan): number[] {
  return responseId === undefined ? [traceKeys(traceId)] : [traceKeys(traceId), answerKeys(responseId)]
}

/**
 * The spans that came before and that new ones may change, or be changed by: all above a span; all below one that is new or a
 * call; all with the same response id, long ones in other traces too; and so on from each of these. The siblings below a root
 * that is no call, which are most of a long trace, are not among them.
 */
export async function readRelated(db: Sqlite, fresh: readonly TraceSpan[]): Promise<TraceSpan[]> {
  const walk = new Walk(db)
  for (const { traceId, spanId, parentSpanId, responseId } of fresh) {
    walk.askBelow(traceId, spanId)
    if (parentSpanId !== undefined) walk.askSpan(traceId, parentSpanId)
    if (responseId !== undefined) walk.askAnswer(responseId, traceId)
  }
  return walk.follow((span, isDownwards) => {
    if (isDownwards) walk.askBelow(span.traceId, span.spanId)
    else walk.askSpan(span.traceId, span.spanId)
    if (span.parentSpanId !== undefined) walk.askSpan(span.traceId, span.parentSpanId)
    if (span.responseId !== undefined) walk.askAnswer(span.responseId, span.traceId)
  })
}

/** Those spans of a batch that are remembered. */
export async function readSame(db: Sqlite, fresh: readonly TraceSpan[]): Promise<TraceSpan[]> {
  const walk = new Walk(db)
  for (const { traceId, spanId } of fresh) walk.askSpan(traceId, spanId)
  return walk.follow(() => undefined)
}

/** The spans that stand above some, as far as they are remembered. */
export async function readSpansAbove(db: Sqlite, spans: readonly { traceId: string; parentSpanId: string }[]): Promise<TraceSpan[]> {
  const walk = new Walk(db)
  for (const { traceId, parentSpanId } of spans) walk.askSpan(traceId, parentSpanId)
  return walk.follow(({ traceId, parentSpanId }) => {
    if (parentSpanId !== undefined) walk.askSpan(traceId, parentSpanId)
  })
}

/** Spans by their ids, and calls by their response ids, short ones too. */
export async function readNamedSpans(
  db: Sqlite,
  { ofCalls, answers }: { ofCalls: readonly (readonly [traceId: string, spanId: string])[]; answers: readonly string[] },
): Promise<TraceSpan[]> {
  const walk = new Walk(db)
  for (const [traceId, spanId] of ofCalls) walk.askSpan(traceId, spanId)
  for (const responseId of answers) walk.askAnswerAnywhere(responseId)
  return walk.follow(() => undefined)
}

/**
 * From span to span, a step for all of them at a time. Keys lead to other spans too: of what is read only that is taken which
 * was asked for.
 */
class Walk {
  readonly #db: Sqlite
  readonly #asked = { spans: new Set<string>(), below: new Set<string>(), answers: new Set<string>(), anywhere: new Set<string>() }
  readonly #found = new Map<number, { readonly span: TraceSpan; isDownwards: boolean }>()
  #keys = new Set<number>()
  #answers: [firstKey: number, responseId: string][] = []

  constructor(db: Sqlite) {
    this.#db = db
  }

  /** All spans with an id: the next above some. */
  askSpan(traceId: string, spanId: string): void {
    if (isNew(this.#asked.spans, `${traceId} ${spanId}`)) this.#keys.add(spanKey(traceId, spanId))
  }

  /** All spans with an id, and the next below. */
  askBelow(traceId: string, spanId: string): void {
    this.askSpan(traceId, spanId)
    if (isNew(this.#asked.below, `${traceId} ${spanId}`)) this.#keys.add(spanKey(traceId, spanId)).add(childKey(traceId, spanId))
  }

  /** Calls with a response id: all of the trace, and where it is long of any traces so many that no more matter. */
  askAnswer(responseId: string, traceId: string): void {
    if (isNew(this.#asked.answers, `${traceId} ${responseId}`)) this.#keys.add(answerKey(responseId, traceId))
    if (namesOneAnswer(responseId)) this.askAnswerAnywhere(responseId)
  }

  /** Calls with a response id, so many that no more matter. */
  askAnswerAnywhere(responseId: string): void {
    if (isNew(this.#asked.anywhere, responseId)) this.#answers.push([answerKeys(responseId), responseId])
  }

  /** Reads what was asked for, and gives each span to `next`, which may ask for more; again where what is below it matters now. */
  async follow(next: (span: TraceSpan, isDownwards: boolean) => void): Promise<TraceSpan[]> {
    while ((this.#keys.size > 0 || this.#answers.length > 0) && this.#found.size < MAX_RELATED_SPANS) {
      for (const { row, span } of await this.#readStep()) {
        const isDownwards = this.#isDownwards(span)
        if (isDownwards === undefined) continue
        const known = this.#found.get(row)
        if (known !== undefined && (known.isDownwards || !isDownwards)) continue
        if (known === undefined) this.#found.set(row, { span, isDownwards })
        else known.isDownwards = true
        next(span, isDownwards)
      }
    }
    return [...this.#found.values()].map(({ span }) => span)
  }

  async #readStep(): Promise<SpanRow[]> {
    const [keys, answers] = [this.#keys, this.#answers]
    this.#keys = new Set()
    this.#answers = []
    const limit = MAX_RELATED_SPANS - this.#found.size
    const rows = keys.size === 0 ? [] : await readSpanRows(this.#db, { found: underKeys, bound: keysText(keys), limit })
    if (answers.length > 0) rows.push(...(await readSpanRows(this.#db, { found: withAnswers, bound: JSON.stringify(answers), limit })))
    return rows
  }

  /** Whether what is below a span matters; undefined where the span itself does not. */
  #isDownwards({ traceId, spanId, parentSpanId, responseId, role }: TraceSpan): boolean | undefined {
    const { spans, below, answers, anywhere } = this.#asked
    if (below.has(`${traceId} ${spanId}`) || (parentSpanId !== undefined && below.has(`${traceId} ${parentSpanId}`))) return true
    if (responseId !== undefined && (answers.has(`${traceId} ${responseId}`) || anywhere.has(responseId))) return true
    return spans.has(`${traceId} ${spanId}`) ? role !== 'other' : undefined
  }
}

/** Adds a text to a set. @returns whether it was not in it */
export function isNew(set: Set<string>, text: string): boolean {
  if (set.has(text)) return false
  set.add(text)
  return true
}

const underKeys = `json_each(?) AS j CROSS JOIN trace_spans AS t ON t.number IN (${spansUnder('key = j.value')})`

/**
 * How many calls with one response id are looked at in other traces: where there are more than may report one answer, that
 * there are is all that matters.
 */
const withAnswers = `jsonb_each(?) AS j CROSS JOIN trace_spans AS t ON t.number IN (
    SELECT s.number FROM (${spansUnder(from('(j.value->>0)'))}) AS k CROSS JOIN trace_spans AS s ON s.number = k.span
    WHERE s.response_id = j.value->>1 LIMIT ${MAX_REPORTS + 1})`
