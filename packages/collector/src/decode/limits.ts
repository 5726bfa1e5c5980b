/** What one request may hold, besides its bytes (settings.ts). Both encodings are held to the same. */
export const limits = {
  /**
   * Of spans or log records, and as many of what stands around them. Beyond it the request is refused: what is read at a time
   * stays small, and so does what a client repeats.
   */
  itemsPerRequest: 50_000,
  /** Beyond it only those that say whose a span is and what it used are kept (`isVital`); the rest is dropped and counted. */
  attributesPerSpan: 1024,
  /** Longer texts are cut, except ids: no reader looks further, and prompts are most of what spans weigh. */
  textBytes: 16_384,
  /** An array or map with more entries in it, all levels together, is dropped and counted. */
  entriesPerValue: 1024,
  /** An array or map within more others is dropped and counted. */
  depth: 32,
  /** Objects and arrays in a JSON body: each costs memory that its few bytes do not show. */
  jsonContainers: 1_000_000,
} as const

/** Names of attributes that are read however many there are. */
export function isVital(name: string): boolean {
  return vital.test(name)
}

const vital =
  /^(?:user|enduser|session|gen_ai\.(?:usage|request\.model|response\.(?:model|id)|operation|provider|system|conversation)|spanledger)\b/

/** Names of attributes whose text is an id: cut, two long ones could become one. */
export function isId(name: string): boolean {
  return id.test(name)
}

const id = /user|session|conversation|thread|customer/i
