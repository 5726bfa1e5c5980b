import { isObject } from './sdk-shapes.ts'

/**
 * How gateways say that their cache gave the answer: Helicone (docs.helicone.ai, features/advanced-usage/caching) and
 * Cloudflare AI Gateway (developers.cloudflare.com, ai-gateway/features/caching); both read 2026-11-20.
 */
const headers: readonly string[] = ['helicone-cache', 'cf-aig-cache-status']

/** Whether the headers of a response say that no provider was asked. */
export function isCacheHit(given: unknown): boolean {
  if (!isObject(given)) return false
  const { get } = given
  return typeof get === 'function' && headers.some((name) => /^hit$/i.test(String(Reflect.apply(get, given, [name]))))
}
