import { readTokenCount } from '../token-count.ts'
import { usageBuckets, usageOf, type UsagePart } from '../usage.ts'

/** Reads `spanledger.usage.parts`; undefined for anything that is not exactly what we write, so that the totals stand. */
export function readUsageParts(value: unknown): readonly UsagePart[] | undefined {
  if (typeof value !== 'string') return undefined
  try {
    const parts: unknown = JSON.parse(value)
    if (!Array.isArray(parts) || parts.length === 0) return undefined
    return parts.map(readPart)
  } catch {
    return undefined
  }
}

function readPart(value: unknown): UsagePart {
  const { model, usage } = value as { model?: unknown; usage?: Record<string, unknown> }
  if (typeof model !== 'string' || usage === undefined) throw new TypeError('not a usage part')
  const buckets: Record<string, number> = {}
  for (const bucket of usageBuckets) {
    if (usage[bucket] === undefined) continue
    const count = readTokenCount(usage[bucket])
    if (count === undefined) throw new TypeError(`not a token count: ${bucket}`)
    buckets[bucket] = count
  }
  return { model, usage: usageOf(buckets) }
}
