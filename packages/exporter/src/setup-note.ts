import { basename } from 'node:path'

import { appSetup, type AppSetup } from '@spanledger/conventions'
import type { Marks } from '@spanledger/store'

/** Notes of apps stand in the ledger under this and the name of the service. */
export const APP_MARK = 'app:'
const MAX_NAME_LENGTH = 256
/** Counts grow with every call; a note is for people, who look less often. */
const AT_MOST_EVERY_MS = 60_000

/** Whether `text` is such a note, and none that is younger is known. Notes of a spool come late, and anybody may have written them. */
export function isNewNote([mark, text]: readonly [string, string], known: string | undefined): boolean {
  return mark.startsWith(APP_MARK) && notedMsOf(text) > (known === undefined ? -1 : notedMsOf(known))
}

/** -1 where that is no note. */
function notedMsOf(text: string): number {
  try {
    const { notedMs, modules, startedCalls, failures } = JSON.parse(text) as Partial<AppSetup> & { notedMs?: unknown }
    const isNote = Array.isArray(modules) && typeof startedCalls === 'number' && typeof failures === 'object'
    return isNote && typeof notedMs === 'number' ? notedMs : -1
  } catch {
    return -1
  }
}

/**
 * Notes in the ledger how the app around us is set up, so that `spanledger doctor` can tell it from outside: an SDK that was
 * loaded too early or that nobody patches leaves no call behind that could show it. One note a service; the latest stands.
 */
export class SetupNote {
  #service: string | undefined
  #written = ''
  /** Whether the last note says that calls are not over; where they are, that is told at once: it would pass for a loss. */
  #saysOpen = false
  #writtenMs = -Infinity

  /** What the first span that says it calls the service. */
  noticeService(resourceAttributes: Readonly<Record<string, unknown>> | undefined): void {
    if (this.#service !== undefined) return
    const name = resourceAttributes?.['service.name']
    if (typeof name === 'string' && name !== '') this.#service = name
  }

  /** `isLast`: the app ends, so what changed since the last note is noted however short ago that was. @returns undefined where there is nothing new to note */
  next(nowMs: number, isLast = false): Marks | undefined {
    const setup = appSetup()
    const hasOpen = setup !== undefined && setup.endedCalls < setup.startedCalls
    const isDue = nowMs >= this.#writtenMs + AT_MOST_EVERY_MS || (this.#saysOpen && !hasOpen)
    if (setup === undefined || (!isLast && !isDue)) return undefined
    const text = JSON.stringify(setup)
    if (text === this.#written) return undefined
    this.#written = text
    this.#writtenMs = nowMs
    this.#saysOpen = hasOpen
    const name = this.#service ?? (process.env['OTEL_SERVICE_NAME'] || basename(process.argv[1] ?? 'app'))
    return new Map([[APP_MARK + name.slice(0, MAX_NAME_LENGTH), JSON.stringify({ notedMs: nowMs, ...setup })]])
  }

  /** The note was not written after all. */
  missed(): void {
    this.#written = ''
    this.#writtenMs = -Infinity
  }
}
