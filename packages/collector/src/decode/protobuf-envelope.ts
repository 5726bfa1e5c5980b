import { Refusal } from '../refusal.ts'
import { limits } from './limits.ts'
import { newAttributes, readAttribute } from './protobuf-value.ts'
import type { Scope } from './scope.ts'
import { expectEnd, nextMessage, openReader, readText, skipField, wire, type WireReader } from './wire.ts'

/**
 * Reads the spans of an `ExportTraceServiceRequest` or the records of an `ExportLogsServiceRequest`, one at a time: around
 * both stand the same messages. Field numbers are those of opentelemetry-proto 1.11
 * (https://github.com/open-telemetry/opentelemetry-proto, read 2026-11-20).
 * @throws Refusal where the body is none, or has too many
 */
export function* readEnvelope<Read>(body: Buffer, readOne: (reader: WireReader, end: number, scope: Scope) => Read): Generator<Read, void> {
  const reader = openReader(body)
  let count = 0
  let around = 0
  for (
    let resourceEnd = nextMessage(reader, body.length, 1);
    resourceEnd !== undefined;
    resourceEnd = nextMessage(reader, body.length, 1)
  ) {
    if (++around > limits.itemsPerRequest) throw tooMany()
    const resourceAttributes = readResource(reader, resourceEnd)
    for (let scopeEnd = nextMessage(reader, resourceEnd, 2); scopeEnd !== undefined; scopeEnd = nextMessage(reader, resourceEnd, 2)) {
      if (++around > limits.itemsPerRequest) throw tooMany()
      const scope = { resourceAttributes, ...readScope(reader, scopeEnd) }
      for (let end = nextMessage(reader, scopeEnd, 2); end !== undefined; end = nextMessage(reader, scopeEnd, 2)) {
        if (++count > limits.itemsPerRequest) throw tooMany()
        yield readOne(reader, end, scope)
      }
      expectEnd(reader, scopeEnd)
    }
    expectEnd(reader, resourceEnd)
  }
  expectEnd(reader, body.length)
}

export function tooMany(): Refusal {
  return new Refusal(
    'too_large',
    `More than ${limits.itemsPerRequest} spans or log records (or resources and scopes) in one request. Send them in several.`,
  )
}

/** Looks ahead for the resource: fields may come in any order. */
function readResource(reader: WireReader, end: number): Scope['resourceAttributes'] {
  const start = reader.pos
  const attributes = newAttributes()
  for (let at = nextMessage(reader, end, 1); at !== undefined; at = nextMessage(reader, end, 1)) {
    while (reader.pos < at) {
      const tag = reader.uint32()
      if (tag === ((1 << 3) | wire.bytes)) readAttribute(reader, at, attributes)
      else skipField(reader, tag, at)
    }
    expectEnd(reader, at)
  }
  reader.pos = start
  return attributes.bag
}

function readScope(reader: WireReader, end: number): Omit<Scope, 'resourceAttributes'> {
  const start = reader.pos
  let scopeName = ''
  let scopeVersion = ''
  for (let at = nextMessage(reader, end, 1); at !== undefined; at = nextMessage(reader, end, 1)) {
    while (reader.pos < at) {
      const tag = reader.uint32()
      if (tag === ((1 << 3) | wire.bytes)) scopeName = readText(reader, at, limits.textBytes)
      else if (tag === ((2 << 3) | wire.bytes)) scopeVersion = readText(reader, at, limits.textBytes)
      else skipField(reader, tag, at)
    }
    expectEnd(reader, at)
  }
  reader.pos = start
  return { scopeName, scopeVersion }
}
