/** How the records of a file are told apart: a line each, JSON values (of an array, or one after the other), or rows of CSV. */
export type Framing = 'lines' | 'values' | 'csv'

/** Finds where records end. Bytes are handed over in order, in pieces of any size; it remembers what it is in the middle of. */
export interface FindEnd {
  /** The position right after the record's last byte, or -1 when the piece ends before the record does. */
  (piece: Buffer, from: number): number
}

/** @param delimiter the character between two cells; only `csv` asks for it */
export function findEndIn(framing: Framing, delimiter: string): FindEnd {
  if (framing === 'values') return endOfValue()
  return framing === 'csv' ? endOfRow(delimiter.charCodeAt(0)) : endOfLine
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPENING_BRACKET = 0x5b
const CLOSING_BRACKET = 0x5d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d

function endOfLine(piece: Buffer, from: number): number {
  return piece.indexOf(LINE_FEED, from) + 1 || -1
}

/** A quote opens only at the begin of a cell (RFC 4180), so one that strays into a text does not swallow the rows behind it. */
function endOfRow(delimiter: number): FindEnd {
  let cell: 'begins' | 'plain' | 'quoted' | 'quote closed' = 'begins'
  return (piece, from) => {
    for (let at = from; at < piece.length; at++) {
      if (cell === 'quoted') {
        // What is quoted may be long.
        at = piece.indexOf(QUOTE, at)
        if (at === -1) return -1
      }
      const byte = piece[at]
      if (byte === QUOTE) {
        // A doubled quote closes and opens again, which comes to the same.
        if (cell === 'quoted') cell = 'quote closed'
        else if (cell !== 'plain') cell = 'quoted'
      } else {
        cell = byte === delimiter || byte === LINE_FEED ? 'begins' : 'plain'
        if (byte === LINE_FEED) return at + 1
      }
    }
    return -1
  }
}

/** What stands between two values is taken for the begin of the second. */
function endOfValue(): FindEnd {
  let depth = 0
  let inText = false
  let escaped = false
  let inWord = false
  let isFirst = true
  return (piece, from) => {
    for (let at = from; at < piece.length; at++) {
      const byte = piece[at] ?? SPACE
      if (inText) {
        if (escaped) escaped = false
        else if (byte === BACKSLASH) escaped = true
        else if (byte === QUOTE) inText = false
        if (!inText && depth === 0) return at + 1
      } else if (depth === 0 && isBetween(byte)) {
        if (!inWord) continue
        inWord = false
        return at
      } else if (byte === QUOTE) inText = true
      else if (byte === OPENING_BRACKET && isFirst) isFirst = false
      else if (byte === OPENING_BRACKET || byte === OPENING_BRACE) depth++
      else if (byte === CLOSING_BRACKET || byte === CLOSING_BRACE) {
        depth--
        if (depth === 0) return at + 1
      } else if (depth === 0) inWord = true
      isFirst &&= depth === 0 && !inText && !inWord
    }
    return -1
  }
}

function isBetween(byte: number): boolean {
  return byte <= SPACE || byte === COMMA || byte === CLOSING_BRACKET || byte === CLOSING_BRACE
}

/** Whether bytes hold nothing but what stands around values, such as the end of a list. */
export function isBetweenValues(bytes: Buffer): boolean {
  return bytes.every((byte) => isBetween(byte) || byte === OPENING_BRACKET)
}

/** A record without what stands around it: line ends, and the commas and the bracket of a list. Empty where nothing is left. */
export function trimRecord(bytes: Buffer, framing: Framing): Buffer {
  let from = 0
  let to = bytes.length
  if (framing === 'csv') {
    if (bytes[to - 1] === LINE_FEED) to--
    if (bytes[to - 1] === CARRIAGE_RETURN) to--
    return bytes.subarray(0, to)
  }
  while (to > from && (bytes[to - 1] ?? 0) <= SPACE) to--
  while (from < to && isBefore(bytes[from] ?? 0, framing, bytes[to - 1])) from++
  return bytes.subarray(from, to)
}

function isBefore(byte: number, framing: Framing, last: number | undefined): boolean {
  if (byte <= SPACE) return true
  if (framing === 'lines') return false
  return byte === COMMA || byte === CLOSING_BRACKET || (byte === OPENING_BRACKET && last !== CLOSING_BRACKET) || byte === CLOSING_BRACE
}
