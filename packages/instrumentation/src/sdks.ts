import { anthropicMessages, openaiChat, openaiCompletions, openaiEmbeddings, openaiResponses, type LlmApi } from './llm-apis.ts'
import { isPatched, patchMethod, unpatchMethod } from './patch.ts'
import { recordCalls, type Recorder } from './record-calls.ts'
import { isObject } from './sdk-shapes.ts'

/** An SDK and the methods of it that are calls to a model; all others (`parse`, `stream`, tool runners) go through these. */
export interface Sdk {
  readonly name: string
  /** Lowest `[major, minor]` that is patched, and the first major that is not. */
  readonly from: readonly [major: number, minor: number]
  readonly below: number
  /** The names under which the client's class is exported. */
  readonly clientNames: readonly string[]
  /** The first is the one by which the SDK is known: others of its names stand for other things elsewhere. */
  readonly methods: readonly [SdkCallMethod, ...SdkCallMethod[]]
}

interface SdkCallMethod {
  /** From the client's class to the class that has the method. */
  readonly onClass: readonly string[]
  /** From a client to the object that has the method. */
  readonly onClient: readonly string[]
  readonly api: LlmApi
}

export const sdks: readonly Sdk[] = [
  {
    name: 'openai',
    from: [4, 0],
    below: 8,
    clientNames: ['OpenAI', 'default'],
    methods: [
      { onClass: ['Chat', 'Completions'], onClient: ['chat', 'completions'], api: openaiChat },
      { onClass: ['Responses'], onClient: ['responses'], api: openaiResponses },
      { onClass: ['Embeddings'], onClient: ['embeddings'], api: openaiEmbeddings },
      { onClass: ['Completions'], onClient: ['completions'], api: openaiCompletions },
    ],
  },
  {
    name: '@anthropic-ai/sdk',
    from: [0, 30],
    below: 2,
    clientNames: ['Anthropic', 'default'],
    methods: [
      { onClass: ['Messages'], onClient: ['messages'], api: anthropicMessages },
      { onClass: ['Beta', 'Messages'], onClient: ['beta', 'messages'], api: anthropicMessages },
    ],
  },
]

/** The patched versions as a range, for messages. */
export function supportedRange({ from: [major, minor], below }: Sdk): string {
  return `>=${major}.${minor}.0 <${below}`
}

export function isInRange({ from: [major, minor], below }: Sdk, version: string | undefined): boolean {
  const parts = /^(\d+)\.(\d+)\./.exec(version ?? '')
  if (parts === null) return false
  const [given, givenMinor] = [Number(parts[1]), Number(parts[2])]
  return given < below && (given > major || (given === major && givenMinor >= minor))
}

/**
 * Patches what a module exports: the client's class, also nested under `default`.
 * @returns how many methods are patched now
 */
export function patchModule(sdk: Sdk, moduleExports: unknown, recorder: Recorder): number {
  const holders = prototypesIn(sdk, moduleExports)
  for (const [holder, { api }] of holders) patchMethod(holder, 'create', (original) => recordCalls(original, api, recorder))
  return holders.filter(([holder]) => isPatched(Reflect.get(holder, 'create'))).length
}

export function unpatchModule(sdk: Sdk, moduleExports: unknown): void {
  for (const [holder] of prototypesIn(sdk, moduleExports)) unpatchMethod(holder, 'create')
}

/**
 * Patches the methods of a client's class, for clients whose module no hook saw.
 * @returns how many methods are patched now
 */
export function patchClient(sdk: Sdk, client: object, recorder: Recorder): number {
  let patched = 0
  if (!isClientOf(sdk, client)) return 0
  for (const { onClient, api } of sdk.methods) {
    const resource = follow(client, onClient)
    if (!isObject(resource) || typeof resource['create'] !== 'function') continue
    // The class where there is one, so that copies made by `withOptions()` are covered too.
    const prototype: unknown = Object.getPrototypeOf(resource)
    const holder = isObject(prototype) && Object.hasOwn(prototype, 'create') && !Object.hasOwn(resource, 'create') ? prototype : resource
    if (patchMethod(holder, 'create', (original) => recordCalls(original, api, recorder))) patched++
  }
  return patched
}

function isClientOf(sdk: Sdk, client: object): boolean {
  return typeof follow(follow(client, sdk.methods[0].onClient), ['create']) === 'function'
}

function prototypesIn(sdk: Sdk, moduleExports: unknown): (readonly [holder: object, method: SdkCallMethod])[] {
  const found: (readonly [object, SdkCallMethod])[] = []
  for (const clientClass of clientClasses(sdk, moduleExports)) {
    if (typeof follow(clientClass, sdk.methods[0].onClass) !== 'function') continue
    for (const method of sdk.methods) {
      const resourceClass = follow(clientClass, method.onClass)
      const prototype: unknown = typeof resourceClass === 'function' ? resourceClass.prototype : undefined
      if (isObject(prototype) && typeof prototype['create'] === 'function') found.push([prototype, method])
    }
  }
  return found
}

/** The module may be the class itself (CommonJS), a namespace, or a namespace around a CommonJS module. */
function clientClasses({ clientNames }: Sdk, moduleExports: unknown): Set<unknown> {
  const classes = new Set<unknown>([moduleExports])
  for (const name of clientNames) classes.add(follow(moduleExports, [name]))
  for (const name of clientNames) classes.add(follow(moduleExports, ['default', name]))
  return classes
}

function follow(from: unknown, path: readonly string[]): unknown {
  let value = from
  for (const name of path) {
    if (!isObject(value) && typeof value !== 'function') return undefined
    value = Reflect.get(value, name) as unknown
  }
  return value
}

/** The methods of a client (or of a module, or a class) that are calls to a model. */
export function callMethodsOf(clientOrModule: object): unknown[] {
  const found: unknown[] = []
  for (const sdk of sdks) {
    if (isClientOf(sdk, clientOrModule))
      for (const { onClient } of sdk.methods) found.push(follow(follow(clientOrModule, onClient), ['create']))
    for (const [holder] of prototypesIn(sdk, clientOrModule)) found.push(Reflect.get(holder, 'create'))
  }
  return found.filter((method) => typeof method === 'function')
}
