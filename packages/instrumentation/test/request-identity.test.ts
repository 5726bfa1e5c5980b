import { startStandIn, type StandIn } from '@spanledger/stand-in'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'

import { instrument, withUser } from '../src/index.ts'
import { startTracing, type Tracing } from './tracing.ts'

let tracing: Tracing
let standIn: StandIn
beforeAll(async () => {
  tracing = startTracing()
  standIn = await startStandIn()
  instrument(OpenAI)
})
afterEach(() => tracing.reset())
afterAll(async () => {
  await standIn.close()
  await tracing.stop()
})

const body = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Hello' }] }

/** Makes a call and returns who the ledger says made it. */
async function identityOf(given: object, requestOptions: object = {}, defaultHeaders?: Record<string, string>): Promise<object> {
  tracing.reset()
  const client = new OpenAI({ apiKey: 'none', baseURL: `${standIn.url}/v1`, maxRetries: 0, ...(defaultHeaders && { defaultHeaders }) })
  await client.chat.completions.create({ ...body, ...given }, requestOptions)
  const { user, session, properties } = tracing.calls()[0]!
  return { user, session, properties: Object.fromEntries([...properties].map(([key, { value }]) => [key, value])) }
}

const nobody = { user: undefined, session: undefined, properties: {} }

it('reads the Helicone headers of a request, in every shape in which an SDK takes headers', async () => {
  const headers = {
    'Helicone-User-Id': 'user-123',
    'Helicone-Session-Id': 's-1',
    'Helicone-Session-Path': '/plan/draft',
    'Helicone-Session-Name': 'Trip',
    'Helicone-Prompt-Id': 'greeting',
    'Helicone-Prompt-Version': '3',
    'Helicone-Property-Plan': 'premium',
    'Helicone-Property-User-Type': 'paid',
  }
  const expected = {
    user: 'user-123',
    session: 's-1',
    properties: {
      plan: 'premium',
      user_type: 'paid',
      session_path: '/plan/draft',
      session_name: 'Trip',
      prompt: 'greeting',
      prompt_version: '3',
    },
  }
  expect(await identityOf({}, { headers })).toEqual(expected)
  expect(await identityOf({}, { headers: new Headers(headers) })).toEqual(expected)
  expect(await identityOf({}, { headers: Object.entries(headers) })).toEqual(expected)
  expect(await identityOf({}, {}, headers)).toEqual(expected)
})

it.each(['headers', 'extra_headers'])('reads them from `%s` inside the body, which never reach the provider', async (field) => {
  const given = { ...body, [field]: { 'Helicone-User-Id': 'user-12345', 'Helicone-Property-UserTier': 'premium' } }
  const copy = structuredClone(given)
  expect(await identityOf(given)).toEqual({ user: 'user-12345', session: undefined, properties: { usertier: 'premium' } })
  expect(standIn.requests.at(-1)!.body).toEqual(body)
  expect(standIn.requests.at(-1)!.headers).not.toHaveProperty('helicone-user-id')
  expect(given).toEqual(copy)
})

it('lets a header beat the body, and an empty header fall through', async () => {
  expect(await identityOf({ user: 'from-body' }, { headers: { 'Helicone-User-Id': 'from-header' } })).toEqual({
    ...nobody,
    user: 'from-header',
  })
  expect(await identityOf({ user: 'from-body' }, { headers: { 'Helicone-User-Id': ' ' } })).toEqual({ ...nobody, user: 'from-body' })
  expect(await identityOf({ user: '' })).toEqual(nobody)
})

it('lets X-User-Id name the user where no Helicone header does', async () => {
  expect(await identityOf({}, { headers: { 'X-User-Id': 'x' } })).toEqual({ ...nobody, user: 'x' })
  expect(await identityOf({}, { headers: { 'X-User-Id': 'x', 'helicone-user-id': 'h' } })).toEqual({ ...nobody, user: 'h' })
})

it('reads the body in the order user, metadata.user_id, safety_identifier', async () => {
  const metadata = { user_id: 'from-metadata' }
  expect(await identityOf({ user: 'from-user', metadata, safety_identifier: 'safe' })).toMatchObject({ user: 'from-user' })
  expect(await identityOf({ metadata, safety_identifier: 'safe' })).toMatchObject({ user: 'from-metadata' })
  expect(await identityOf({ safety_identifier: 'safe' })).toMatchObject({ user: 'safe' })
})

it('reads the fields of the body that the app names instead, and no others', async () => {
  instrument(Anthropic, { userFields: ['metadata.account', 'system'] })
  const client = new Anthropic({ apiKey: 'none', baseURL: standIn.url, maxRetries: 0 })
  const userOf = async (given: object): Promise<string | undefined> => {
    tracing.reset()
    await client.messages.create({ model: 'claude-haiku-4-5', max_tokens: 16, messages: body.messages, ...given })
    return tracing.calls()[0]!.user
  }
  expect(await userOf({ metadata: { user_id: 'somebody', account: 'account-7' }, system: 'Be brief.' })).toBe('account-7')
  expect(await userOf({ metadata: { user_id: 'somebody', account: 7 }, system: 'team-b' })).toBe('team-b')
  expect(await userOf({ metadata: { user_id: 'somebody' } })).toBeUndefined()
})

it('lets withUser beat headers and body, for what it says', async () => {
  const identity = await withUser('from-scope', { properties: { plan: 'pro' } }, () =>
    identityOf(
      { user: 'from-body' },
      { headers: { 'Helicone-User-Id': 'from-header', 'Helicone-Property-Plan': 'free', 'Helicone-Session-Id': 's-9' } },
    ),
  )
  expect(identity).toEqual({ user: 'from-scope', session: 's-9', properties: { plan: 'pro' } })
})

it('lets a header of the request beat one of the client', async () => {
  expect(
    await identityOf({}, { headers: { 'Helicone-User-Id': 'request' } }, { 'Helicone-User-Id': 'client', 'Helicone-Property-App': 'a' }),
  ).toEqual({
    user: 'request',
    session: undefined,
    properties: { app: 'a' },
  })
})
