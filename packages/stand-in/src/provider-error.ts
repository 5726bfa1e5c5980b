/** The errors of both providers, as their APIs write them (platform.openai.com and docs.anthropic.com, read 2026-11-20). */
export type ProviderName = 'openai' | 'anthropic'

export interface Fault {
  readonly status: number
  readonly message: string
  /** OpenAI's machine-readable word; derived from the status where absent. */
  readonly code?: string
  readonly param?: string
}

/** The body of an error answer. */
export function errorBody(provider: ProviderName, fault: Fault, requestId: string): unknown {
  if (provider === 'anthropic') {
    return {
      type: 'error',
      error: { type: anthropicTypes[fault.status] ?? generalType(fault.status, 'api_error'), message: fault.message },
      request_id: requestId,
    }
  }
  const [type, code] = openaiTypes[fault.status] ?? [generalType(fault.status, 'server_error'), null]
  return { error: { message: fault.message, type, param: fault.param ?? null, code: fault.code ?? code } }
}

/** The fault that a request asked for by its status. */
export function faultOfStatus(status: number, model: string): Fault {
  return { status, message: messages[status]?.replace('{model}', model) ?? `The stand-in was asked to answer ${status}.` }
}

function generalType(status: number, fallback: string): string {
  return status < 500 ? 'invalid_request_error' : fallback
}

const anthropicTypes: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

const openaiTypes: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  401: ['invalid_request_error', 'invalid_api_key'],
  404: ['invalid_request_error', 'model_not_found'],
  429: ['requests', 'rate_limit_exceeded'],
}

const messages: Readonly<Record<number, string>> = {
  401: 'Incorrect API key provided.',
  404: 'The model `{model}` does not exist or you do not have access to it.',
  429: 'Rate limit reached for {model}. Please try again later.',
  500: 'The server had an error while processing your request.',
  529: 'Overloaded',
}
