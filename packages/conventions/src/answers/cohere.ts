import { disjointUsage } from '../disjoint-usage.ts'
import { readTokenCount } from '../token-count.ts'
import { emptyAnswer, object, text, type AnswerStream, type ProviderAnswer } from './answer.ts'

/**
 * Reads an answer of Cohere's chat, generate or embed, v1 and v2. What is billed counts (`billed_units`), not what was
 * processed (`tokens`: seen 506 where 11 were billed). Never throws.
 */
export function readCohere(body: unknown): ProviderAnswer {
  const answer = object(body)
  const usage = object(answer.usage ?? answer.meta)
  const billed = object(usage.billed_units ?? usage.tokens)
  const images = readTokenCount(billed.image_tokens)
  const input = readTokenCount(billed.input_tokens)
  return {
    ...emptyAnswer,
    responseId: text(answer.id) ?? text(answer.response_id) ?? text(answer.generation_id),
    finishReason: text(answer.finish_reason),
    // Images are billed beside the text, not within it.
    usage: disjointUsage({
      input: input === undefined && images === undefined ? undefined : (input ?? 0) + (images ?? 0),
      imageInput: images,
      output: readTokenCount(billed.output_tokens),
    }),
  }
}

/** Reads the events of a streamed answer: v2 ends with `delta.usage`, v1 with the whole `response`. */
export function cohereStream(): AnswerStream {
  let last: unknown
  let id: unknown
  return {
    event(json) {
      const event = object(json)
      id ??= event.id ?? event.generation_id
      const { response, delta } = event
      if (typeof response === 'object' && response !== null) last = response
      else if (object(delta).usage !== undefined) last = delta
    },
    result() {
      return readCohere({ id, ...object(last) })
    },
  }
}
