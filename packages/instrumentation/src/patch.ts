import type { SdkMethod } from './sdk-shapes.ts'

/** On a patched method: the SDK's own. Registered, so that two copies of this package do not patch twice. */
const ORIGINAL = Symbol.for('spanledger.original')

interface PatchedMethod extends SdkMethod {
  [ORIGINAL]?: SdkMethod
}

/**
 * Replaces `target[name]` by what `wrap` makes of it; a method that is patched already is left as it is.
 * @returns whether the method is patched now; false where there is no such method
 */
export function patchMethod(target: object, name: string, wrap: (original: SdkMethod) => SdkMethod): boolean {
  const methods = target as Record<string, unknown>
  const original = methods[name]
  if (typeof original !== 'function') return false
  if (isPatched(original)) return true
  const patched: PatchedMethod = wrap(original as SdkMethod)
  Object.defineProperty(patched, ORIGINAL, { value: original })
  Object.defineProperty(patched, 'name', { value: original.name, configurable: true })
  methods[name] = patched
  return true
}

export function unpatchMethod(target: object, name: string): void {
  const methods = target as Record<string, unknown>
  const method = methods[name] as PatchedMethod | undefined
  const original = method?.[ORIGINAL]
  if (original !== undefined) methods[name] = original
}

export function isPatched(method: unknown): boolean {
  return typeof method === 'function' && ORIGINAL in method
}
