import { usageBuckets, usageOf, type Identity } from '@spanledger/conventions'
import type { Cost } from '@spanledger/pricing'

import type { WrittenCall } from '../batch.ts'
import { nobody, type NamedCall } from '../names/interning.ts'
import { usageColumns, usageReaders } from '../rollups/measures.ts'
import { SLOTS } from '../names/properties.ts'
import { responseHash } from '../traces/response-hash.ts'
import { nothing, zero, type SparseColumn } from '../sqlite/sparse-rows.ts'

/** A call on its way into llm_calls: what it said, what that costs, and the ids that interning fills in. */
export interface CallRow extends NamedCall {
  readonly call: WrittenCall
  identity: Identity
  counted: boolean
}

/** Until the price book was asked. */
const notPriced: Cost = { costNanoUsd: undefined, reason: 'unknown_model', detail: '' }

/** The row of a call that is not decided with its trace: it counts, unless it may only repeat what others used and used nothing. */
export function newRow(call: WrittenCall): CallRow {
  return {
    call,
    identity: call,
    counted: call.role === 'call' || call.usage !== undefined,
    cost: notPriced,
    userId: 0,
    sessionId: 0,
    modelId: 0,
    kindId: 0,
    priceId: 0,
    placed: nobody.placed,
  }
}

/** What a call used, where nothing was reported. */
export const noUsage = usageOf({})

const unhex = (json: string): string => `unhex(${json})`

/** The columns of llm_calls; ids of spans and traces are sent as hex. */
export const callColumns: readonly SparseColumn<CallRow>[] = [
  { name: 'start_ms', of: ({ call }) => call.startMs },
  { name: 'span_id', of: ({ call }) => call.spanId, read: unhex },
  { name: 'trace_id', of: ({ call }) => call.traceId, read: unhex },
  { name: 'user_id', of: ({ userId }) => userId },
  { name: 'session_id', of: ({ sessionId }) => sessionId },
  { name: 'model_id', of: ({ modelId }) => modelId },
  { name: 'kind_id', of: ({ kindId }) => kindId },
  { name: 'price_id', of: ({ priceId }) => priceId },
  { name: 'segment_id', of: ({ placed }) => placed.segmentId },
  { name: 'counted', of: ({ counted }) => (counted ? 1 : 0) },
  { name: 'latency_ms', of: ({ call }) => call.durationMs },
  { name: 'ttft_ms', of: ({ call }) => call.timeToFirstTokenMs ?? null, empty: nothing },
  { name: 'cost_nano_usd', of: ({ cost }) => cost.costNanoUsd ?? null, empty: nothing },
  { name: 'reported_cost_nano_usd', of: ({ call }) => call.reportedCostNanoUsd ?? null, empty: nothing },
  ...usageBuckets.map((bucket) => {
    const read = usageReaders[bucket]
    return { name: usageColumns[bucket], of: ({ call }: CallRow) => read(call.usage ?? noUsage), empty: zero }
  }),
  ...Array.from({ length: SLOTS }, (_, n) => ({
    name: `p${n + 1}`,
    of: ({ placed }: CallRow) => placed.slots?.[n] ?? null,
    empty: nothing,
  })),
  { name: 'overflow', of: ({ placed }) => placed.overflow, empty: nothing },
  { name: 'parts', of: ({ call }) => (call.parts === undefined ? null : JSON.stringify(call.parts)), empty: nothing },
  // Of the others trace_spans has the whole id.
  {
    name: 'response_hash',
    of: ({ call }) => (call.settled !== true || call.responseId === undefined ? null : responseHash(call.responseId)),
    empty: nothing,
  },
  { name: 'fingerprint', of: ({ call }) => call.fingerprint ?? null, empty: nothing },
]
