/**
 * What a report was given, and which of it was never looked at: what is given and of no use is refused, so that nobody takes the
 * answer for one that heeds it.
 */
export function watchReads<Given extends object>(given: Given): { readonly watched: Given; readonly unread: () => string[] } {
  const unread = new Set(Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name])))
  const watched = new Proxy(given, {
    get: (target, name) => {
      unread.delete(String(name))
      return Reflect.get(target, name) as unknown
    },
  })
  return { watched, unread: () => [...unread] }
}
