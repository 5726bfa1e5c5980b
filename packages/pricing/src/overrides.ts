import { readFileSync } from 'node:fs'

import { canonicalProvider } from '@spanledger/conventions'

import { parseDecimal } from './decimal.ts'
import { canonicalTier } from './overlay.ts'
import { PriceBookError } from './price-book-error.ts'
import { startOfDay } from './schedule.ts'
import { pricedUnits, withFallbacks, type PricedUnit, type UnitPrices } from './unit-prices.ts'

/** One price of the user's own, as JSON; docs/prices.md describes each field with examples. */
export interface PriceOverride {
  /** Any provider where absent. */
  readonly provider?: string
  /** The whole name of a model or deployment; or `pattern`, a regular expression over it. Case does not matter. */
  readonly model?: string
  readonly pattern?: string
  /** The standard tier where absent; `*`: every tier. */
  readonly serviceTier?: string
  /** First day, UTC; from ever where absent. */
  readonly from?: string
  /** One of these three says the price. */
  readonly usdPerMillion?: Readonly<Partial<Record<PricedUnit, string | number>>>
  readonly sameAs?: { readonly provider?: string; readonly model: string }
  readonly factor?: string | number
  /** For people; not read. */
  readonly note?: string
}

/** A row that was checked. */
export interface Override {
  readonly name: string
  /** The model's name or the pattern, as it was written. */
  readonly label: string
  readonly provider: string | undefined
  readonly exact: boolean
  readonly matches: (model: string) => boolean
  readonly tier: string
  readonly startDate: string | undefined
  readonly startMs: number
  readonly price:
    | UnitPrices
    | { readonly sameAs: { readonly provider: string | undefined; readonly model: string } }
    | { readonly factor: bigint }
}

const fields = new Set(['provider', 'model', 'pattern', 'serviceTier', 'from', 'usdPerMillion', 'sameAs', 'factor', 'note'])

/** Reads an override file: `{ "prices": [ … ] }`. @throws PriceBookError naming the file and the row */
export function readOverridesFile(path: string): Override[] {
  let json: unknown
  try {
    // Editors of Windows begin a file with a mark that is no JSON.
    json = JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new PriceBookError(`Cannot read the price overrides in ${path}: ${why}`, { cause: error })
  }
  const rows = isObject(json) ? json.prices : undefined
  if (!Array.isArray(rows)) throw new PriceBookError(`${path} must hold { "prices": [ … ] }; there is no list "prices".`)
  return readOverrides(rows, path)
}

/** Checks rows. @throws PriceBookError naming the row, what it says and what it may say */
export function readOverrides(rows: readonly unknown[], where = 'overrides'): Override[] {
  return rows.map((row, n) => readOverride(row, `prices[${n}] in ${where}`))
}

function readOverride(row: unknown, name: string): Override {
  if (!isObject(row)) throw new PriceBookError(`${name} must be an object, not ${shown(row)}.`)
  for (const field of Object.keys(row)) {
    if (!fields.has(field)) throw new PriceBookError(`${name} has an unknown field "${field}". Allowed: ${[...fields].join(', ')}.`)
  }
  const startDate = readDate(row.from, name)
  return {
    name,
    provider: row.provider === undefined ? undefined : canonicalProvider(readText(row.provider, `${name}: "provider"`)),
    ...readMatch(row, name),
    tier:
      row.serviceTier === '*'
        ? '*'
        : canonicalTier(row.serviceTier === undefined ? undefined : readText(row.serviceTier, `${name}: "serviceTier"`)),
    startDate,
    startMs: startDate === undefined ? Number.NEGATIVE_INFINITY : startOfDay(startDate),
    price: readPrice(row, name),
  }
}

function readMatch({ model, pattern }: Record<string, unknown>, name: string): Pick<Override, 'label' | 'exact' | 'matches'> {
  if ((model === undefined) === (pattern === undefined)) throw new PriceBookError(`${name} must have either "model" or "pattern".`)
  if (model !== undefined) {
    const label = readText(model, `${name}: "model"`)
    const wanted = label.toLowerCase()
    return { label, exact: true, matches: (candidate) => candidate.toLowerCase() === wanted }
  }
  const text = readText(pattern, `${name}: "pattern"`)
  try {
    const regex = new RegExp(text, 'iu')
    return { label: text, exact: false, matches: (candidate) => regex.test(candidate) }
  } catch (error) {
    throw new PriceBookError(`${name}: "pattern" is no regular expression: ${shown(text)}.`, { cause: error })
  }
}

function readPrice(row: Record<string, unknown>, name: string): Override['price'] {
  const { usdPerMillion, sameAs, factor } = row
  if ([usdPerMillion, sameAs, factor].filter((given) => given !== undefined).length !== 1) {
    throw new PriceBookError(`${name} must have exactly one of "usdPerMillion", "sameAs" and "factor".`)
  }
  if (factor !== undefined) {
    const scaled = parseDecimal(factor)
    if (scaled === undefined) throw new PriceBookError(`${name}: "factor" must be a decimal of at least 0, not ${shown(factor)}.`)
    return { factor: scaled }
  }
  if (sameAs !== undefined) {
    if (!isObject(sameAs)) throw new PriceBookError(`${name}: "sameAs" must be { "provider"?, "model" }, not ${shown(sameAs)}.`)
    const provider = sameAs.provider === undefined ? undefined : canonicalProvider(readText(sameAs.provider, `${name}: "sameAs.provider"`))
    return { sameAs: { provider, model: readText(sameAs.model, `${name}: "sameAs.model"`) } }
  }
  return readUnitPrices(usdPerMillion, name)
}

function readUnitPrices(value: unknown, name: string): UnitPrices {
  if (!isObject(value)) throw new PriceBookError(`${name}: "usdPerMillion" must be an object, not ${shown(value)}.`)
  const prices: Partial<Record<PricedUnit, bigint>> = {}
  for (const [unit, price] of Object.entries(value)) {
    const known = pricedUnits.find((candidate) => candidate === unit)
    if (known === undefined)
      throw new PriceBookError(`${name}: unknown unit "${unit}" in "usdPerMillion". Allowed: ${pricedUnits.join(', ')}.`)
    const scaled = parseDecimal(price)
    if (scaled === undefined) {
      throw new PriceBookError(
        `${name}: the price of ${unit} must be a decimal of at least 0 with at most 18 decimals, not ${shown(price)}.`,
      )
    }
    prices[known] = scaled
  }
  if (Object.keys(prices).length === 0) throw new PriceBookError(`${name}: "usdPerMillion" names no price.`)
  // A contract that names one input and one output price means them for every kind of token.
  return withFallbacks(prices, {
    hourWritesAtTwiceInput: false,
    audioInputAsInput: true,
    audioOutputAsOutput: true,
    imageOutputAsOutput: true,
  })
}

function readDate(value: unknown, name: string): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value)) {
    const ms = startOfDay(value)
    if (!Number.isNaN(ms) && new Date(ms).toISOString().startsWith(value)) return value
  }
  throw new PriceBookError(`${name}: "from" must be a day like "2026-01-31", not ${shown(value)}.`)
}

function readText(value: unknown, what: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value.trim()
  throw new PriceBookError(`${what} must be a text that is not empty, not ${shown(value)}.`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 80)
}
