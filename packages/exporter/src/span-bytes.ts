import type { EndedSpan } from './span-shape.ts'

/** What a span weighs in memory besides its texts, in bytes: object, ids, times. */
const BARE_SPAN_BYTES = 800
const BARE_EVENT_BYTES = 200
/** An attribute's slot and a number's box. */
const BARE_ATTRIBUTE_BYTES = 32

/** An estimate of the memory that waiting for it keeps a span in. Looks at sizes only. */
export function estimateBytes(span: EndedSpan): number {
  let bytes = BARE_SPAN_BYTES + attributeBytes(span.attributes)
  for (const event of span.events ?? []) bytes += BARE_EVENT_BYTES + (event.attributes === undefined ? 0 : attributeBytes(event.attributes))
  return bytes
}

function attributeBytes(attributes: Readonly<Record<string, unknown>>): number {
  let bytes = 0
  for (const name in attributes) {
    const value = attributes[name]
    bytes += BARE_ATTRIBUTE_BYTES
    if (typeof value === 'string') bytes += value.length
    else if (Array.isArray(value)) for (const item of value) bytes += typeof item === 'string' ? item.length : 8
    // Only SDK 3.x lets objects through; they are rare, and written out they are about as large.
    else if (typeof value === 'object' && value !== null) bytes += 256
  }
  return bytes
}
