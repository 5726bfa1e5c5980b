import Anthropic from '@anthropic-ai/sdk'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { startStandIn } from '@spanledger/stand-in'
import OpenAI from 'openai'
import { LedgerSpanProcessor, LlmInstrumentation } from 'spanledger'

/** What all programs here are: an app with two SDKs and a ledger. */
export interface App {
  readonly path: string
  readonly client: { readonly chat: { readonly completions: { readonly create: (request: Request) => Promise<string> } } }
  /** Writes what waits, so that it can be read. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface Request {
  /** Models as a gateway is told them, the first that answers is taken: `gpt-4o/openai,claude-3.5-sonnet-v2/anthropic`. */
  readonly model: string
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[]
}

export async function startApp(defaultPath: string): Promise<App> {
  const path = process.env['SPANLEDGER_STORE'] ?? defaultPath
  const processor = new LedgerSpanProcessor({ store: path })
  const sdk = new NodeSDK({ instrumentations: [new LlmInstrumentation()], spanProcessors: [processor] })
  sdk.start()
  // Without OPENAI_BASE_URL a local stand-in answers for both providers: no key, no cost.
  const standIn = process.env['OPENAI_BASE_URL'] === undefined ? await startStandIn() : undefined
  const openai = new OpenAI(standIn === undefined ? {} : { baseURL: `${standIn.url}/v1`, apiKey: 'any' })
  const anthropic = new Anthropic(standIn === undefined ? {} : { baseURL: standIn.url, apiKey: 'any' })

  const providers: Readonly<Record<string, (model: string, messages: Request['messages']) => Promise<string>>> = {
    openai: async (model, messages) =>
      (await openai.chat.completions.create({ model, messages: [...messages] })).choices[0]?.message.content ?? '',
    anthropic: async (model, messages) =>
      (await anthropic.messages.create({ model, max_tokens: 256, messages: [...messages] })).content
        .map((block) => (block.type === 'text' ? block.text : ''))
        .join(''),
  }
  /** What a gateway does with a list of models: the next one where one fails. */
  const create = async ({ model, messages }: Request): Promise<string> => {
    let failure: unknown
    for (const entry of model.split(',')) {
      const [name = '', provider = ''] = entry.split('/')
      try {
        const ask = providers[provider]
        if (ask === undefined) throw new Error(`This app has no SDK of ${provider}.`)
        return await ask(name, messages)
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }
  return {
    path,
    client: { chat: { completions: { create } } },
    flush: () => processor.forceFlush(),
    close: async () => {
      await sdk.shutdown()
      await standIn?.close()
    },
  }
}
