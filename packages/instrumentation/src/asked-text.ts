import type { LlmApi } from './llm-apis.ts'
import { isObject } from './sdk-shapes.ts'

/**
 * What a user asks: the text of the last message, of Chat Completions and of Anthropic, of items of the Responses API, or a prompt that is
 * all there is.
 * @returns undefined where the request has no message of a user that waits for an answer: embeddings, results of tools
 */
export function lastMessage({ operation }: Pick<LlmApi, 'operation'>, body: Readonly<Record<string, unknown>>): string | undefined {
  if (operation === 'embeddings') return undefined
  const { messages, input, prompt } = body
  const list = messages ?? input
  if (typeof list === 'string') return orNone(list)
  if (!Array.isArray(list)) return typeof prompt === 'string' ? orNone(prompt) : undefined
  for (const message of (list as unknown[]).toReversed()) {
    // An agent goes on with what a tool gave: nobody asked anything anew.
    if (!isObject(message) || isResult(message)) return undefined
    if (message['role'] !== 'user') {
      if (isCall(message)) return undefined
      continue
    }
    return orNone(textOf(message['content']))
  }
  return undefined
}

function isResult({ role, type, content }: Record<string, unknown>): boolean {
  if (role === 'tool' || role === 'function' || (typeof type === 'string' && type.endsWith('_call_output'))) return true
  return Array.isArray(content) && content.some((part: unknown) => isObject(part) && part['type'] === 'tool_result')
}

function isCall({ type, tool_calls: calls }: Record<string, unknown>): boolean {
  return (Array.isArray(calls) && calls.length > 0) || (typeof type === 'string' && type.endsWith('_call'))
}

/** The text of a message, without its images and files. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.flatMap((part: unknown) => (isObject(part) && typeof part['text'] === 'string' ? [part['text']] : [])).join('\n')
}

function orNone(text: string): string | undefined {
  return text.trim() === '' ? undefined : text
}
