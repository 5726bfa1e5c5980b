import { lastMessage } from './asked-text.ts'
import type { LlmApi } from './llm-apis.ts'

/** How a user writes. `unknown` says that it was looked at. */
export type CommunicationStyle = 'formal' | 'casual' | 'unknown'

/** Tells how a text is written; given the user's last message, before it is forgotten. */
export type StyleLabeller = (text: string) => CommunicationStyle

/** The property of a call that says it. */
export const STYLE_PROPERTY = 'communication_style'

/** Longer ones are looked at as far as here: a pasted document says nothing of its sender. */
const MAX_CHARACTERS = 2000
const MIN_WORDS = 3

/**
 * How the user writes in a request, by a labeller. Nothing but the label leaves here.
 * @returns undefined where no message of a user waits for an answer
 */
export function styleOf(
  api: Pick<LlmApi, 'operation'>,
  body: Readonly<Record<string, unknown>>,
  labeller: StyleLabeller,
): CommunicationStyle | undefined {
  const text = lastMessage(api, body)
  if (text === undefined) return undefined
  const said: unknown = labeller(text.slice(0, MAX_CHARACTERS))
  return said === 'formal' || said === 'casual' ? said : 'unknown'
}

const casual: readonly RegExp[] = [
  /\b(?:gonna|wanna|gotta|kinda|sorta|lemme|gimme|dunno|ain'?t|y'?all|cuz|tho|thx|thanx|pls|plz|lol|lmao|omg|btw|idk|tbh|imo|nah|yeah|yep|yup|nope|dude|bro|haha+|wtf|u|ur)\b/giu,
  /^\s*(?:hey|hi|yo|sup|heya|hiya)\b/giu,
  /\p{Extended_Pictographic}|(?:^|\s)[:;]-?[)(DP](?=\s|$)/gu,
  /[!?]{2,}|\.{3,}/gu,
  // Written without capitals.
  /(?<![\p{L}\p{N}'])i(?=[\s',.!?]|$)/gu,
  /\b\p{L}+n't\b|\b(?:I|you|we|they|it|that|there|what|who)'(?:m|s|re|ve|ll|d)\b/giu,
]

const formal: readonly RegExp[] = [
  /\b(?:please|kindly|would you|could you|may I|I would|we would|I am writing|we are writing|would like to)\b/giu,
  /\b(?:regarding|concerning|furthermore|moreover|therefore|however|additionally|accordingly|hereby|pursuant|sincerely|respectfully)\b/giu,
  /\b(?:appreciate|grateful|require|requested|assistance|provide|ensure|inquire|clarify|at your earliest convenience|thank you)\b/giu,
  /^\s*(?:dear|good (?:morning|afternoon|evening)|to whom)\b/giu,
  // A sentence from its capital to its full stop.
  /(?:^|[.!?]\s+)\p{Lu}[^.!?]{30,}[.?](?=\s|$)/gu,
]

/**
 * Tells the style of English by what is written: contractions, slang and emoji against whole sentences and polite words. A heuristic; of other languages it
 * mostly says `unknown`.
 */
export function labelStyle(text: string): CommunicationStyle {
  if ((text.match(/[\p{L}\p{N}]+/gu) ?? []).length < MIN_WORDS) return 'unknown'
  const count = (signs: readonly RegExp[]): number => signs.reduce((sum, sign) => sum + (text.match(sign)?.length ?? 0), 0)
  const lead = count(formal) - count(casual)
  return lead > 0 ? 'formal' : lead < 0 ? 'casual' : 'unknown'
}
