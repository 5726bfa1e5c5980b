import { mergeIdentities, readCall, readEvent, type Identity, type LedgerEvent, type LlmCall } from '@spanledger/conventions'
import { toLink, type Batch, type SpanLink, type WrittenCall, type WrittenEvent } from '@spanledger/store'

import { hiddenField } from './hidden-field.ts'
import type { EndedSpan, StartedSpan } from './span-shape.ts'
import { toSpanRecord } from './to-span-record.ts'

/** A span of this process, followed from its start until what it means for the ledger is known. */
export interface SpanNode {
  readonly parent: SpanNode | undefined
  readonly tree: SpanTree
  /** Until it is read. */
  span: StartedSpan | EndedSpan | undefined
  ended: boolean
  /** By estimate, while it waits. */
  bytes: number
  hasChildren: boolean
  /** Whether the store needs to hear of it: it stands between or around calls that are not settled. */
  wanted: boolean
  /** Once it was read: one of the two. */
  call: LlmCall | undefined
  link: SpanLink | undefined
}

/** A local root and all that was started below it in this process. */
export interface SpanTree {
  /** How many of its spans have started and were not read yet. */
  openSpans: number
  /** True while nothing outside of it can matter: its root is the root of the trace, and no span of it was missed. */
  whole: boolean
  /** True once calls of it were written before all of it was known: from then on the store decides on its calls. */
  handedOver: boolean
  /** Calls that were read and not written yet. */
  calls: SpanNode[]
}

/** Ancestors that still live when the process ends are told of only as far as they are remembered: the newest this many. */
const MAX_LIVE_WANTED = 10_000
const CLIENT = 2
const PRODUCER = 3

/**
 * Follows the spans of a process and decides what the store is told of them.
 *
 * A call is settled (written as it stands, the cheap way) if, when its turn to be written comes, its whole trace is known
 * here and leaves no question: the local root is the root of the trace and every span below it has ended, no call has a
 * span below it (that span might be, or lead to, another call), and no two calls carry one provider response id. It then
 * has user, session and properties from itself, else from the nearest ancestor, else from the resource, also where an
 * ancestor got them after the call had ended.
 *
 * Everything else is handed over: the calls of the tree unsettled, with what they say themselves, and a link for each
 * ancestor and for each client or producer span below a call as these end. The store then decides as if all had come from
 * elsewhere.
 *
 * An event is settled when all spans above it are known and read; else it is handed over likewise.
 */
export class SpanTrees {
  readonly #linkAllSpans: boolean
  // On the object that a span and its children share in all SDKs: nothing is left behind when a span is forgotten.
  readonly #nodes = hiddenField<SpanNode>()
  readonly #liveWanted = new Set<SpanNode>()
  /** Each once: a tree comes in with its first call that waits. */
  #treesWithCalls: SpanTree[] = []
  #callCount = 0
  #links: SpanLink[] = []
  #events: { readonly node: SpanNode; readonly event: LedgerEvent }[] = []

  constructor({ linkAllSpans = false }: { linkAllSpans?: boolean } = {}) {
    this.#linkAllSpans = linkAllSpans
  }

  /** How many calls, links and events wait for `take`. */
  get waiting(): number {
    return this.#callCount + this.#links.length + this.#events.length
  }

  /** `parentIds`: what the parent's `spanContext()` gives; undefined for the root of a trace. */
  start(span: StartedSpan, parentIds: object | undefined): void {
    const parent = parentIds === undefined ? undefined : this.#nodes.get(parentIds)
    const tree = parent?.tree ?? this.#newTree(parentIds === undefined)
    if (parent !== undefined) parent.hasChildren = true
    tree.openSpans++
    this.#nodes.set(span.spanContext(), newNode(span, parent, tree))
  }

  /** Whether it was seen to start. */
  has(span: StartedSpan): boolean {
    return this.#nodes.get(span.spanContext()) !== undefined
  }

  /** @returns the node to be read later */
  end(span: EndedSpan): SpanNode {
    const node = this.#nodes.get(span.spanContext()) ?? this.#unseen(span)
    node.span = span
    node.ended = true
    return node
  }

  /** A span that ended and will not be read. */
  miss(node: SpanNode): void {
    node.span = undefined
    node.tree.openSpans--
    node.tree.whole = false
    this.#liveWanted.delete(node)
  }

  /** @throws what reading a span throws that is none; then `miss` it */
  read(node: SpanNode): void {
    const span = node.span as EndedSpan
    const record = toSpanRecord(span)
    const call = readCall(record, 'app')
    const event = call === undefined ? readEvent(record, 'app') : undefined
    const link = call === undefined && event === undefined ? toLink(record) : undefined
    // Nothing from here on throws.
    node.call = call
    node.link = link
    node.span = undefined
    node.tree.openSpans--
    this.#liveWanted.delete(node)
    if (event !== undefined) {
      this.#events.push({ node, event })
    } else if (link === undefined) {
      if (node.tree.calls.length === 0) this.#treesWithCalls.push(node.tree)
      node.tree.calls.push(node)
      this.#callCount++
    } else if (node.wanted || this.#linkAllSpans) {
      node.wanted = true
      this.#links.push(link)
    } else if (node.parent !== undefined && (span.kind === CLIENT || span.kind === PRODUCER)) {
      const path = pathToCall(node.parent)
      if (path !== undefined) for (const between of [node, ...path]) this.#want(between)
    }
  }

  /** What is to be written now. `final`: no live span will end any more, so ancestors are told of as they are. */
  take(final = false): Batch {
    const calls: WrittenCall[] = []
    for (const tree of this.#treesWithCalls) {
      tree.handedOver ||= !isSettled(tree)
      for (const node of tree.calls) {
        const { call } = node
        if (call !== undefined) calls.push(tree.handedOver ? this.#handOver(node, call) : settle(node, call))
      }
      tree.calls = []
    }
    const events = this.#events.map(({ node, event }) => this.#takeEvent(node, event))
    if (final) this.#linkLive()
    const batch = { calls, links: this.#links, events }
    this.#treesWithCalls = []
    this.#callCount = 0
    this.#links = []
    this.#events = []
    return batch
  }

  #takeEvent(node: SpanNode, event: LedgerEvent): WrittenEvent {
    const identities: Identity[] = [event]
    let isKnown = node.tree.whole
    for (let above = node.parent; above !== undefined; above = above.parent) {
      const identity = above.link === undefined ? above.call : above.link.identity
      if (identity !== undefined) identities.push(identity)
      isKnown &&= above.link !== undefined || above.call !== undefined
    }
    if (isKnown) return { ...event, ...mergeIdentities(identities), settled: true }
    for (let above = node.parent; above !== undefined; above = above.parent) this.#want(above)
    return event
  }

  #handOver(node: SpanNode, call: LlmCall): WrittenCall {
    for (let above = node.parent; above !== undefined; above = above.parent) this.#want(above)
    return call
  }

  #want(node: SpanNode): void {
    if (node.wanted) return
    node.wanted = true
    if (node.link !== undefined) this.#links.push(node.link)
    if (node.ended) return
    this.#liveWanted.add(node)
    if (this.#liveWanted.size > MAX_LIVE_WANTED) for (const oldest of this.#liveWanted) if (this.#liveWanted.delete(oldest)) break
  }

  #linkLive(): void {
    for (const { span } of this.#liveWanted) {
      if (span === undefined) continue
      const record = toSpanRecord(span as EndedSpan)
      if (readCall(record, 'app') === undefined) this.#links.push(toLink(record))
    }
    this.#liveWanted.clear()
  }

  #newTree(whole: boolean): SpanTree {
    return { openSpans: 0, whole, handedOver: this.#linkAllSpans, calls: [] }
  }

  /** A span that was not seen to start: the processor came later, or another one hands on copies. */
  #unseen(span: EndedSpan): SpanNode {
    const tree = this.#newTree(false)
    tree.openSpans++
    return newNode(span, undefined, tree)
  }
}

function newNode(span: StartedSpan | EndedSpan, parent: SpanNode | undefined, tree: SpanTree): SpanNode {
  return { parent, tree, span, ended: false, bytes: 0, hasChildren: false, wanted: false, call: undefined, link: undefined }
}

function isSettled(tree: SpanTree): boolean {
  if (!tree.whole || tree.openSpans > 0) return false
  for (const node of tree.calls) if (node.hasChildren || hasCallAbove(node)) return false
  if (tree.calls.length === 1) return true
  const responseIds = tree.calls.flatMap((node) => node.call?.responseId ?? [])
  return new Set(responseIds).size === responseIds.length
}

/** Only of spans started after all of their trace here had ended: else the call above has children and is asked first. */
function hasCallAbove(node: SpanNode): boolean {
  for (let above = node.parent; above !== undefined; above = above.parent) if (above.call !== undefined) return true
  return false
}

function settle(node: SpanNode, call: LlmCall): WrittenCall {
  const settled: { settled?: boolean } & LlmCall = call
  settled.settled = true
  if (node.parent === undefined && call.resourceIdentity === undefined) return settled
  const identities: Identity[] = [call]
  for (let above = node.parent; above !== undefined; above = above.parent) {
    if (above.link?.identity !== undefined) identities.push(above.link.identity)
  }
  if (call.resourceIdentity !== undefined) identities.push(call.resourceIdentity)
  // The call was read for us alone; a copy of each would only be more to collect.
  return identities.length === 1 ? settled : Object.assign(settled, mergeIdentities(identities))
}

/** The spans from `node` up to, without, the nearest call; undefined where there is none above. */
function pathToCall(node: SpanNode): SpanNode[] | undefined {
  const path: SpanNode[] = []
  for (let at: SpanNode | undefined = node; at !== undefined; at = at.parent) {
    // One that still lives says by now what it is: the conventions want the operation to be set at the start.
    if (at.call !== undefined || (at.span !== undefined && readCall(toSpanRecord(at.span as EndedSpan), 'app') !== undefined)) return path
    path.push(at)
  }
  return undefined
}
