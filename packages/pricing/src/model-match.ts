import { findProvider, type MatchLogic, type ModelInfo, type Provider } from '@pydantic/genai-prices'

/**
 * The model of a provider's list that a name means, by the list's own rules, then by those of the providers whose
 * models it resells (Azure: OpenAI's).
 */
export function matchModel(provider: Provider, name: string): ModelInfo | undefined {
  const lower = name.trim().toLowerCase()
  return matchIn(provider, lower) ?? matchIn(provider, withDashedDate(lower))
}

function matchIn(provider: Provider, name: string): ModelInfo | undefined {
  const own = provider.models.find(({ match }) => holds(match, name))
  if (own !== undefined) return own
  for (const id of provider.fallback_model_providers ?? []) {
    const reseller = findProvider({ providerId: id })
    const found = reseller?.id === id ? matchIn(reseller, name) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

function holds(match: MatchLogic, name: string): boolean {
  if ('or' in match) return match.or.some((one) => holds(one, name))
  if ('and' in match) return match.and.every((one) => holds(one, name))
  if ('equals' in match) return name === match.equals.toLowerCase()
  if ('ends_with' in match) return name.endsWith(match.ends_with.toLowerCase())
  if ('regex' in match) return new RegExp(match.regex).test(name)
  const part = ('starts_with' in match ? match.starts_with : match.contains).toLowerCase()
  const at = name.indexOf(part)
  return ('starts_with' in match ? at === 0 : at >= 0) && !isAnotherVersion(part, name.slice(at + part.length))
}

/**
 * Whether what follows makes a part of a name that ends in a version into another one: `claude-opus-4-7` is in
 * `claude-opus-4-77` and `claude-opus-4-7-5`, but means neither. Dates (`-20260101`, `-06-17`) and builds (`001`) follow too.
 */
function isAnotherVersion(part: string, following: string): boolean {
  return /(?:^|\D)\d$/.test(part) && /^(?:\d|[-.][1-9]\d?)(?!\d|-\d\d(?!\d))/.test(following)
}

/** The lists write some dates with dashes, providers without. */
function withDashedDate(name: string): string {
  return name.replace(/-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)/g, '-$1-$2-$3')
}
