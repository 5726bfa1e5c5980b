import { NodeSDK } from '@opentelemetry/sdk-node'
import { LlmInstrumentation } from '@spanledger/instrumentation'

import { collector } from './collector.mjs'

export const sdk = new NodeSDK({ instrumentations: [new LlmInstrumentation()], spanProcessors: [collector] })
sdk.start()
