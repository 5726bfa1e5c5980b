import { expect, it } from 'vitest'

import { read } from '../repository.ts'
import { gaps } from './gaps.ts'
import { libraries } from './libraries.ts'

/** What each library does not report, in the words of the tests that hold it. */
const known = new Map<string, Set<string>>()
for (const { library, known: itsGaps } of [...Object.values(gaps), ...libraries]) {
  known.set(library, new Set([...(known.get(library) ?? []), ...itsGaps.map(({ says }) => says)]))
}

it.each(['docs/dialects.md', 'packages/conventions/README.md'])(
  '%s says what each library does not report, no more and no less',
  (path) => {
    const table = read(path)
      .split('\n')
      .flatMap((line) => {
        const [, library = '', says = ''] = line.split('|').map((cell) => cell.trim())
        return known.has(library) ? [[library, new Set(says === 'nothing' ? [] : says.split('; '))] as const] : []
      })
    expect(new Map(table)).toEqual(known)
  },
)
