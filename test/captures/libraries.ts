import type { Gap } from './gaps.ts'

/** A program in test/dialects: a library at work, against a stand-in provider. */
export interface Library {
  /** As the table of docs/dialects.md calls it. */
  readonly library: string
  readonly program: string
  readonly args?: readonly string[]
  /** The APIs that the program calls. */
  readonly apis: readonly Api[]
  readonly known: readonly Gap[]
}

export type Api = 'chat' | 'responses' | 'embeddings' | 'messages'

const openai: readonly Api[] = ['chat', 'responses', 'embeddings']
const all: readonly Api[] = [...openai, 'messages']

export const libraries: readonly Library[] = [
  {
    library: 'ai 4.3.19',
    program: 'ai-4',
    apis: all,
    known: [{ says: 'a stream that is left early: no span', of: ['c09'], lost: true }],
  },
  { library: 'ai 6.0.326', program: 'ai-6', apis: all, known: [{ says: 'a stream that is left early: no span', of: ['c09'], lost: true }] },
  {
    library: 'ai 7.0.173, OpenTelemetry',
    program: 'ai-7',
    apis: all,
    known: [{ says: 'a stream that is left early: no span', of: ['c09'], lost: true }],
  },
  {
    library: 'ai 7.0.173, OpenTelemetry',
    program: 'ai-7',
    args: ['--context'],
    apis: all,
    known: [
      { says: 'a stream that is left early: no span', of: ['c09'], lost: true },
      { says: 'embeddings: no user, session or property, where these are runtime context', of: ['c06'], nobody: true },
    ],
  },
  { library: '@anthropic-ai/sdk 0.137.0', program: 'anthropic-sdk', apis: ['messages'], known: [] },
  { library: '@anthropic-ai/sdk 0.137.0', program: 'anthropic-sdk', args: ['--twice'], apis: ['messages'], known: [] },
  {
    library: '@traceloop/instrumentation-openai 0.27.0',
    program: 'traceloop',
    apis: all,
    known: [
      { says: 'cached tokens: counted as uncached input', of: ['c02'], usage: { cached: 0 } },
      { says: 'reasoning: counted as output', of: ['c03'], usage: { reasoning: 0 } },
      {
        says: 'cached tokens and reasoning of the Responses API: counted as input and output',
        of: ['c07'],
        usage: { cached: 0, reasoning: 0 },
      },
      { says: 'streamed chats: no usage, unless the app asks for its estimate', of: ['c04'], usage: 'none' },
      { says: 'failed calls: no span', of: ['c05'], lost: true },
      { says: 'a stream that is left early: no span', of: ['c09'], lost: true },
      { says: 'embeddings: no span', of: ['c06'], lost: true },
    ],
  },
  {
    library: '@arizeai/openinference-instrumentation-openai 4.2.7',
    program: 'openinference',
    apis: openai,
    known: [
      { says: 'streamed chats: no usage, and the model only as it was asked for', of: ['c04'], usage: 'none', alias: true },
      { says: 'failed calls to OpenAI: no span', of: ['c05'], lost: true },
      { says: 'a stream that is left early: no span', of: ['c09'], lost: true },
      { says: 'embeddings: no usage', of: ['c06'], usage: 'none' },
    ],
  },
  {
    library: '@arizeai/openinference-instrumentation-langchain 4.1.1',
    program: 'langchain',
    apis: ['chat', 'responses'],
    known: [
      { says: 'the model only as it was asked for', of: ['c01', 'c02', 'c03', 'c04', 'c07', 'c08'], alias: true },
      { says: 'a stream that is left early: no span', of: ['c09'], lost: true },
    ],
  },
  {
    library: '@langfuse/openai 5.11.1',
    program: 'langfuse',
    apis: openai,
    known: [
      { says: 'streamed chats: the model only as it was asked for', of: ['c04'], alias: true },
      { says: 'a stream that is left early: no span', of: ['c09'], lost: true },
      { says: 'embeddings: no usage', of: ['c06'], usage: 'none' },
    ],
  },
  {
    library: 'openlit 1.15.0',
    program: 'openlit',
    apis: all,
    known: [
      { says: 'reasoning of chats: counted as output', of: ['c03'], usage: { reasoning: 0 } },
      {
        says: 'a stream that is left early: no usage, no user, session or property',
        of: ['c09'],
        usage: 'none',
        alias: true,
        nobody: true,
      },
      { says: 'failed calls: no user, session or property', of: ['c05', 'a05'], nobody: true },
      { says: 'streams of Anthropic: the output of the first event is added to that of the last', of: ['a03'], usage: { output: 99 } },
    ],
  },
  {
    library: 'langsmith 0.12.0',
    program: 'langsmith',
    apis: openai,
    known: [
      { says: 'a stream that is left early: no usage', of: ['c09'], usage: 'none' },
      { says: 'embeddings: no span', of: ['c06'], lost: true },
    ],
  },
]
