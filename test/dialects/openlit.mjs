// openlit with its own provider: identity by usingAttributes, prices given so that none are fetched.
import { createRequire } from 'node:module'

import { anthropicWays, openaiWays, otlp, run, standIn } from './app.mjs'

const require = createRequire(import.meta.url)
const openlit = require('openlit').default
openlit.init({
  otlpEndpoint: otlp,
  applicationName: 'app',
  environment: 'test',
  disableBatch: true,
  pricingJson: { chat: {}, embeddings: {} },
})
const OpenAI = require('openai').OpenAI
const Anthropic = require('@anthropic-ai/sdk').Anthropic
const as = ({ user, session, plan }, make) =>
  user === undefined ? make() : openlit.usingAttributes({ 'user.id': user, 'session.id': session, 'property.plan': plan }, make)
await run({
  ...openaiWays(new OpenAI({ apiKey: 'any', baseURL: `${standIn}/v1`, maxRetries: 0 }), as),
  ...anthropicWays(new Anthropic({ apiKey: 'any', baseURL: standIn, maxRetries: 0, openTelemetry: false }), as),
})
await require('@opentelemetry/api').trace.getTracerProvider().getDelegate().shutdown()
