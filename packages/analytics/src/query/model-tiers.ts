/** Which models are fast and which are good, as `gpt-4o-mini/openai` or `gpt-4o-mini`. */
export interface ModelTiers {
  readonly fast: readonly string[]
  readonly quality: readonly string[]
}
