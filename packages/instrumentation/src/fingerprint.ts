import { createHmac } from 'node:crypto'

import { lastMessage, textOf } from './asked-text.ts'
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
export function fingerprintOf(api: Pick<LlmApi, 'operation'>, body: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const asked = lastMessage(api, body)
  if (asked === undefined) return undefined
  const text = JSON.stringify([normalised(asked), promptId(body) ?? leading(body)])
  return createHmac('sha256', key).update(text).digest('hex').slice(0, DIGITS)
}

function normalised(text: string): string {
  return text.normalize('NFKC').toLowerCase().replaceAll(/\s+/gu, ' ').trim()
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
