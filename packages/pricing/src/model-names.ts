import { canonicalProvider } from '@spanledger/conventions'

/** A name under which a model may stand in a price list, and the step of the resolution that made it. */
export interface NameCandidate {
  readonly step: 'exact' | 'provider-prefixed' | 'stripped' | 'dotted/dashed'
  readonly model: string
  /** Where the prefix names a provider. */
  readonly prefixProvider: string | undefined
}

/**
 * The names to look a model up by, the most certain first. Each drops decoration (who serves it, of which day) or a
 * spelling (`4.8`, `4-8`); none shortens the name of the model itself, so an unknown model stays unknown.
 */
export function nameCandidates(model: string): NameCandidate[] {
  const prefixed = withoutPrefix(model)
  const named: NameCandidate[] = [{ step: 'exact', model, prefixProvider: undefined }]
  if (prefixed !== undefined) named.push({ step: 'provider-prefixed', ...prefixed })
  const undated = [...named, ...named.flatMap(stripped)]
  return [...undated, ...undated.flatMap(respelled)]
}

/** The name without its marks of day and version, one less each time. */
function stripped({ model, prefixProvider }: NameCandidate): NameCandidate[] {
  const candidates: NameCandidate[] = []
  let name = model
  for (let shorter = withoutMark(name); shorter !== name; shorter = withoutMark(name)) {
    name = shorter
    candidates.push({ step: 'stripped', model: name, prefixProvider })
  }
  return candidates
}

function respelled({ model, prefixProvider }: NameCandidate): NameCandidate[] {
  const dashed = model.replace(/(?<=\d)\.(?=\d)/g, '-')
  const dotted = model.replace(/(?<=[-.]\d)-(?=\d(?:$|[-@:]))/g, '.')
  return [dashed, dotted]
    .filter((spelling) => spelling !== model)
    .map((spelling) => ({ step: 'dotted/dashed', model: spelling, prefixProvider }))
}

/** `openai/gpt-4o`, `models/gemini-2.5-flash`, `publishers/google/models/x`, `arn:aws:bedrock:…:inference-profile/x`. */
function withoutPrefix(model: string): { model: string; prefixProvider: string | undefined } | undefined {
  const resource = /^(?:arn:aws[^/]*|(?:.*\/)?models)\/(.+)$/.exec(model)?.[1]
  if (resource !== undefined) return { model: resource, prefixProvider: undefined }
  const slash = model.indexOf('/')
  if (slash <= 0 || slash === model.length - 1) return undefined
  return { model: model.slice(slash + 1), prefixProvider: canonicalProvider(model.slice(0, slash)) }
}

/** Takes one mark of day or version off the end. */
function withoutMark(model: string): string {
  return model.replace(/(?:-latest|[-@]20\d{2}-?[01]\d-?[0-3]\d|@(?:latest|default)|(?:-v\d+)?:\d+)$/, '')
}
