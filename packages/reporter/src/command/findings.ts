import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import type { LedgerFacts } from '@spanledger/analytics'
import type { AppSetup } from '@spanledger/conventions'
import { APP_MARK } from '@spanledger/exporter'
import { instrumentationState, LlmInstrumentation } from '@spanledger/instrumentation'
import { CATALOGUE_SOURCE } from '@spanledger/pricing'
import type { QuickCheck } from '@spanledger/store'

/** One thing that doctor looked at. `warning`: numbers may miss something. `problem`: calls are being lost. */
export interface Finding {
  readonly state: 'ok' | 'warning' | 'problem'
  readonly check: string
  readonly detail: string
}

const ok = (check: string, detail: string): Finding => ({ state: 'ok', check, detail })
const warning = (check: string, detail: string): Finding => ({ state: 'warning', check, detail })
const problem = (check: string, detail: string): Finding => ({ state: 'problem', check, detail })

/** What the ledger itself shows. */
export function ledgerFindings(facts: LedgerFacts, timeZone: string): Finding[] {
  const { requests } = facts
  const share = (count: number): string => `${count} of ${requests} calls (${((count / Math.max(requests, 1)) * 100).toFixed(1)} %)`
  return [
    requests > 0
      ? ok('calls', `${requests}, from ${iso(facts.firstMs)} to ${iso(facts.lastMs)}`)
      : warning('calls', 'the ledger holds no calls yet'),
    facts.withoutUser === 0
      ? ok('users', 'every call has a user')
      : warning('users', `${share(facts.withoutUser)} have no user: wrap the request in withUser, or set user.id on the span`),
    pricesFinding(facts, share),
    priceListFinding(facts),
    facts.silent + facts.estimated === 0
      ? ok('usage', 'every answered call reported its tokens')
      : warning(
          'usage',
          `${share(facts.silent)} were answered and reported no tokens, ${share(facts.estimated)} reported a part or an estimate (streams that ended early)`,
        ),
    cacheFinding(facts),
    ok('counted once', `${facts.uncounted} spans repeat another call of their trace (wrappers, copies) and are not counted`),
    facts.future === 0
      ? ok('clock', 'no call starts in the future')
      : warning('clock', `${share(facts.future)} start in the future: check the clocks of the machines that send them`),
    ok('time zone', `days are those of ${timeZone}`),
    facts.samples === 0 ? ok('sample data', 'none') : warning('sample data', `${share(facts.samples)} are sample data, made up for a demo`),
    ...counterFindings(facts.counters),
  ]
}

/** Of calls with cached tokens: whether these were taken to be in the input that was reported, and by what that was told. */
function cacheFinding({ cacheVerdicts }: LedgerFacts): Finding {
  if (cacheVerdicts.size === 0) return ok('cached tokens', 'no call says that any were cached')
  const told = [...cacheVerdicts].map(([verdict, requests]) => `${verdict.replaceAll('_', ' ')}: ${requests}`)
  return ok('cached tokens', `in the reported input or not, calls by what told it: ${told.join(', ')}`)
}

function iso(ms: number | null): string {
  return ms === null ? '-' : new Date(ms).toISOString()
}

function pricesFinding({ unpriced }: LedgerFacts, share: (count: number) => string): Finding {
  // A failed call has no usage to price; that is no missing price.
  const missing = unpriced.filter(({ reason }) => reason !== 'no_usage')
  const count = missing.reduce((sum, { requests }) => sum + requests, 0)
  if (count === 0) return ok('prices', 'every model that was used has a price')
  const named = missing.slice(0, 5).map(({ provider, model, reason, requests }) => `${model}/${provider} (${reason}, ${requests})`)
  const more = missing.length > 5 ? ` and ${missing.length - 5} more` : ''
  return warning('prices', `${share(count)} have no price: ${named.join(', ')}${more}. See: spanledger prices explain MODEL --provider ID`)
}

function priceListFinding({ priceSources }: LedgerFacts): Finding {
  const stale = priceSources.filter((source) => source.startsWith('genai-prices') && source !== CATALOGUE_SOURCE)
  if (stale.length > 0) {
    return warning('price list', `some calls were priced by an older list: ${stale.join(', ')}; this version has ${CATALOGUE_SOURCE}`)
  }
  return ok('price list', `prices come from ${priceSources.length === 0 ? CATALOGUE_SOURCE : priceSources.join(', ')}`)
}

/** What each counter of losses and repairs means. */
export const counterWords: Readonly<Record<string, { state: Finding['state']; words: string }>> = {
  spans_dropped: {
    state: 'problem',
    words:
      'spans were dropped: the queue was full (raise maxQueueBytes, or look why the store is slow), or they ended after shutdown() of the SDK (call it last)',
  },
  refused_by_store: {
    state: 'problem',
    words: 'calls were refused by the store: those of apps lie in its spool as refused-… files, the senders of those over OTLP were told',
  },
  forward_dropped: { state: 'problem', words: 'requests were taken and not sent on, because the forward queue or its disk was full' },
  forward_refused: { state: 'problem', words: 'requests were taken and not sent on, because the endpoint of --forward refused them' },
  forward_damaged: { state: 'problem', words: 'stretches of the forward queue were damaged; the requests in them were not sent on' },
  spool_lines_refused: { state: 'problem', words: 'lines of the spool could not be read' },
  processor_faults: { state: 'problem', words: 'faults inside the processor' },
  attributes_dropped: { state: 'warning', words: 'spans came with attributes dropped: raise the attribute limits of the SDK' },
  refused_start_time: { state: 'warning', words: 'calls or spans had no usable start time and were refused' },
  refused_trace_id: { state: 'warning', words: 'spans came over OTLP without a valid trace id and were refused' },
  refused_span_id: { state: 'warning', words: 'spans came over OTLP without a valid span id and were refused' },
  token_count_refused: { state: 'warning', words: 'token counts were no counts and were refused' },
  cost_refused: { state: 'warning', words: 'costs said by providers were no amounts and were refused' },
  time_refused: { state: 'warning', words: 'durations were negative or above a week and were taken as 0' },
  user_refused: { state: 'warning', words: 'user ids held control characters or broken text and were refused' },
  session_refused: { state: 'warning', words: 'session ids held control characters or broken text and were refused' },
  property_key_refused: { state: 'warning', words: 'property names could not be kept' },
  properties_over_limit: { state: 'warning', words: 'properties over 64 on a call were left out' },
  user_hashed: { state: 'ok', words: 'user ids over 512 bytes are kept as hashes' },
  session_hashed: { state: 'ok', words: 'session ids over 512 bytes are kept as hashes' },
  property_value_cut: { state: 'ok', words: 'property values were cut or mended' },
  models_over_limit: {
    state: 'warning',
    words: 'names of models without a price came after 5,000 others and stand under "(other)": what sends them invents names',
  },
  kinds_over_limit: {
    state: 'warning',
    words: 'combinations of error type, finish reason, operation and tier came after 2,000 others and stand under "(other)"',
  },
  event_value_refused: { state: 'warning', words: 'scores, outcomes or words of events could not be meant and were refused' },
  event_amount_refused: { state: 'warning', words: 'amounts of revenue were no USD amounts and were refused' },
  event_currency_refused: { state: 'problem', words: 'amounts of revenue were in another currency than USD and were refused' },
  event_name_refused: { state: 'warning', words: 'milestones, features or evaluations had no name and stand as (none)' },
  event_target_refused: { state: 'warning', words: 'events named a call by ids that are none' },
  refused_event_time: { state: 'warning', words: 'events had no usable time and were refused' },
  event_name_cut: { state: 'ok', words: 'names, labels or ids of events were cut to 256 characters' },
  duplicate_events: { state: 'ok', words: 'events arrived again and were counted once' },
  withheld_calls: { state: 'ok', words: 'calls of users who opted out or were erased were kept as nobody’s' },
  duplicate_calls: { state: 'ok', words: 'calls arrived again and were counted once' },
}

function counterFindings(counters: ReadonlyMap<string, number>): Finding[] {
  const found = [...counters].filter(([, count]) => count > 0)
  return found.map(([name, count]) => {
    const { state, words } = counterWords[name] ?? {
      state: 'warning',
      words: 'counted by a part of Spanledger that this version does not know',
    }
    return { state, check: name, detail: `${count} ${words}` }
  })
}

/** What apps that write into the ledger noted of their set-up: `APP_MARK` and their name, with an `AppSetup`. */
export function appFindings(notes: ReadonlyMap<string, string>, nowMs: number): Finding[] {
  return [...notes].flatMap(([mark, text]) => {
    const check = mark.replace(APP_MARK, 'app ')
    const { notedMs, ...setup } = JSON.parse(text) as AppSetup & { notedMs: number }
    const found = setupFindings(check, setup)
    const open = openCallsFinding(check, { notedMs, nowMs, ...setup })
    if (open?.state === 'warning' || (open !== undefined && found.length === 0)) found.push(open)
    return found.length > 0 ? found : [ok(check, `${setup.startedCalls} calls recorded by ${iso(notedMs)}, nothing amiss`)]
  })
}

/** A call of the SDKs ends within ten minutes, their default limit, and the app's next note says so. */
const CALLS_END_WITHIN_MS = 600_000

/** Of calls that were not over when the app last told: undefined where there were none. */
function openCallsFinding(
  check: string,
  { notedMs, nowMs, startedCalls, endedCalls }: AppSetup & { notedMs: number; nowMs: number },
): Finding | undefined {
  const open = startedCalls - endedCalls
  if (!(open > 0)) return undefined
  const facts = `${open} of ${startedCalls} calls were not over at ${iso(notedMs)}, when the app last told`
  if (nowMs - notedMs < CALLS_END_WITHIN_MS) return ok(check, `${facts}; if it still runs, nothing is amiss`)
  const why = 'a process that is killed (SIGKILL, out of memory) loses the calls it waits for'
  return warning(check, `${facts}; if it has ended since, they are lost: ${why}. End it by SIGTERM, or by shutdown() of the SDK`)
}

function setupFindings(check: string, { modules, preloaded, startedCalls, unrecordedCalls, failures }: AppSetup): Finding[] {
  const findings: Finding[] = modules.flatMap((module) => sdkFinding(check, module) ?? [])
  if (startedCalls === 0 && !modules.some(({ state }) => state === 'patched')) {
    const why = preloaded ? 'none was loaded' : 'none was loaded, or it was imported as an ES module before the instrumentation'
    findings.push(
      warning(check, `no SDK was patched: ${why}. Start with node --import spanledger/register, or pass the client to instrument()`),
    )
  }
  if (unrecordedCalls > 0) {
    const left = `${unrecordedCalls} of ${startedCalls} calls were left out by a sampler, or made before the SDK was started`
    findings.push(problem(check, `${left}: wrap the sampler with alwaysRecord(…), so that the ledger sees all of them`))
  }
  for (const [place, count] of Object.entries(failures))
    findings.push(warning(check, `recording failed ${count} times in step "${place}"; the calls themselves were not touched`))
  return findings
}

/** What keeps the calls of an SDK out of the ledger; undefined where nothing does. */
function sdkFinding(check: string, { name, version, state, supported, loadedBefore }: AppSetup['modules'][number]): Finding | undefined {
  const module = `${name} ${version ?? '(version unknown)'}`
  if (state === 'out_of_range') return problem(check, `${module} is not instrumented: supported is ${supported}`)
  if (state === 'not_recognised') return problem(check, `${module}: its methods were not found; pass the client to instrument()`)
  if (loadedBefore) return problem(check, `${module} was loaded before the instrumentation; its calls until then are lost`)
  return undefined
}

/** The file on disk. */
export function fileFinding(path: string): Finding {
  const { size, mode } = statSync(path)
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const facts = `${path}: ${megabytes(size)}, ${megabytes(wal)} not yet written back`
  const readable = process.platform !== 'win32' && (mode & 0o077) !== 0
  return readable ? warning('file', `${facts}; other users of this machine may read it: chmod 600`) : ok('file', facts)
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}

/** So long doctor looks for damage: enough for some GB. */
export const LOOK_FOR_DAMAGE_MS = 10_000

/** Whether pages of the file are damaged. */
export function damageFinding({ tables, lookedAt, damage }: QuickCheck): Finding {
  if (damage.length > 0) {
    const todo = 'restore a backup (made by: spanledger backup FILE); spanledger verify says more'
    return problem('damage', `the file is damaged: ${damage.join('; ')}. To do: ${todo}`)
  }
  const seconds = LOOK_FOR_DAMAGE_MS / 1000
  if (lookedAt < tables)
    return ok('damage', `none in ${lookedAt} of ${tables} tables; after ${seconds} s the others were left to: spanledger verify`)
  return ok('damage', `none seen in ${tables} tables; costs and rollups are checked by: spanledger verify`)
}

/** Calls that wait outside of the ledger. */
export function spoolFinding(path: string, files: readonly string[] | { readonly unreadable: string }): Finding {
  if ('unreadable' in files) return problem('spool', `what waits to be written cannot be seen: ${files.unreadable}`)
  const refused = files.filter((name) => name.startsWith('refused-')).length
  const waiting = files.length - refused
  if (refused > 0) return problem('spool', `${refused} files in ${path} hold calls that the store refused, ${waiting} wait to be written`)
  if (waiting > 0) return warning('spool', `${waiting} files wait in ${path}: spanledger doctor --drain writes them`)
  return ok('spool', `nothing waits to be written in ${path}`)
}

/** Samplers that the environment sets for every app started from here; a sampler set in code only the app can see. */
export function samplerFinding(env: Readonly<Record<string, string | undefined>>): Finding {
  const sampler = env['OTEL_TRACES_SAMPLER']
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') {
    return problem('sampler', 'OTEL_SDK_DISABLED is true: no span is made, no call recorded')
  }
  if (sampler === undefined || sampler === '' || sampler === 'always_on' || sampler === 'parentbased_always_on') {
    return ok('sampler', 'the environment sets no sampler that drops spans')
  }
  return problem(
    'sampler',
    `OTEL_TRACES_SAMPLER is ${sampler}: calls it leaves out never reach the ledger. Wrap the sampler with alwaysRecord(…) of @spanledger/exporter`,
  )
}

/** Loads the LLM SDKs that are installed where the command runs, and says which of them the instrumentation knows. */
export function sdkFindings(folder: string): Finding[] {
  const instrumentation = new LlmInstrumentation()
  const load = createRequire(join(folder, 'package.json'))
  const absent: string[] = []
  try {
    for (const name of ['openai', '@anthropic-ai/sdk']) {
      try {
        load(name)
      } catch {
        absent.push(name)
      }
    }
  } finally {
    instrumentation.disable()
  }
  const { modules } = instrumentationState()
  const found = modules.map((module): Finding => {
    const { name, version, supported } = module
    return sdkFinding(name, module) ?? ok(name, `${name} ${version ?? '(version unknown)'} is instrumented (supported: ${supported})`)
  })
  return [...found, ...absent.map((name): Finding => ok(name, `is not installed in ${folder}`))]
}
