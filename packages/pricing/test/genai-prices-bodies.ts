import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

import {
  readAnthropicMessages,
  readBedrockConverse,
  readCohere,
  readGoogleGenerateContent,
  readOpenaiChat,
  readOpenaiEmbeddings,
  readOpenaiResponses,
  type ProviderAnswer,
} from '@spanledger/conventions'

/** One real body, what another project extracts from it, and the price that project gives it. */
export interface Body {
  /** File in which it was recorded, with a number where several came from one. */
  readonly name: string
  readonly model: string | undefined
  readonly provider: string
  readonly answer: ProviderAnswer
  readonly theirUsage: Readonly<Record<string, number>>
  /** USD, input and output apart; undefined where they have no price for the model. */
  readonly theirPriceUsd: readonly [input: string, output: string] | undefined
}

interface Recorded {
  readonly body: Readonly<Record<string, unknown>> & { readonly file: string }
  readonly model?: string
  readonly extracted: readonly {
    readonly usage: Readonly<Record<string, number>>
    readonly extractors: readonly { provider_id: string; api_flavor: string; input_price?: string; output_price?: string }[]
  }[]
}

const path = fileURLToPath(new URL('../../../../shared/data/prices/genai-prices-usages.json.gz', import.meta.url))

export const bodiesPresent = existsSync(path)

/** The 1,024 bodies, each with what its own provider's extractor makes of it. */
export function readBodies(): Body[] {
  const seen = new Map<string, number>()
  const recorded = JSON.parse(gunzipSync(readFileSync(path)).toString('utf8')) as Recorded[]
  return recorded.map(({ body, model, extracted }) => {
    const file = body.file.replace(/^.*cassettes\//, '').replace(/\.yaml$/, '')
    const count = (seen.get(file) ?? 0) + 1
    seen.set(file, count)
    const { read, provider, flavor } = formatOf(body, model)
    for (const { usage, extractors } of extracted) {
      const own = extractors.find((extractor) => extractor.provider_id === provider && extractor.api_flavor === flavor)
      if (own === undefined) continue
      return {
        name: count === 1 ? file : `${file} #${count}`,
        model,
        provider,
        answer: read(body),
        theirUsage: usage,
        theirPriceUsd: own.input_price === undefined || own.output_price === undefined ? undefined : [own.input_price, own.output_price],
      }
    }
    throw new Error(`no extractor ${provider} ${flavor} for ${body.file}`)
  })
}

interface Format {
  readonly read: (body: unknown) => ProviderAnswer
  readonly provider: string
  readonly flavor: string
}

/** Which wire format a body is in shows in its fields; which provider sent it, in the name of its file or its model. */
function formatOf(body: Recorded['body'], model = ''): Format {
  const usage = (body.usage ?? {}) as Record<string, unknown>
  if (body.usageMetadata !== undefined) return { read: readGoogleGenerateContent, provider: 'google', flavor: 'default' }
  if (body.meta !== undefined) return { read: readCohere, provider: 'cohere', flavor: 'embeddings' }
  if (usage.billed_units !== undefined) return { read: readCohere, provider: 'cohere', flavor: 'default' }
  if (usage.inputTokens !== undefined) return { read: readBedrockConverse, provider: 'aws', flavor: 'default' }
  if (usage.cache_read_input_tokens !== undefined) return { read: readAnthropicMessages, provider: 'anthropic', flavor: 'default' }
  if (usage.input_tokens !== undefined) return { read: readOpenaiResponses, provider: 'openai', flavor: 'responses' }
  if (usage.completion_tokens === undefined) return { read: readOpenaiEmbeddings, provider: 'openai', flavor: 'embeddings' }
  const place = `${body.file} ${model}`
  if (/openrouter/.test(place)) return chat('openrouter')
  if (usage.prompt_time !== undefined) return chat('groq', 'default')
  if (usage.num_cached_tokens !== undefined || /mistral|pixtral|magistral|codestral/.test(place)) return chat('mistral', 'default')
  if (/deepseek/.test(place)) return chat('deepseek')
  if (/grok/.test(place)) return chat('x-ai')
  if (/zai|glm/.test(place)) return chat('zai')
  if (/cerebras/.test(place)) return chat('cerebras')
  if (/moonshot|kimi/.test(place)) return chat('moonshotai')
  return chat('openai')
}

function chat(provider: string, flavor = 'chat'): Format {
  return { read: readOpenaiChat, provider, flavor }
}
