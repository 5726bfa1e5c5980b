/** The makers of models that are sold under one family of names; prefixes of the names as their APIs take them. */
const providerByPrefix: readonly (readonly [RegExp, string])[] = [
  [/^(?:[a-z]{2,4}\.)?(?:anthropic|amazon|meta|cohere|mistral|ai21)\./, 'aws.bedrock'],
  [/^(?:gpt-(?!oss)|chatgpt-|o\d|text-embedding-|davinci|babbage|whisper|dall-e|tts-|codex-|computer-use)/, 'openai'],
  [/^claude/, 'anthropic'],
  [/^(?:models\/)?(?:gemini|gemma|text-bison|chat-bison)/, 'gcp.gemini'],
  [/^(?:mistral|ministral|codestral|magistral|pixtral|devstral|open-mi[sx]tral)/, 'mistral_ai'],
  [/^deepseek/, 'deepseek'],
  [/^grok/, 'x_ai'],
  [/^(?:command|embed-|rerank-)/, 'cohere'],
  [/^voyage/, 'voyage'],
  [/^sonar/, 'perplexity'],
  [/^kimi|^moonshot/, 'moonshot_ai'],
]

/**
 * The maker of a model, for emitters that name none (Langfuse, OpenInference under LangChain, Codex). Who served it may be
 * another: a `gpt-…` from Azure reads `openai`.
 */
export function providerOfModel(model: unknown): string | undefined {
  if (typeof model !== 'string') return undefined
  const name = model.slice(0, 64).toLowerCase()
  return providerByPrefix.find(([pattern]) => pattern.test(name))?.[1]
}
