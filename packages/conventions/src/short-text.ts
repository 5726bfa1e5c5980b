/** Model names, ids, labels and error types are short; what is longer is text that strayed here. */
export const MAX_TEXT_LENGTH = 256

/** Printable ASCII without spaces, short enough: what nearly every one is, and nothing has to be done to. */
const plain = /^[!-~]{1,128}$/

/** A short text as it is kept: trimmed, cut, lone surrogates and NUL replaced. Undefined for none. */
export function shortText(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  if (plain.test(value)) return value
  const clean = value.trim().slice(0, MAX_TEXT_LENGTH).toWellFormed().replaceAll('\u0000', '\ufffd')
  return clean === '' ? undefined : clean
}
