import type { ProviderName } from './provider-error.ts'

/** Whether a provider has a model of this name; judged by the family, so that new models need no release of ours. */
export function isKnownModel(provider: ProviderName, model: string): boolean {
  return families[provider].test(model) && !/nonexistent|does-not-exist/.test(model)
}

/** The name that answers: providers answer with the dated model behind an alias. */
export function answeringModel(model: string): string {
  return snapshots[model] ?? model
}

const families: Readonly<Record<ProviderName, RegExp>> = {
  openai: /^(gpt-|o\d|chatgpt-|text-embedding-|ft:)/,
  anthropic: /^claude-/,
}

const snapshots: Readonly<Record<string, string>> = {
  'gpt-4o': 'gpt-4o-2024-08-06',
  'gpt-4o-mini': 'gpt-4o-mini-2024-07-18',
  'gpt-4.1': 'gpt-4.1-2025-04-14',
  'gpt-4.1-mini': 'gpt-4.1-mini-2025-04-14',
  'gpt-4.1-nano': 'gpt-4.1-nano-2025-04-14',
  'gpt-5': 'gpt-5-2025-08-07',
  'gpt-5-mini': 'gpt-5-mini-2025-08-07',
  'claude-sonnet-4-5': 'claude-sonnet-4-5-20250929',
  'claude-haiku-4-5': 'claude-haiku-4-5-20251001',
}
