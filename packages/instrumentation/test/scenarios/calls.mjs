import { withUser } from '@spanledger/instrumentation'

const messages = [{ role: 'user', content: 'Hello' }]

/** One call and one stream that is left early, as user u-1. */
export async function callOpenai(OpenAI) {
  const client = new OpenAI({ apiKey: 'none', baseURL: `${process.env.STAND_IN_URL}/v1` })
  await withUser('u-1', { properties: { Plan: 'pro' } }, async () => {
    await client.chat.completions.create({ model: 'gpt-4o-mini', messages })
    const stream = await client.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true })
    await readSome(stream)
  })
  return client
}

export async function callAnthropic(Anthropic) {
  const client = new Anthropic({ apiKey: 'none', baseURL: process.env.STAND_IN_URL })
  const request = { model: 'claude-sonnet-4-5', max_tokens: 100, messages }
  await withUser('u-1', { properties: { Plan: 'pro' } }, async () => {
    await client.messages.create(request)
    await readSome(await client.messages.create({ ...request, stream: true }))
  })
  return client
}

/** Reads until some text has come, and leaves. */
async function readSome(stream) {
  let read = 0
  for await (const chunk of stream) if (chunk !== undefined && ++read === 5) break
}
