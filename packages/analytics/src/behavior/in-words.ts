/** Numbers as people say them (`2m 5s`, `third message`); programs read the numbers themselves. */

/** `12 minutes`, or `45 seconds` of less than one; `12 min` and `45 sec` where that is asked for; null of nothing. */
export function durationInWords(seconds: number | null, style: 'long' | 'short' = 'long'): string | null {
  if (seconds === null) return null
  const [n, unit] = seconds < 60 ? [roundHalfUp(seconds), 'second'] : [roundHalfUp(seconds / 60), 'minute']
  return style === 'short' ? `${n} ${unit.slice(0, 3)}` : `${n} ${unit}${n === 1 ? '' : 's'}`
}

/** `4th message`; null of nothing. */
export function messageInWords(messages: number | null): string | null {
  return messages === null ? null : `${ordinal(roundHalfUp(messages))} message`
}

/** 1st, 2nd, 3rd, 4th, … 11th, 12th, 13th, … 21st. */
export function ordinal(n: number): string {
  const ending = n % 100 >= 11 && n % 100 <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th')
  return `${n}${ending}`
}

/** `2.3%`; at most one decimal. */
export function percentInWords(share: number): string {
  return `${roundHalfUp(share * 1000) / 10}%`
}

export function roundHalfUp(n: number): number {
  return Math.floor(n + 0.5)
}
