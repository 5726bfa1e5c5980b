import { billedUsage } from './billed.ts'
import type { Endpoint, EndpointRequest, Reply } from './endpoint.ts'
import { tokensOf } from './made-up-text.ts'
import type { Fault } from './provider-error.ts'
import { seededRandom, seedOf } from './seeded-random.ts'

/** POST /v1/embeddings; the vector of a text depends on nothing but the text. */
export const openaiEmbeddings: Endpoint = {
  provider: 'openai',
  // EmbeddingCreateParams of openai 6.49.0.
  parameters: new Set(['dimensions', 'encoding_format', 'input', 'model', 'user']),
  faultOf,
  reply,
}

function faultOf({ input, dimensions }: Record<string, unknown>): Fault | undefined {
  if (textsOf(input).length === 0) return { status: 400, message: "'$.input' is invalid.", param: 'input' }
  if (dimensions !== undefined && !(Number.isInteger(dimensions) && (dimensions as number) >= 1 && (dimensions as number) <= 3072)) {
    return { status: 400, message: "Invalid value for 'dimensions'.", param: 'dimensions', code: 'invalid_value' }
  }
  return undefined
}

function reply({ body, model, directions }: EndpointRequest): Reply {
  const texts = textsOf(body['input'])
  const dimensions = typeof body['dimensions'] === 'number' ? body['dimensions'] : model.endsWith('-large') ? 3072 : 1536
  const inputTokens =
    directions.inputTokens ?? texts.reduce((total, text) => total + (typeof text === 'string' ? tokensOf(text) : text.length), 0)
  return {
    body: {
      object: 'list',
      data: texts.map((text, index) => {
        const vector = vectorOf(String(text), dimensions)
        return {
          object: 'embedding',
          index,
          embedding: body['encoding_format'] === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector],
        }
      }),
      model,
      ...(directions.omitUsage === true ? {} : { usage: { prompt_tokens: inputTokens, total_tokens: inputTokens } }),
    },
    stream: undefined,
    billed: [{ model, usage: billedUsage({ inputTokens }) }],
    responseId: undefined,
  }
}

/** The inputs: a text, a list of texts, a list of token ids, or a list of such lists; empty for anything else. */
function textsOf(input: unknown): (string | number[])[] {
  if (typeof input === 'string') return input === '' ? [] : [input]
  if (!Array.isArray(input) || input.length === 0) return []
  if (input.every((item) => typeof item === 'number')) return [input]
  const fits = input.every((item) => typeof item === 'string' || (Array.isArray(item) && item.every((id) => typeof id === 'number')))
  return fits ? input : []
}

/** Of length 1, as OpenAI's are. */
function vectorOf(text: string, dimensions: number): Float32Array<ArrayBuffer> {
  const random = seededRandom(seedOf(text))
  const vector = Float32Array.from({ length: dimensions }, () => random() - 0.5)
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}
