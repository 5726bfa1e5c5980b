import {
  readAnthropicMessages,
  readBedrockConverse,
  readCohere,
  readGoogleGenerateContent,
  readOllama,
  readOpenaiChat,
  readOpenaiEmbeddings,
  readOpenaiResponses,
  type ProviderAnswer,
} from '@spanledger/conventions'

/** An answer that a source kept, and what was asked for with it. */
export interface KeptAnswer {
  readonly operation: 'chat' | 'text_completion' | 'embeddings'
  readonly answer: ProviderAnswer
}

type Body = Readonly<Record<string, unknown>>

/** First match wins. Formats are told apart by what only they have. */
const formats: readonly (readonly [
  looksSo: (body: Body) => boolean,
  KeptAnswer['operation'],
  (body: Body, provider: string) => ProviderAnswer,
])[] = [
  [({ object }) => object === 'response', 'chat', readOpenaiResponses],
  [({ object, data }) => object === 'list' && Array.isArray(data), 'embeddings', readOpenaiEmbeddings],
  [({ object }) => object === 'text_completion', 'text_completion', (body, provider) => readOpenaiChat(body, { provider })],
  [
    ({ object, choices }) => object === 'chat.completion' || Array.isArray(choices),
    'chat',
    (body, provider) => readOpenaiChat(body, { provider }),
  ],
  [({ type }) => type === 'message', 'chat', readAnthropicMessages],
  [({ usageMetadata, candidates }) => isObject(usageMetadata) || Array.isArray(candidates), 'chat', readGoogleGenerateContent],
  [({ usage, output }) => isObject(usage) && 'inputTokens' in usage && isObject(output), 'chat', readBedrockConverse],
  [({ meta, usage }) => hasMember(meta, 'billed_units') || hasMember(usage, 'billed_units'), 'chat', readCohere],
  [(body) => 'prompt_eval_count' in body, 'chat', readOllama],
]

/** Reads a provider's answer of any known format. Undefined for what is none, such as an error or a body that was left out. */
export function readKeptAnswer(body: Readonly<Record<string, unknown>> | undefined, provider: string): KeptAnswer | undefined {
  if (body === undefined) return undefined
  const format = formats.find(([looksSo]) => looksSo(body))
  return format && { operation: format[1], answer: format[2](body, provider) }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function hasMember(value: unknown, name: string): boolean {
  return isObject(value) && name in value
}
