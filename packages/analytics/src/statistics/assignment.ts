/**
 * Where a user falls between 0 and 1 in an experiment: the same in every process and language, without asking anybody.
 * The public hash of GrowthBook, version 2 (its sdk-js/test/cases.json has vectors, read 2026-11-25): FNV-1a of 32 bits over
 * UTF-16 code units, twice, in steps of 1/10,000.
 */
export function unitInterval(seed: string, userId: string): number {
  return (fnv1a32(String(fnv1a32(seed + userId))) % 10_000) / 10_000
}

function fnv1a32(text: string): number {
  let hash = 0x811c9dc5
  for (let n = 0; n < text.length; n++) hash = Math.imul(hash ^ text.charCodeAt(n), 0x01000193)
  return hash >>> 0
}

/** The variants of an experiment, in order, with their shares of the users who take part. */
export interface Split {
  /** Mixed into the hash: another seed is another draw. */
  readonly seed: string
  readonly variants: readonly { readonly name: string; readonly weight: number }[]
  /** The share of users who take part at all, 0 to 1. */
  readonly coverage: number
  /** The part of a namespace whose users may take part; experiments with parts that do not overlap share no user. */
  readonly namespace?: Namespace | undefined
}

/** A part of all users, from 0 to 1: [from, to) of the places that the name gives them. */
export interface Namespace {
  readonly name: string
  readonly from: number
  readonly to: number
}

/** The variant of a user; undefined for one who takes no part. */
export function assign({ seed, variants, coverage, namespace }: Split, userId: string): string | undefined {
  if (namespace !== undefined) {
    // Another draw than that of the variants: who is in the first half of a namespace is in each variant as often as anybody.
    const place = unitInterval(`__${namespace.name}`, userId)
    if (place < namespace.from || place >= namespace.to) return undefined
  }
  const at = unitInterval(seed, userId)
  const whole = variants.reduce((total, { weight }) => total + weight, 0)
  // Each variant keeps the start of its own range and gives up the end: raising the coverage moves nobody to another variant.
  let start = 0
  for (const { name, weight } of variants) {
    const share = weight / whole
    if (at >= start && at < start + share * coverage) return name
    start += share
  }
  return undefined
}
