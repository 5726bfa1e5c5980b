import type { Billed } from './captured.ts'

/** What a library does not report of calls, or reports otherwise; docs/dialects.md says it in these words. */
export interface Gap {
  readonly says: string
  /** Ids of the calls in the capture's truth. */
  readonly of: readonly string[]
  /** No span comes at all. */
  readonly lost?: true
  /** A span without token counts, or with others than were billed. */
  readonly usage?: 'none' | Billed
  /** The model as it was asked for, without the one that answered. */
  readonly alias?: true
  /** As if it had ended well, though it failed. */
  readonly succeeds?: true
  /** Without user, session and properties. */
  readonly nobody?: true
}

export interface Captured {
  /** As the table of docs/dialects.md calls it. */
  readonly library: string
  /** What the library makes a span of: each call of the app, each request to the provider (retries, steps), or each that ended well. */
  readonly each: 'call' | 'attempt' | 'answer'
  readonly known: readonly Gap[]
}

/** Streams without usage come where the app does not ask OpenAI for it (c03); c13 is a stream that the app leaves early. */
export const gaps: Readonly<Record<string, Captured>> = {
  otel: {
    library: '@opentelemetry/instrumentation-openai 0.21.0',
    each: 'call',
    known: openaiOfOtel(),
  },
  'otel-json': {
    library: '@opentelemetry/instrumentation-openai 0.21.0',
    each: 'call',
    known: openaiOfOtel(),
  },
  'native-json': {
    library: '@anthropic-ai/sdk 1.11.0',
    each: 'call',
    known: [
      {
        says: 'calls of other providers, which are not its business',
        of: 'c01 c02 c03 c04 c05 c06 c07 c08 c09 c10 c11 c12 c13 c14 n01 p01 p02 p03 p04'.split(' '),
        lost: true,
      },
    ],
  },
  traceloop: {
    library: '@traceloop/node-server-sdk 0.27.0',
    each: 'call',
    known: [
      { says: 'failed calls to OpenAI: no span', of: ['c07', 'c09'], lost: true },
      { says: 'embeddings: no span', of: ['c10'], lost: true },
      { says: 'a stream that is left early: no span', of: ['c13'], lost: true },
      { says: 'cached tokens: counted as uncached input', of: ['c04', 'p02'], usage: { cached: 0 } },
      { says: 'reasoning: counted as output', of: ['c05'], usage: { reasoning: 0 } },
      {
        says: 'cached tokens and reasoning of the Responses API: counted as input and output',
        of: ['c11'],
        usage: { cached: 0, reasoning: 0 },
      },
      {
        says: 'streamed chats: its own estimate of the input, also where OpenAI says it, and unmarked',
        of: ['c02', 'p03', 'p04'],
        usage: { input: 15 },
      },
      { says: 'streamed chats: its own estimate of the input, also where OpenAI says it, and unmarked', of: ['c03'], usage: { input: 16 } },
      { says: 'streams of tool calls and of the Responses API: no usage', of: ['c12', 'c14'], usage: 'none' },
    ],
  },
  openinference: {
    library: '@arizeai/openinference-instrumentation-openai 4.2.7',
    each: 'call',
    known: [
      { says: 'failed calls to OpenAI: no span', of: ['c07', 'c09'], lost: true },
      { says: 'a stream that is left early: no span', of: ['c13'], lost: true },
      { says: 'embeddings: no usage', of: ['c10'], usage: 'none' },
      {
        says: 'streamed chats: no usage, and the model only as it was asked for',
        of: ['c02', 'c03', 'c14', 'p03', 'p04'],
        usage: 'none',
        alias: true,
      },
    ],
  },
  langfuse: {
    library: '@langfuse/openai 5.11.1',
    each: 'call',
    known: [
      { says: 'a stream that is left early: no span', of: ['c13'], lost: true },
      { says: 'embeddings: no usage', of: ['c10'], usage: 'none' },
      { says: 'streams without usage from OpenAI: no usage', of: ['c03'], usage: 'none', alias: true },
      { says: 'streamed chats: the model only as it was asked for', of: ['c02', 'c14', 'p03', 'p04'], alias: true },
    ],
  },
  vercel: {
    library: 'ai 6.0.326',
    each: 'attempt',
    known: [{ says: 'a stream that is left early: no span', of: ['c13'], lost: true }],
  },
  vercel5: {
    library: 'ai 5.0.277',
    each: 'attempt',
    known: [
      { says: 'a stream that is left early: no span', of: ['c13'], lost: true },
      { says: 'cached tokens of OpenAI, without streaming: counted as uncached input', of: ['c04', 'p02', 'c11'], usage: { cached: 0 } },
      { says: 'reasoning of OpenAI, without streaming: counted as output', of: ['c05'], usage: { reasoning: 0 } },
      { says: 'reasoning of OpenAI, without streaming: counted as output', of: ['c11'], usage: { cached: 0, reasoning: 0 } },
    ],
  },
  'vercel7-legacy': {
    library: 'ai 7.0.173, LegacyOpenTelemetry',
    each: 'answer',
    known: [
      { says: 'a stream that is left early: no usage', of: ['c13'], usage: 'none', alias: true },
      { says: 'embeddings: no user, session or property', of: ['c10'], nobody: true },
    ],
  },
}

/** @opentelemetry/instrumentation-openai 0.21. */
function openaiOfOtel(): Gap[] {
  return [
    { says: 'a stream that is left early: no span', of: ['c13'], lost: true },
    { says: 'cached tokens: counted as uncached input', of: ['c04', 'p02'], usage: { cached: 0 } },
    { says: 'reasoning: counted as output', of: ['c05'], usage: { reasoning: 0 } },
    {
      says: 'cached tokens and reasoning of the Responses API: counted as input and output',
      of: ['c11', 'c12'],
      usage: { cached: 0, reasoning: 0 },
    },
    { says: 'streams without usage from OpenAI: no usage', of: ['c03'], usage: 'none' },
  ]
}
