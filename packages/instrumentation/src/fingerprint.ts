import { createHmac } from 'node:crypto'

import { charactersIn } from './estimate.ts'
import type { LlmApi } from './llm-apis.ts'
import { isObject } from './sdk-shapes.ts'

/** As many hex digits as the ledger keeps: 48 bits. */
const DIGITS = 12

/**
 * A keyed hash of what a user asks: the text of the last message, in any case and spacing, with the prompt's id or else the text
 * that leads the model. Equal for what is asked again, also after other messages; rewording makes another. Nobody without the
 * key can tell what was asked, nor whether two apps were asked the same.
 * @returns undefined where the request has no message of a user that waits for an answer: embeddings, results of tools
 */
export function fingerprintOf(
  { operation }: Pick<LlmApi, 'operation'>,
  body: Readonly<Record<string, unknown>>,
  key: string,
): string | undefined {
  if (operation === 'embeddings') return undefined
  const asked = lastMessage(body)
  if (asked === undefined) return undefined
  const text = JSON.stringify([normalised(asked), promptId(body) ?? leading(body)])
  return createHmac('sha256', key).update(text).digest('hex').slice(0, DIGITS)
}

function normalised(text: string): string {
  return text.normalize('NFKC').toLowerCase().replaceAll(/\s+/gu, ' ').trim()
}

/** Messages of Chat Completions and of Anthropic, items of the Responses API, or a prompt that is all there is. */
function lastMessage(body: Readonly<Record<string, unknown>>): string | undefined {
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

function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.flatMap((part: unknown) => (isObject(part) && typeof part['text'] === 'string' ? [part['text']] : [])).join('\n')
}

function orNone(text: string): string | undefined {
  return text.trim() === '' ? undefined : text
}

/** The id of a prompt that is kept at the provider (Responses API). */
function promptId({ prompt }: Readonly<Record<string, unknown>>): string | undefined {
  return isObject(prompt) && typeof prompt['id'] === 'string' ? prompt['id'] : undefined
}

/** What leads the model, wherever the API has it. */
function leading({ system, instructions, messages, input }: Readonly<Record<string, unknown>>): string {
  const list = Array.isArray(messages) ? (messages as unknown[]) : Array.isArray(input) ? (input as unknown[]) : []
  const said = list.flatMap((message) =>
    isObject(message) && (message['role'] === 'system' || message['role'] === 'developer') ? [textOf(message['content'])] : [],
  )
  return normalised([textOf(system), textOf(instructions), ...said].filter((text) => charactersIn(text) > 0).join('\n'))
}
