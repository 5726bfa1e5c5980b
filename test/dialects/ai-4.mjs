// The Vercel AI SDK 4: identity in the metadata of its telemetry.
import { createAnthropic } from '@ai-sdk/anthropic-v1'
import { createOpenAI } from '@ai-sdk/openai-v1'
import { embed, generateText, streamText } from 'ai-v4'

import { vercelWays, run, standIn, startTracing } from './app.mjs'

const provider = startTracing()
const openai = createOpenAI({ apiKey: 'any', baseURL: `${standIn}/v1`, compatibility: 'strict' })
const anthropic = createAnthropic({ apiKey: 'any', baseURL: `${standIn}/v1` })
await run(vercelWays({ embed, generateText, streamText }, { openai, anthropic }))
await provider.shutdown()
