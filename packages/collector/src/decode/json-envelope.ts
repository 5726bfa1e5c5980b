import { objectOf, objectsOf, own, textOf, type JsonObject } from './json-body.ts'
import { readJsonAttributes } from './json-value.ts'
import { limits } from './limits.ts'
import { tooMany } from './protobuf-envelope.ts'
import { newAttributes } from './protobuf-value.ts'
import type { Scope } from './scope.ts'

/** What the lists of an envelope are called, from the outside in. */
export interface EnvelopeNames {
  readonly resources: string
  readonly scopes: string
  readonly items: string
}

export const traceNames: EnvelopeNames = { resources: 'resourceSpans', scopes: 'scopeSpans', items: 'spans' }
export const logNames: EnvelopeNames = { resources: 'resourceLogs', scopes: 'scopeLogs', items: 'logRecords' }

/**
 * Reads the spans or log records of a request in JSON, one at a time (https://opentelemetry.io/docs/specs/otlp/, "JSON
 * Protobuf Encoding", read 2026-11-20): ids are hex, enums integers, fields that are not known are ignored.
 * @throws Refusal where a part of it is none of OTLP's, or there are too many
 */
export function* readJsonEnvelope<Read>(
  body: JsonObject,
  names: EnvelopeNames,
  readOne: (item: JsonObject, scope: Scope) => Read,
): Generator<Read, void> {
  let count = 0
  let around = 0
  for (const resource of objectsOf(body, names.resources)) {
    if (++around > limits.itemsPerRequest) throw tooMany()
    const attributes = newAttributes()
    readJsonAttributes(objectOf(resource, 'resource'), attributes)
    for (const inner of objectsOf(resource, names.scopes)) {
      if (++around > limits.itemsPerRequest) throw tooMany()
      const scope = objectOf(inner, 'scope')
      const shared = { resourceAttributes: attributes.bag, scopeName: textOf(scope, 'name'), scopeVersion: textOf(scope, 'version') }
      for (const item of objectsOf(inner, names.items)) {
        if (++count > limits.itemsPerRequest) throw tooMany()
        yield readOne(item, shared)
      }
    }
  }
}

/** An id as lower-case hex; `''` for what is none. */
export function hexOf(parent: JsonObject, name: string): string {
  const text = textOf(parent, name)
  return /^[\da-f]*$/i.test(text) ? text.toLowerCase() : ''
}

/** A number of attributes that were dropped before. */
export function droppedOf(parent: JsonObject): number {
  const count = Number(own(parent, 'droppedAttributesCount') ?? 0)
  return Number.isSafeInteger(count) && count > 0 ? count : 0
}
