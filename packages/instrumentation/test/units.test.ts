import { readFileSync } from 'node:fs'

import { readCall, usageBuckets, usageOf, type Usage } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { answerAttributes } from '../src/answer-attributes.ts'
import { errorFacts } from '../src/error-facts.ts'
import { charactersIn, estimateTokens, inputCharacters } from '../src/estimate.ts'
import { anthropicMessages, openaiChat } from '../src/llm-apis.ts'
import { resolveOptions } from '../src/options.ts'
import { isInRange, sdks } from '../src/sdks.ts'
import { INSTRUMENTATION_VERSION } from '../src/version.ts'

const unsaid = { model: 'm', responseId: 'r', parts: undefined, serviceTier: undefined, finishReason: 'stop', reportedCostUsd: undefined }

describe('the attributes of an answer', () => {
  const bucket = fc.nat({ max: 1_000_000 })
  const usages = fc.record(Object.fromEntries(usageBuckets.map((name) => [name, bucket])) as Record<keyof Usage, typeof bucket>)

  it('are read back as the same usage, whatever it is', () => {
    fc.assert(
      fc.property(usages, fc.constantFrom(openaiChat, anthropicMessages), (usage, api) => {
        const attributes = { 'gen_ai.operation.name': 'chat', ...answerAttributes(api, { ...unsaid, usage }, 'reported') }
        expect(readCall(spanWith(attributes), 'app')!.usage).toEqual(usage)
      }),
    )
  })

  it('carry the parts of several models', () => {
    const parts = [
      { model: 'a', usage: usageOf({ inputTokens: 1 }) },
      { model: 'b', usage: usageOf({ outputTokens: 2 }) },
    ]
    const attributes = answerAttributes(
      anthropicMessages,
      { ...unsaid, parts, usage: usageOf({ inputTokens: 1, outputTokens: 2 }) },
      'reported',
    )
    expect(readCall(spanWith({ 'gen_ai.operation.name': 'chat', ...attributes }), 'app')!.parts).toEqual(parts)
  })
})

describe('an estimate', () => {
  it.each([
    ['gpt-4o-mini', 456, 100],
    ['o4-mini', 456, 100],
    ['gemini-2.5-pro', 428, 100],
    ['claude-3-5-sonnet-20241022', 400, 100],
    ['claude-opus-4-20250514', 400, 100],
    ['claude-sonnet-4-6', 400, 100],
    ['claude-opus-4-8', 288, 100],
    ['claude-sonnet-5', 288, 100],
    ['mistral-large-latest', 448, 100],
    ['gpt-4o', 1, 1],
    ['gpt-4o', 0, 0],
  ])('for %s of %i characters is %i tokens', (model, characters, tokens) => {
    expect(estimateTokens(characters, model)).toBe(tokens)
  })

  it('counts the text of requests and answers, and survives what refers to itself', () => {
    expect(
      inputCharacters({ model: 'not counted', messages: [{ role: 'user', content: [{ type: 'text', text: '12345' }] }], system: '123' }),
    ).toBe(8)
    expect(charactersIn({ choices: [{ message: { content: '1234', tool_calls: [{ function: { arguments: '{}' } }] } }] })).toBe(6)
    const loop: { content: unknown } = { content: undefined }
    loop.content = loop
    expect(charactersIn(loop)).toBe(0)
  })
})

describe('an error', () => {
  it.each([
    [
      { code: 'rate_limit_exceeded', type: 'requests', status: 429, message: 'm' },
      { type: 'rate_limit_exceeded', message: 'm', httpStatus: 429 },
    ],
    [
      { code: null, type: 'invalid_request_error', status: 400 },
      { type: 'invalid_request_error', message: undefined, httpStatus: 400 },
    ],
    [
      { status: 529, error: { type: 'error', error: { type: 'overloaded_error' } } },
      { type: 'overloaded_error', message: undefined, httpStatus: 529 },
    ],
    [new TypeError('x'), { type: 'TypeError', message: 'x', httpStatus: undefined }],
    [new SyntaxError('quotes the answer'), { type: 'SyntaxError', message: undefined, httpStatus: undefined }],
    ['a string', { type: '_OTHER', message: undefined, httpStatus: undefined }],
    [Object.create(null), { type: '_OTHER', message: undefined, httpStatus: undefined }],
    [
      { code: 'a sentence, not a code', status: 9 },
      { type: 'Object', message: undefined, httpStatus: undefined },
    ],
  ])('%o is described', (error, facts) => {
    expect(errorFacts(error)).toEqual(facts)
  })

  it('that throws when it is looked at is still one', () => {
    const hostile = {
      get status(): never {
        throw new Error('do not look')
      },
    }
    expect(errorFacts(hostile)).toEqual({ type: '_OTHER', message: undefined, httpStatus: undefined })
  })

  it('of any kind is described without throwing', () => {
    fc.assert(
      fc.property(fc.anything(), (error) => {
        expect(errorFacts(error).type).not.toBe('')
      }),
    )
  })
})

describe('options', () => {
  it('come from the app, else from the environment, else are the defaults', () => {
    const userFields = ['user', 'metadata.user_id', 'safety_identifier']
    const defaults = { includeUsage: 'auto', idleMs: 600_000, userFields, baggage: { read: [], write: [] } }
    expect(resolveOptions({}, {})).toEqual(defaults)
    const env = {
      SPANLEDGER_INCLUDE_USAGE: 'false',
      SPANLEDGER_IDLE_MS: '5000',
      SPANLEDGER_USER_FIELDS: 'metadata.account, user',
      SPANLEDGER_BAGGAGE_READ: 'user.id, session.id',
    }
    expect(resolveOptions({}, env)).toEqual({
      includeUsage: false,
      idleMs: 5000,
      userFields: ['metadata.account', 'user'],
      baggage: { read: ['user.id', 'session.id'], write: [] },
    })
    expect(resolveOptions({ includeUsage: true, idleMs: 7, userFields: [], baggage: { read: [] } }, env)).toEqual({
      includeUsage: true,
      idleMs: 7,
      userFields: [],
      baggage: { read: [], write: [] },
    })
    expect(resolveOptions({ userFields: 'user' as never }, {})).toEqual(defaults)
    expect(resolveOptions({ idleMs: -1 }, { SPANLEDGER_INCLUDE_USAGE: 'maybe', SPANLEDGER_IDLE_MS: 'soon' })).toEqual(defaults)
  })

  it('all stand in the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    for (const word of ['includeUsage', 'idleMs', 'userFields', 'baggage.read', 'baggage.write', 'enabled'])
      expect(readme).toContain(`\`${word}\``)
    for (const name of ['INCLUDE_USAGE', 'IDLE_MS', 'USER_FIELDS', 'BAGGAGE_READ', 'BAGGAGE_WRITE'])
      expect(readme).toContain(`\`SPANLEDGER_${name}\``)
  })
})

const inRange = (name: string, ...versions: (string | undefined)[]): boolean[] => {
  const sdk = sdks.find((one) => one.name === name)!
  return versions.map((version) => isInRange(sdk, version))
}

describe('versions', () => {
  it('in range are those that the tests run on', () => {
    expect(inRange('openai', '3.3.0', '4.0.0', '7.55.0', '7.60.0-beta.1', '8.0.0', undefined)).toEqual([
      false,
      true,
      true,
      true,
      false,
      false,
    ])
    expect(inRange('@anthropic-ai/sdk', '0.29.0', '0.30.0', '1.11.0', '2.0.0')).toEqual([false, true, true, false])
  })

  it('of the scope is that of the package', () => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
    expect(INSTRUMENTATION_VERSION).toBe(version)
  })
})

function spanWith(attributes: Record<string, unknown>): Parameters<typeof readCall>[0] {
  return {
    traceId: '0'.repeat(32),
    spanId: '0'.repeat(16),
    parentSpanId: undefined,
    name: 'chat',
    startMs: 0,
    endMs: 1,
    statusCode: 0,
    statusMessage: undefined,
    scopeName: 'test',
    scopeVersion: '',
    attributes,
    resourceAttributes: {},
    droppedAttributes: 0,
  }
}
