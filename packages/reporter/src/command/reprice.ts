import { parseBounds, type Column, type Row } from '@spanledger/analytics'
import { formatUsd } from '@spanledger/conventions'
import { openPriceBook } from '@spanledger/pricing'
import { openStore, type CostChange, type RepriceOutcome, type Repricing, type Store } from '@spanledger/store'
import { Option, type Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { usageFailure } from './failure.ts'
import { checkStorePath, optionsOf, wholeNumber, withIo, type Globals } from './globals.ts'
import type { Io } from './io.ts'
import { openProgress } from './progress.ts'

interface RepriceOptions {
  readonly since?: string
  readonly until?: string
  readonly model?: string
  readonly unpriced?: boolean
  readonly dryRun?: boolean
  readonly by: 'user' | 'model'
  readonly prices?: string
  readonly undo?: string
  readonly list?: boolean
}

/** What `--undo` and `--list` cannot be given with. */
const scopeOptions = ['since', 'until', 'model', 'unpriced', 'dryRun'] as const

export function addReprice(program: Command): void {
  const command = program
    .command('reprice')
    .description("price calls anew with today's prices, and show what that changes; reversible, and never done by anything else")
    .option('--since <when>', 'only calls from a date or an instant on')
    .option('--until <when>', 'only calls up to a date (that day is included) or an instant (not included)')
    .option('--model <name>', 'only calls that this model answered, or was asked for')
    .option('--unpriced', 'only calls that have no cost')
    .option('--dry-run', 'show what would change, and write nothing')
    .addOption(new Option('--by <what>', 'whose costs to show').choices(['user', 'model']).default('user'))
    .addOption(new Option('--prices <file>', 'your own prices, on top of the bundled ones').env('SPANLEDGER_PRICES'))
    .option('--undo <id>', 'give the calls of a repricing back what they cost before')
    .option('--list', 'every repricing of this ledger')
    .addHelpText(
      'after',
      `
A call is priced by the price of the day it was made. What it cost before is kept.
An interrupted run leaves a sound ledger; run it again for the rest.

Examples:
  spanledger reprice --since 2026-01-01 --dry-run
  spanledger reprice --unpriced --prices prices.json
  spanledger reprice --list
  spanledger reprice --undo 3`,
    )
    .action(async () => {
      const options = optionsOf<RepriceOptions>(command)
      checkStorePath(options.store)
      if (options.undo !== undefined || options.list === true) refuseScope(options)
      await withIo(options, async (io) => {
        if (options.list === true) await withStore(options, { readOnly: true }, (store) => list(io, options, store))
        else if (options.undo === undefined) await reprice(io, options)
        else await undo(io, options, wholeNumber('--undo', options.undo, { from: 1, to: Number.MAX_SAFE_INTEGER }))
      })
    })
}

function refuseScope(options: RepriceOptions): void {
  const asked = options.list === true ? '--list' : '--undo'
  if (options.list === true && options.undo !== undefined) throw usageFailure('Give either --list or --undo, not both.')
  const given = scopeOptions.filter((name) => options[name] !== undefined)
  if (given.length > 0)
    throw usageFailure(`${asked} takes no ${given.map((name) => `--${name === 'dryRun' ? 'dry-run' : name}`).join(', ')}: leave them out.`)
}

/** A ledger that must be there: repricing creates none. */
async function withStore<Result>(
  globals: Globals,
  { readOnly }: { readOnly: boolean },
  work: (store: Store) => Promise<Result>,
): Promise<Result> {
  if (!readOnly) await (await openStore({ path: globals.store, readOnly: true })).close()
  const store = await openStore({ path: globals.store, readOnly })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

async function reprice(io: Io, options: Globals & RepriceOptions): Promise<void> {
  const { since, until, model, unpriced = false, dryRun = false } = options
  const priceBook = openPriceBook({ overridesPath: options.prices })
  const progress = openProgress(dryRun ? 'Pricing' : 'Repricing', { quiet: options.quiet === true })
  await withStore(options, { readOnly: dryRun }, async (store) => {
    const { sinceMs, untilMs } = parseBounds({ since, until }, options.tz ?? store.timeZone)
    const scope = { sinceMs, untilMs, model, unpricedOnly: unpriced }
    const outcome = await store.reprice({ ...scope, dryRun, priceBook, onProgress: progress.update }).finally(progress.end)
    await writeOutcome(io, options, {
      outcome,
      title: dryRun ? 'What repricing would change' : 'What repricing changed',
      params: { since: iso(sinceMs), until: iso(untilMs), model: model ?? null, unpriced, dry_run: dryRun, undo: null },
      priceSource: priceBook.source,
    })
    sayOutcome(io, outcome, options)
  })
}

function sayOutcome(
  io: Io,
  { repricingId, callsRead, callsRewritten, overridesLost, total }: RepriceOutcome,
  options: RepriceOptions,
): void {
  const { dryRun = false, model, prices } = options
  if (callsRead === 0)
    io.say(
      `No call is ${options.unpriced === true ? 'unpriced ' : ''}in this period${model === undefined ? '' : ` of model ${JSON.stringify(model)}`}.`,
    )
  else if (callsRewritten === 0) io.say(`${callsRead} calls have the cost and price of today's prices already.`)
  else
    io.say(
      `${describe(total, callsRead)}${dryRun ? '. Nothing is written (--dry-run).' : `. To take it back: spanledger reprice --undo ${repricingId}`}`,
    )
  if (overridesLost > 0 && prices === undefined)
    io.say(
      `note: ${overridesLost} of these calls ${dryRun ? 'have' : 'had'} a price of your own, and no file of prices was given: add --prices FILE`,
    )
}

function describe(
  { callsChanged, newlyPriced, newlyUnpriced, costBeforeNanoUsd, costAfterNanoUsd }: CostChange,
  callsRead: number,
): string {
  const [before, after] = [formatUsd(costBeforeNanoUsd), formatUsd(costAfterNanoUsd)]
  const also = [
    ...(newlyPriced > 0 ? [`${newlyPriced} of them had none`] : []),
    ...(newlyUnpriced > 0 ? [`${newlyUnpriced} lose theirs`] : []),
  ]
  return `${callsChanged} of ${callsRead} calls get another cost: $${before} -> $${after}${also.length === 0 ? '' : `; ${also.join(', ')}`}`
}

async function undo(io: Io, options: Globals & RepriceOptions, id: number): Promise<void> {
  const progress = openProgress('Undoing', { quiet: options.quiet === true })
  await withStore(options, { readOnly: false }, async (store) => {
    const outcome = await store.undoRepricing(id, { onProgress: progress.update }).finally(progress.end)
    await writeOutcome(io, options, {
      outcome,
      title: `What undoing repricing ${id} changed`,
      params: { since: null, until: null, model: null, unpriced: false, dry_run: false, undo: id },
      priceSource: null,
    })
    io.say(`Undid repricing ${id}: ${outcome.callsRewritten} calls have their old cost and price again.`)
  })
}

interface Written {
  readonly outcome: RepriceOutcome
  readonly title: string
  readonly params: Readonly<Record<string, string | number | boolean | null>>
  readonly priceSource: string | null
}

async function writeOutcome(io: Io, options: Globals & RepriceOptions, { outcome, title, params, priceSource }: Written): Promise<void> {
  const users = outcome.users.map((change) => ({ user: change.user, ...changeRow(change) }))
  const models = outcome.models.map((change) => ({ model: change.model, provider: change.provider, ...changeRow(change) }))
  if (options.format === 'json') {
    const { repricingId, callsRead, callsRewritten, overridesLost, total } = outcome
    const meta = {
      repricing: repricingId ?? null,
      price_source: priceSource,
      calls_read: callsRead,
      calls_rewritten: callsRewritten,
      overrides_lost: overridesLost,
    }
    await io.out(
      `${JSON.stringify({ schema: 'reprice/v1', params, meta, columns: changeColumns, users, models, totals: changeRow(total) })}\n`,
    )
    return
  }
  const byUser = options.by === 'user'
  const sheet = {
    title,
    columns: [...(byUser ? userColumns : modelColumns), ...changeColumns],
    rows: byUser ? users : models,
    totals: changeRow(outcome.total),
    notes: [],
  }
  if (sheet.rows.length > 0 || options.format !== 'table')
    await io.out(formatSheet(sheet, options.format, { decorated: io.decorated, header: options.header }))
}

const userColumns: readonly Column[] = [{ key: 'user', type: 'string', label: 'User' }]
const modelColumns: readonly Column[] = [
  { key: 'model', type: 'string', label: 'Model' },
  { key: 'provider', type: 'string', label: 'Provider' },
]
const changeColumns: readonly Column[] = [
  { key: 'calls_changed', type: 'int', label: 'Calls changed' },
  { key: 'newly_priced', type: 'int', label: 'Newly priced' },
  { key: 'newly_unpriced', type: 'int', label: 'Newly unpriced' },
  { key: 'cost_before_usd', type: 'usd', label: 'Before' },
  { key: 'cost_after_usd', type: 'usd', label: 'After' },
  { key: 'cost_change_usd', type: 'usd', label: 'Change' },
]

function changeRow({ callsChanged, newlyPriced, newlyUnpriced, costBeforeNanoUsd, costAfterNanoUsd }: CostChange): Row {
  return {
    calls_changed: callsChanged,
    newly_priced: newlyPriced,
    newly_unpriced: newlyUnpriced,
    cost_before_usd: formatUsd(costBeforeNanoUsd),
    cost_after_usd: formatUsd(costAfterNanoUsd),
    cost_change_usd: formatUsd(costAfterNanoUsd - costBeforeNanoUsd),
  }
}

async function list(io: Io, { format, header }: Globals, store: Store): Promise<void> {
  const rows = (await store.repricings()).map(repricingRow)
  if (format === 'json') await io.out(`${JSON.stringify({ schema: 'repricings/v1', columns: listColumns, rows })}\n`)
  else if (rows.length > 0 || format !== 'table')
    await io.out(formatSheet({ title: 'Repricings', columns: listColumns, rows, notes: [] }, format, { decorated: io.decorated, header }))
  if (rows.length === 0) io.say('This ledger was never repriced.')
}

const listColumns: readonly Column[] = [
  { key: 'repricing', type: 'int', label: 'Repricing' },
  { key: 'state', type: 'string', label: 'State' },
  { key: 'started_at', type: 'time', label: 'Started' },
  { key: 'finished_at', type: 'time', label: 'Finished' },
  { key: 'undone_at', type: 'time', label: 'Undone' },
  { key: 'since', type: 'time', label: 'Since' },
  { key: 'until', type: 'time', label: 'Until' },
  { key: 'model', type: 'string', label: 'Model' },
  { key: 'scope', type: 'string', label: 'Calls' },
  { key: 'price_source', type: 'string', label: 'Prices' },
  ...changeColumns,
]

function repricingRow(repricing: Repricing): Row {
  const { id, state, startedMs, finishedMs, undoneMs, scope, priceSource } = repricing
  return {
    repricing: id,
    state,
    started_at: iso(startedMs),
    finished_at: iso(finishedMs),
    undone_at: iso(undoneMs),
    since: iso(scope.sinceMs),
    until: iso(scope.untilMs),
    model: scope.model ?? null,
    scope: scope.unpricedOnly ? 'unpriced' : 'all',
    price_source: priceSource,
    ...changeRow(repricing),
  }
}

function iso(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
