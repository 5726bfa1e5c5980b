import { canonicalProvider, classifyError, providerOfHost } from '@spanledger/conventions'
import { describe, expect, it } from 'vitest'

describe('an error', () => {
  it.each([
    ['RateLimitError', undefined, undefined, 'rate_limit'],
    ['429', undefined, undefined, 'rate_limit'],
    ['_OTHER', 429, undefined, 'rate_limit'],
    ['insufficient_quota', 429, undefined, 'quota'],
    ['APIUserAbortError', undefined, undefined, 'cancelled'],
    ['APIConnectionTimeoutError', undefined, undefined, 'timeout'],
    ['504', undefined, undefined, 'timeout'],
    ['overloaded_error', 529, undefined, 'server_error'],
    ['500', undefined, undefined, 'server_error'],
    ['APIConnectionError', undefined, undefined, 'server_error'],
    ['context_length_exceeded', 400, undefined, 'context_length'],
    ['content_filter', 400, undefined, 'content_filter'],
    ['AuthenticationError', 401, undefined, 'auth'],
    [undefined, 403, undefined, 'auth'],
    ['NotFoundError', 404, undefined, 'model_error'],
    ['SyntaxError', undefined, undefined, 'format_error'],
    [undefined, undefined, 'fetch failed', 'server_error'],
    ['_OTHER', undefined, 'something new', 'other'],
    [undefined, undefined, undefined, 'other'],
    ['_OTHER', undefined, `${'x'.repeat(500)} timeout`, 'other'],
  ] as const)('of type %s, status %s and message %s is %s', (errorType, httpStatus, message, errorClass) => {
    expect(classifyError({ errorType, httpStatus, message })).toBe(errorClass)
  })
})

describe('a provider', () => {
  it.each([
    ['openai', 'openai'],
    ['OpenAI.Responses', 'openai'],
    ['azure.responses', 'azure.ai.openai'],
    ['xai.responses', 'x_ai'],
    ['vertex.anthropic.messages', 'gcp.vertex_ai'],
    ['google.generative-ai.embedding', 'gcp.gemini'],
    ['mistral.textEmbedding', 'mistral_ai'],
    ['our.chat', 'our.chat'],
    ['az.ai.openai', 'azure.ai.openai'],
    ['azure', 'azure.ai.openai'],
    ['vertex_ai', 'gcp.vertex_ai'],
    ['google-gla', 'gcp.gemini'],
    ['xai', 'x_ai'],
    ['bedrock', 'aws.bedrock'],
    [' Our-Gateway ', 'our-gateway'],
    ['', 'unknown'],
    [5, 'unknown'],
    ['constructor', 'constructor'],
  ])('named %j is %s', (name, id) => {
    expect(canonicalProvider(name)).toBe(id)
  })

  it.each([
    ['api.openai.com', 'openai'],
    ['bedrock-runtime.eu-central-1.amazonaws.com', 'aws.bedrock'],
    ['us-central1-aiplatform.googleapis.com', 'gcp.vertex_ai'],
    ['aiplatform.googleapis.com', 'gcp.vertex_ai'],
    ['bedrock-mantle.us-east-1.api.aws', 'aws.bedrock'],
    ['res.openai.azure.com', 'azure.ai.openai'],
    ['evilapi.openai.com.example', undefined],
  ])('at %s is %s', (host, id) => {
    expect(providerOfHost(host)).toBe(id)
  })
})
