import type { SqliteValue } from '@spanledger/store'

/** A piece of SQL and what is bound to its `?`, in order. */
export interface Fragment {
  readonly text: string
  readonly values: readonly SqliteValue[]
}

/** SQL with holes: a fragment is put in as SQL, any other value is bound. */
export function sql(texts: TemplateStringsArray, ...holes: readonly (Fragment | SqliteValue)[]): Fragment {
  const values: SqliteValue[] = []
  let text = texts[0] ?? ''
  for (const [n, hole] of holes.entries()) {
    if (typeof hole === 'object' && hole !== null) {
      text += hole.text
      values.push(...hole.values)
    } else {
      text += '?'
      values.push(hole)
    }
    text += texts[n + 1] ?? ''
  }
  return { text, values }
}

/** SQL that stands in our code: names of tables and columns, keywords. Never anything a user wrote. */
export function raw(text: string): Fragment {
  return { text, values: [] }
}

export function join(fragments: readonly Fragment[], separator: string): Fragment {
  return { text: fragments.map(({ text }) => text).join(separator), values: fragments.flatMap(({ values }) => values) }
}
