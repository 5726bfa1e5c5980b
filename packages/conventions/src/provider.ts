/**
 * The provider ids under which calls are kept: the well-known values of `gen_ai.provider.name`
 * (semantic-conventions-genai registry, read 2026-11-20), and what emitters write instead.
 */
const canonicalByAlias: ReadonlyMap<string, string> = new Map(
  Object.entries({
    openai: ['openai.chat', 'openai.responses', 'openai.embedding', 'openai.completion', 'open_ai'],
    anthropic: ['anthropic.messages', 'claude'],
    'aws.bedrock': ['bedrock', 'amazon-bedrock', 'amazon_bedrock', 'amazon_bedrock_converse', 'aws_bedrock', 'aws', 'bedrock.anthropic'],
    'azure.ai.openai': ['az.ai.openai', 'azure_openai', 'azure-openai', 'azure', 'azure-openai.chat'],
    'azure.ai.inference': ['az.ai.inference'],
    'gcp.gemini': ['gemini', 'google', 'google.generative-ai', 'google_genai', 'google-gla'],
    'gcp.gen_ai': [],
    'gcp.vertex_ai': [
      'vertex_ai',
      'vertexai',
      'vertex',
      'google-vertex',
      'google.vertex',
      'google_vertexai',
      'vertex.anthropic',
      'google.vertex.anthropic',
      'gcp.vertex.agent',
    ],
    mistral_ai: ['mistral', 'mistralai', 'mistral.chat'],
    x_ai: ['xai', 'xai.chat', 'grok'],
    moonshot_ai: ['moonshot', 'moonshotai'],
    'ibm.watsonx.ai': ['watsonx', 'watsonx.ai'],
    cohere: ['cohere.chat'],
    deepseek: ['deepseek.chat'],
    groq: ['groq.chat'],
    perplexity: ['perplexity.chat'],
    together: ['togetherai', 'together_ai', 'together.ai'],
    fireworks: ['fireworks_ai', 'fireworks.ai'],
    openrouter: ['open_router'],
    huggingface: ['hugging_face', 'hf'],
    ollama: ['ollama.chat'],
    voyage: ['voyageai', 'voyage_ai'],
    cerebras: [],
    alibaba: ['dashscope', 'qwen'],
    zai: ['z.ai', 'z_ai', 'zhipu', 'zhipuai'],
  }).flatMap(([id, aliases]) => [id, ...aliases].map((alias) => [alias, id] as const)),
)

/** What the Vercel AI SDK puts behind a provider's name: which of its APIs was called. */
const apiOfProvider = /\.(?:chat|responses|messages|completions?|(?:text-?)?embeddings?|image|speech|transcription)$/

/** A provider's canonical id; a name that is not known is kept in lower case; `unknown` where there is none. */
export function canonicalProvider(name: unknown): string {
  if (typeof name !== 'string') return 'unknown'
  const lower = name.trim().toLowerCase().slice(0, 64)
  if (lower === '') return 'unknown'
  return canonicalByAlias.get(lower) ?? canonicalByAlias.get(lower.replace(apiOfProvider, '')) ?? lower
}

/** Hosts of provider APIs, for emitters and clients that name no provider. A host matches itself and what ends in it. */
const providerByHost: readonly (readonly [string, string])[] = [
  ['api.openai.com', 'openai'],
  ['openai.azure.com', 'azure.ai.openai'],
  ['services.ai.azure.com', 'azure.ai.inference'],
  ['api.anthropic.com', 'anthropic'],
  ['generativelanguage.googleapis.com', 'gcp.gemini'],
  ['aiplatform.googleapis.com', 'gcp.vertex_ai'],
  ['amazonaws.com', 'aws.bedrock'],
  ['api.aws', 'aws.bedrock'],
  ['api.mistral.ai', 'mistral_ai'],
  ['api.x.ai', 'x_ai'],
  ['api.groq.com', 'groq'],
  ['api.cohere.com', 'cohere'],
  ['api.cohere.ai', 'cohere'],
  ['api.deepseek.com', 'deepseek'],
  ['api.perplexity.ai', 'perplexity'],
  ['api.moonshot.ai', 'moonshot_ai'],
  ['api.together.xyz', 'together'],
  ['api.fireworks.ai', 'fireworks'],
  ['openrouter.ai', 'openrouter'],
  ['api.cerebras.ai', 'cerebras'],
  ['router.huggingface.co', 'huggingface'],
  ['aliyuncs.com', 'alibaba'],
  ['api.z.ai', 'zai'],
  ['api.voyageai.com', 'voyage'],
]

/** The provider that answers at a host name, or undefined where the host is not one of theirs. */
export function providerOfHost(host: string): string | undefined {
  // Vertex AI puts the region before its name with a dash: us-central1-aiplatform.googleapis.com.
  const lower = host.toLowerCase().replace(/^[a-z0-9-]+-(?=aiplatform\.)/, '')
  return providerByHost.find(([known]) => lower === known || lower.endsWith(`.${known}`))?.[1]
}
