import { readJsonObject } from './dialects/json-attribute.ts'
import type { SpanRecord } from './span.ts'

/** Where libraries put the tags of a span: OpenInference, Langfuse, LangSmith; as a list, as JSON of one, or joined by commas. */
const tagNames = ['tag.tags', 'langfuse.trace.tags', 'langsmith.span.tags'] as const

/** What libraries call the part of the app that makes a call; an app's own property `feature` is taken before it. */
const featureNames = ['traceloop.workflow.name', 'ai.telemetry.functionId', 'langfuse.trace.name'] as const

/** How libraries name the prompt of a call (its name, not its text), and that prompt's version; an app's own properties are taken before. */
const promptNames = ['gen_ai.prompt.name', 'langfuse.observation.prompt.name'] as const
const promptVersions = ['gen_ai.prompt.version', 'langfuse.observation.prompt.version', 'llm.prompt_template.version'] as const

/** Properties that do not stand one by one under a prefix: OpenInference's `metadata`, tags (property `tags`), feature, prompt. */
export function otherProperties(attributes: SpanRecord['attributes']): [name: string, value: unknown][] {
  const pairs: [string, unknown][] = []
  for (const name of featureNames) if (attributes[name] !== undefined) pairs.push(['feature', attributes[name]])
  for (const name of promptNames) if (attributes[name] !== undefined) pairs.push(['prompt', attributes[name]])
  for (const name of promptVersions) if (attributes[name] !== undefined) pairs.push(['prompt_version', attributes[name]])
  for (const name of tagNames) if (attributes[name] !== undefined) pairs.push(['tags', tagList(attributes[name])])
  // `metadata` is a word that anybody may use; here it is the attributes of OpenInference.
  if (attributes['metadata'] === undefined || attributes['openinference.span.kind'] === undefined) return pairs
  const metadata = readJsonObject(attributes['metadata'])
  if (metadata === undefined) return pairs
  const isLangchain = metadata['ls_provider'] !== undefined || metadata['ls_model_type'] !== undefined
  for (const name of Object.keys(metadata)) {
    if (!isLangchain || !(isLangchainNote(name) || name === 'versions')) pairs.push([name, metadata[name]])
  }
  return pairs
}

/** Whether a key is what LangChain and LangSmith note for themselves among the app's metadata. */
export function isLangchainNote(key: string): boolean {
  return /^(?:ls_|lc_|langgraph_|LANGSMITH_|LANGCHAIN_|(?:revision_id|usage_metadata|invocation_params|checkpoint_ns|thread_ts)$)/.test(key)
}

/** Tags as a list, which reports can count under each of its values; sorted, so that their order does not make two. */
function tagList(value: unknown): unknown {
  const list = typeof value === 'string' ? tagsOf(value) : value
  if (!Array.isArray(list)) return undefined
  const tags = new Set(list.filter((tag): tag is string => typeof tag === 'string' && tag !== ''))
  return tags.size === 0 ? undefined : [...tags].sort()
}

function tagsOf(text: string): unknown {
  if (text.length > 8192) return undefined
  if (!text.startsWith('[')) return text.split(',').map((tag) => tag.trim())
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
