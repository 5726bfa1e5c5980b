import { context, trace, type Context } from '@opentelemetry/api'
import { IDENTITY_CONTEXT_KEY, identityInContext, mergeIdentities, runWithIdentity, type Identity } from '@spanledger/conventions'

import { identityInBaggage, withBaggage } from './baggage.ts'
import { guarded } from './instrumentation-state.ts'
import { nobody, readIdentity, type SaidIdentity } from './read-identity.ts'
import { stampActiveSpan } from './stamp-active-span.ts'

/** What an app attaches to its calls, by name. */
export type Properties = Readonly<Record<string, string | number | boolean>>

export interface UserOptions {
  readonly sessionId?: string | undefined
  readonly properties?: Properties | undefined
}

/**
 * Runs `fn` with a user in scope: every span started inside, LLM calls and others, carries `user.id`, and `session.id`
 * and `property.<name>` where given. Scopes nest and merge; the inner one wins for what it says itself. Concurrent
 * scopes do not mix. Works without any OpenTelemetry SDK.
 * @returns what `fn` returns; what it throws is thrown on
 */
export function withUser<Result>(userId: string, fn: () => Result): Result
export function withUser<Result>(userId: string, options: UserOptions, fn: () => Result): Result
export function withUser<Result>(userId: string, optionsOrFn: UserOptions | (() => Result), fn?: () => Result): Result {
  if (typeof optionsOrFn === 'function') return within({ user: userId }, optionsOrFn)
  const { session, properties } = guarded('identity', () => saidIn(optionsOrFn ?? {})) ?? {}
  return within({ user: userId, session, properties }, fn)
}

/** Runs `fn` with a session in scope; otherwise like `withUser`. */
export function withSession<Result>(sessionId: string, fn: () => Result): Result {
  return within({ session: sessionId }, fn)
}

/** Runs `fn` with properties in scope; otherwise like `withUser`. Of two spellings of a name (`Plan`, `plan`) the inner wins. */
export function withProperties<Result>(properties: Properties, fn: () => Result): Result {
  return within(guarded('identity', () => saidIn({ properties })) ?? {}, fn)
}

/** Who is in scope: what `withUser` and its like said, then inbound baggage where that is allowed. */
export function currentIdentity(from: Context = context.active()): Identity {
  const inScope = identityInContext(from)
  const inBaggage = identityInBaggage(from)
  if (inBaggage === undefined) return inScope ?? nobody
  return inScope === undefined ? inBaggage : mergeIdentities([inScope, inBaggage])
}

/** What the options of a scope or an event say besides the user. */
export function saidIn({ sessionId, properties }: UserOptions): SaidIdentity {
  // Not only undefined: what JavaScript apps pass in its place says nothing either.
  return { session: sessionId, properties: properties ? entriesOf(properties) : undefined }
}

/** The properties that can be read; a getter that throws costs its own property, not the others and not the user. */
function entriesOf(properties: Properties): [name: string, value: unknown][] {
  const entries: [string, unknown][] = []
  for (const name of Object.keys(properties)) guarded('identity', () => entries.push([name, properties[name]]))
  return entries
}

function within<Result>(said: SaidIdentity, fn: (() => Result) | undefined): Result {
  if (typeof fn !== 'function') throw new TypeError('The last argument must be the function to run with the user, session or properties.')
  const entered = guarded('identity', () => enter(said))
  if (entered === undefined) return fn()
  return context.with(entered.context, () =>
    // Without a registered context manager the context is lost again at once.
    context.active().getValue(IDENTITY_CONTEXT_KEY) === entered.identity ? fn() : runWithIdentity(entered.identity, fn),
  )
}

function enter(said: SaidIdentity): { context: Context; identity: Identity } {
  const active = context.active()
  const outer = identityInContext(active)
  const added = readIdentity(said)
  const identity = outer === undefined ? added : mergeIdentities([added, outer])
  const span = trace.getSpan(active)
  if (span !== undefined) guarded('identity', () => stampActiveSpan(span, added, outer ?? nobody))
  return { context: withBaggage(active.setValue(IDENTITY_CONTEXT_KEY, identity), identity), identity }
}
