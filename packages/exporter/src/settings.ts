import type { StoreOptions } from '@spanledger/store'

import { say } from './say.ts'

/** Every option of the processor and the exporter besides `store`: its environment variable, default, unit and meaning. */
export const settings = {
  pricesPath: {
    env: 'SPANLEDGER_PRICES',
    default: '',
    unit: 'path',
    says: 'A file of your own prices, on top of the bundled ones. Only for a store that is opened here.',
  },
  spoolPath: {
    env: 'SPANLEDGER_SPOOL',
    default: '',
    unit: 'path',
    says: 'Folder for calls that the store cannot take at the moment. Default: the path of the store with ".spool" behind it.',
  },
  maxQueueBytes: {
    env: 'SPANLEDGER_MAX_QUEUE_BYTES',
    default: 32 * 1024 * 1024,
    unit: 'bytes',
    says: 'Ended spans and unwritten calls that may wait in memory, by estimate; what comes on top is dropped and counted.',
  },
  maxSpoolBytes: {
    env: 'SPANLEDGER_MAX_SPOOL_BYTES',
    default: 256 * 1024 * 1024,
    unit: 'bytes',
    says: 'How large the spool folder may grow.',
  },
  maxBatchCalls: {
    env: 'SPANLEDGER_MAX_BATCH_CALLS',
    default: 512,
    unit: 'calls',
    says: 'Calls in one transaction; as many waiting are written at once.',
  },
  maxDelayMs: { env: 'SPANLEDGER_MAX_DELAY_MS', default: 1000, unit: 'ms', says: 'The longest that a call waits to be written.' },
  linkAllSpans: {
    env: 'SPANLEDGER_LINK_ALL_SPANS',
    default: false,
    unit: 'boolean',
    says: 'Tell the store of every span, not only of those around calls. For traces whose parts several processes write to one store.',
  },
  handleSignals: {
    env: 'SPANLEDGER_HANDLE_SIGNALS',
    default: true,
    unit: 'boolean',
    says: 'Write what waits when SIGTERM or SIGINT comes.',
  },
} as const satisfies Record<string, Setting>

/** One row of the table of options. */
export interface Setting {
  readonly env: string
  readonly default: string | number | boolean
  readonly unit: 'path' | 'bytes' | 'calls' | 'ms' | 'boolean'
  readonly says: string
}

/** Where the path of the store stands when no option names it, and what it is when nothing does. */
export const storeSetting = { env: 'SPANLEDGER_STORE', default: 'spanledger.db' } as const

/** How a store named by its path is opened. */
export function storeOptions(path: string, pricesPath: string): StoreOptions {
  return { path, cacheMiB: CACHE_MIB, ...(pricesPath !== '' && { pricesPath }) }
}

/** Memory is the app's: half of what a store takes by itself. What it reads again the system's own cache has. */
const CACHE_MIB = 4

/** A value for each row of the table. */
export type Settings = { readonly [Name in keyof typeof settings]: Widened<(typeof settings)[Name]['default']> }

type Widened<Value> = Value extends boolean ? boolean : Value extends number ? number : string

/** The options given, else the environment, else the defaults. What is no value of its kind is ignored with a warning: never throws. */
export function readSettings(options: Partial<Settings>, env: Readonly<Record<string, string | undefined>>): Settings {
  const read = Object.entries(settings).map(([name, setting]) => {
    const fromOption = valid(setting, options[name as keyof Settings], name)
    return [name, fromOption ?? valid(setting, parse(setting, env[setting.env]), setting.env) ?? setting.default]
  })
  return Object.fromEntries(read) as Settings
}

function parse(setting: Setting, text: string | undefined): unknown {
  if (text === undefined || text === '' || typeof setting.default === 'string') return text === '' ? undefined : text
  if (typeof setting.default === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  const number = Number(text)
  return Number.isNaN(number) ? text : number
}

function valid(setting: Setting, value: unknown, name: string): string | number | boolean | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' ? Number.isFinite(value) && value >= 1 : true) {
    if (typeof value === typeof setting.default) return value as string | number | boolean
  }
  const wanted = typeof setting.default === 'number' ? `a number of ${setting.unit}, at least 1` : `a ${setting.unit}`
  say('warn', `${name} is ${JSON.stringify(value)}; it must be ${wanted}. Using ${JSON.stringify(setting.default)}.`)
  return undefined
}
