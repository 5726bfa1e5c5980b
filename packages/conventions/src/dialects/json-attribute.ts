/** An object that an attribute holds: as JSON in a string, as most SDKs allow, or as it is, as OTLP and SDK 3.x do. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Longer texts are not parsed: usage and metadata are short, and parsing is paid for each span. */
const MAX_JSON_LENGTH = 65_536

/** Undefined for all that is no object. Never throws. */
export function readJsonObject(value: unknown): JsonObject | undefined {
  if (typeof value !== 'string') return asObject(value)
  if (value.length > MAX_JSON_LENGTH || !/^\s*\{/.test(value)) return undefined
  try {
    return asObject(JSON.parse(value))
  } catch {
    return undefined
  }
}

export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}
