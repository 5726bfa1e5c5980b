// An app that knows nothing of Spanledger: where its spans go, and what they say of it, is all in its environment.
import { trace } from '@opentelemetry/api'
import { NodeSDK } from '@opentelemetry/sdk-node'

const sdk = new NodeSDK()
sdk.start()
const tracer = trace.getTracer('app')
tracer.startActiveSpan('POST /chat', { attributes: { 'user.id': 'ada' } }, (request) => {
  const attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.usage.input_tokens': 1000,
    'gen_ai.usage.output_tokens': 100,
  }
  tracer.startSpan('chat gpt-4o', { attributes }).end()
  request.end()
})
await sdk.shutdown()
