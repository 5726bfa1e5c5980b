import type { Store } from '@spanledger/store'

import type { PropertyKey } from '../ledger/catalog.ts'
import { NONE } from './dimensions.ts'
import { readRows } from '../ledger/snapshot.ts'

/** How calls whose property holds several values are counted: all of a call under each, or an equal share of its amounts. */
export const attributions = ['full', 'split'] as const
export type Attribution = (typeof attributions)[number]

/** One of the values that a stored value lists; null is none. */
export type ListPart = readonly [whole: number | string, part: string | null, n: number, of: number]

/**
 * The values that a property's text lists: a JSON array of texts, numbers and booleans, each once, in the order of their
 * text; null and `(none)` are none. Apps that attach an array have it kept so.
 * @returns undefined for any other text, which is one value
 */
export function listedValues(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(data)) return undefined
  const parts = data.filter((part) => part !== null)
  if (!parts.every((part) => typeof part === 'string' || typeof part === 'number' || typeof part === 'boolean')) return undefined
  return [...new Set(parts.map(String))].filter((part) => part !== NONE).sort()
}

function partsOf(whole: number | string, text: string): ListPart[] {
  const values = listedValues(text)
  if (values === undefined) return []
  if (values.length === 0) return [[whole, null, 0, 1]]
  return values.map((value, n): ListPart => [whole, value, n, values.length])
}

/**
 * The lists among a key's values, by what `propertySql` knows a value by: its id, or its text where the key has run out of
 * room for ids.
 */
export async function readListParts(store: Store, name: string, key: PropertyKey | undefined): Promise<readonly ListPart[]> {
  const interned =
    key === undefined
      ? []
      : await readRows<[number, string]>(store, {
          text: "SELECT json_group_array(json_array(value_id, value)) AS rows FROM property_values WHERE key_id = ? AND value LIKE '[%'",
          values: [key.keyId],
        })
  if (key !== undefined && key.place !== 'overflow') return interned.flatMap(([id, text]) => partsOf(id, text))
  const spilled = await readRows<string>(store, {
    text: `SELECT json_group_array(value) AS rows FROM (SELECT DISTINCT o.value FROM llm_calls AS c, json_each(c.overflow) AS o
      WHERE c.overflow IS NOT NULL AND o.key = ? AND o.value LIKE '[%')`,
    values: [name],
  })
  return [...new Set([...interned.map(([, text]) => text), ...spilled])].flatMap((text) => partsOf(text, text))
}
