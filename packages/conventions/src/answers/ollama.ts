import { disjointUsage } from '../disjoint-usage.ts'
import { readTokenCount } from '../token-count.ts'
import { emptyAnswer, object, text, type AnswerStream, type ProviderAnswer } from './answer.ts'

/** Reads an answer of Ollama's own chat, generate or embed. Never throws. */
export function readOllama(body: unknown): ProviderAnswer {
  const answer = object(body)
  return {
    ...emptyAnswer,
    model: text(answer.model),
    finishReason: text(answer.done_reason),
    usage: disjointUsage({ input: readTokenCount(answer.prompt_eval_count), output: readTokenCount(answer.eval_count) }),
  }
}

/** Reads the lines of a streamed answer; the last one counts. */
export function ollamaStream(): AnswerStream {
  let last: unknown
  return {
    event(json) {
      last = json
    },
    result() {
      return readOllama(last)
    },
  }
}
