import fc from 'fast-check'
import { expect, it } from 'vitest'

import type { Store, Trait } from '@spanledger/store'

import { openAnalytics } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const names = ['anon', 'ann', 'bob', 'cyd'] as const
const AS_OF = 100_000

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('trait' as const),
      user: fc.constantFrom(...names),
      name: fc.constantFrom('plan', 'region'),
      value: fc.constantFrom('a', 'b', 'c'),
      validFromMs: fc.integer({ min: 0, max: 90 }).map((n) => n * 1000),
    }),
    fc.record({ kind: fc.constantFrom('alias' as const, 'undo' as const), from: fc.constantFrom(...names), to: fc.constantFrom(...names) }),
  ),
  { minLength: 1, maxLength: 14 },
)

const calls: CallWords[] = names.flatMap((user, n) => Array.from({ length: 9 }, (_, k) => ({ at: k * 10_000 + n, user })))

async function answers(store: Store): Promise<unknown[]> {
  const analytics = openAnalytics(store, { now: () => AS_OF })
  const asked = []
  for (const traits of ['as-of', 'current'] as const)
    for (const name of ['plan', 'region'])
      asked.push(
        (
          await analytics.query({
            metrics: ['requests'],
            by: ['user', `trait:${name}`],
            traits,
            order_by: [
              ['user', 'asc'],
              [name, 'asc'],
            ],
          })
        ).rows,
      )
  return asked
}

/** What one user's trait is at an instant: its own, else the latest of those who mean the user. */
function valueAt(
  traits: readonly Trait[],
  inForce: ReadonlyMap<string, string>,
  { user, name, ms }: { user: string; name: string; ms: number },
): string {
  const latest = (of: readonly Trait[]): string | undefined =>
    of
      .filter((trait) => trait.name === name && (trait.validFromMs ?? 0) <= ms)
      .toSorted((a, b) => (b.validFromMs ?? 0) - (a.validFromMs ?? 0) || (a.value < b.value ? -1 : 1))[0]?.value
  const heirs = names.filter((one) => one !== user && rootOf(one, inForce) === user)
  return (
    latest(traits.filter((trait) => trait.user === user)) ??
    latest(traits.filter((trait) => heirs.some((one) => one === trait.user))) ??
    '(none)'
  )
}

function rootOf(name: string, inForce: ReadonlyMap<string, string>): string {
  const next = inForce.get(name)
  return next === undefined ? name : rootOf(next, inForce)
}

function naive(traits: readonly Trait[], inForce: ReadonlyMap<string, string>): unknown[] {
  return (['as-of', 'current'] as const).flatMap((mode) =>
    ['plan', 'region'].map((name) => {
      const counts = new Map<string, { user: string; requests: number }>()
      for (const { at, user = '' } of calls) {
        const person = rootOf(user, inForce)
        const value = valueAt(traits, inForce, { user: person, name, ms: mode === 'current' ? AS_OF : Number(at) })
        const key = JSON.stringify([person, value])
        counts.set(key, { user: person, requests: (counts.get(key)?.requests ?? 0) + 1 })
      }
      return [...counts]
        .map(([key, { user, requests }]) => ({ user, [name]: (JSON.parse(key) as string[])[1], requests }))
        .toSorted((a, b) => (JSON.stringify([a.user, a[name]]) < JSON.stringify([b.user, b[name]]) ? -1 : 1))
    }),
  )
}

it('traits follow aliases as a plain reading of both says, and taking all back leaves what was', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (found) => {
      const store = await ledgerOf(calls)
      const inForce = new Map<string, string>()
      const written = new Map<string, Trait>()
      for (const one of found) {
        if (one.kind === 'trait') {
          await store.writeTraits([one])
          // One of the same instant is replaced.
          written.set(JSON.stringify([one.user, one.name, one.validFromMs]), one)
        } else if (one.kind === 'alias') {
          await store.alias(one.from, one.to).then(
            ({ changed }) => changed && inForce.set(one.from, one.to),
            () => undefined,
          )
        } else if (inForce.get(one.from) === one.to) {
          await store.undoAlias(one.from, one.to)
          inForce.delete(one.from)
        }
      }
      expect(await answers(store)).toEqual(naive([...written.values()], inForce))
      expect(await store.verify()).toMatchObject({ ok: true })
      const apart = await ledgerOf(calls)
      await apart.writeTraits([...written.values()])
      for (const [from, to] of inForce) await store.undoAlias(from, to)
      expect(await answers(store)).toEqual(await answers(apart))
      await store.close()
      await apart.close()
    }),
    { numRuns: 30 },
  )
})
