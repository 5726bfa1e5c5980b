import { diag, DiagLogLevel } from '@opentelemetry/api'
import { afterEach, expect, it, vi } from 'vitest'

import { readSettings, settings } from '../src/settings.ts'

afterEach(() => diag.disable())

it('takes the option before the environment, and the environment before the default', () => {
  const env = {
    SPANLEDGER_MAX_BATCH_CALLS: '10',
    SPANLEDGER_MAX_DELAY_MS: '20',
    SPANLEDGER_HANDLE_SIGNALS: 'false',
    SPANLEDGER_SPOOL: '/var/spool/x',
    SPANLEDGER_PRICES: '/etc/prices.json',
  }
  expect(readSettings({ maxBatchCalls: 5 }, env)).toEqual({
    pricesPath: '/etc/prices.json',
    spoolPath: '/var/spool/x',
    maxQueueBytes: settings.maxQueueBytes.default,
    maxSpoolBytes: settings.maxSpoolBytes.default,
    maxBatchCalls: 5,
    maxDelayMs: 20,
    linkAllSpans: false,
    handleSignals: false,
  })
})

it('says which value is none of its kind, and goes on with the default', () => {
  const warn = vi.fn<(message: string) => void>()
  diag.setLogger({ error: warn, warn, info: warn, debug: warn, verbose: warn }, DiagLogLevel.WARN)
  const read = readSettings({ maxQueueBytes: -1 }, { SPANLEDGER_MAX_DELAY_MS: 'soon', SPANLEDGER_LINK_ALL_SPANS: 'yes' })
  expect([read.maxQueueBytes, read.maxDelayMs, read.linkAllSpans]).toEqual([settings.maxQueueBytes.default, 1000, false])
  expect(warn.mock.calls.map(([message]) => message)).toEqual([
    'Spanledger: maxQueueBytes is -1; it must be a number of bytes, at least 1. Using 33554432.',
    'Spanledger: SPANLEDGER_MAX_DELAY_MS is "soon"; it must be a number of ms, at least 1. Using 1000.',
    'Spanledger: SPANLEDGER_LINK_ALL_SPANS is "yes"; it must be a boolean. Using false.',
  ])
})
