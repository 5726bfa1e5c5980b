import type { SeededRandom } from './seeded-random.ts'

/** Tokens of a text, at four characters each: near enough for English, and easy to follow by hand. At least 1. */
export function tokensOf(text: string): number {
  return Math.max(1, Math.ceil(text.length / CHARACTERS_PER_TOKEN))
}

/** A text that `tokensOf` counts as `tokens`. */
export function madeUpText(tokens: number, random: SeededRandom): string {
  // An answer steered to millions of tokens is about its count, not about its text.
  const length = Math.min(tokens, MOST_TOKENS_WRITTEN) * CHARACTERS_PER_TOKEN
  let text = ''
  while (text.length < length) text += `${words[Math.floor(random() * words.length)] ?? ''} `
  return length === 0 ? '' : `${text.slice(0, length - 1)}.`
}

/** Cuts a text into `count` pieces of nearly equal length; fewer where it has fewer characters. */
export function piecesOf(text: string, count: number): string[] {
  const pieces = Math.min(Math.max(count, 1), text.length)
  return Array.from({ length: pieces }, (_, index) =>
    text.slice(Math.floor((index * text.length) / pieces), Math.floor(((index + 1) * text.length) / pieces)),
  )
}

/** All text of a prompt, wherever it is nested; what is not text (images, files, ids, roles) is left out. */
export function promptText(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(promptText).join('')
  if (typeof value !== 'object' || value === null) return ''
  return Object.entries(value)
    .filter(([key]) => !notText.has(key))
    .map(([, nested]) => promptText(nested))
    .join('')
}

const CHARACTERS_PER_TOKEN = 4
const MOST_TOKENS_WRITTEN = 5000
const notText = new Set([
  'role',
  'type',
  'id',
  'data',
  'url',
  'image_url',
  'file_id',
  'media_type',
  'cache_control',
  'tool_use_id',
  'tool_call_id',
])
const words =
  'the a of and to in is it as for with on by from at this that which order total page note plan step part case first next last small large clear exact table count entry ledger month value change result reason answer question report customer document summary review'.split(
    ' ',
  )
