import type { Cell, Column } from '@spanledger/analytics'

import { sparkline } from './sparkline.ts'

/** A value as people read it, in tables, Markdown and HTML; programs read JSON and CSV. */
export function shown(
  value: Cell | undefined,
  { key, type }: Pick<Column, 'key' | 'type'>,
  { ascii = false }: { ascii?: boolean | undefined } = {},
): string {
  if (value === null || value === undefined) return '-'
  if (typeof value === 'object') return sparkline(value, { ascii })
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'string')
    return type === 'usd' ? shownUsd(value) : type === 'time' ? `${value.slice(0, 16).replace('T', ' ')}Z` : value
  switch (type) {
    case 'rate':
      return shownPercent(value, key.endsWith('_change'))
    case 'ms':
      return shownDuration(value)
    case 's':
      return shownDuration(value * 1000)
    case 'int':
      return grouped(String(value))
    default:
      return shownDecimal(value)
  }
}

/** Whether a column's values stand at the right. */
export function isNumeric({ type }: Pick<Column, 'type'>): boolean {
  return type !== 'string' && type !== 'date' && type !== 'time' && type !== 'bool' && type !== 'counts'
}

/** USD with two decimals from 1 on and four below, rounded half up; small but not nothing is never shown as nothing. */
export function shownUsd(decimal: string): string {
  const negative = decimal.startsWith('-')
  const [whole = '0', fraction = ''] = decimal.replace('-', '').split('.')
  const nano = BigInt(whole + fraction.padEnd(9, '0').slice(0, 9))
  if (nano === 0n) return '$0'
  if (nano < 100_000n) return negative ? '>-$0.0001' : '<$0.0001'
  const decimals = nano >= 1_000_000_000n ? 2 : 4
  const unit = 10n ** BigInt(9 - decimals)
  const digits = ((nano + unit / 2n) / unit).toString().padStart(decimals + 1, '0')
  return `${negative ? '-' : ''}$${grouped(digits.slice(0, -decimals))}.${digits.slice(-decimals)}`
}

/** Two decimals; two digits of what is smaller, so that small is never shown as nothing. */
function shownDecimal(value: number): string {
  const size = Math.abs(value)
  if (value !== 0 && size < 0.0001) return value.toExponential(1)
  return size < 0.1 ? String(Number(value.toPrecision(2))) : grouped(String(Math.round(value * 100) / 100))
}

function shownPercent(rate: number, signed: boolean): string {
  const percent = rate * 100
  if (percent !== 0 && Math.abs(percent) < 0.1) return percent < 0 ? '>-0.1 %' : '<0.1 %'
  return `${signed && percent > 0 ? '+' : ''}${grouped(percent.toFixed(1))} %`
}

function shownDuration(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`
}

function grouped(digits: string): string {
  const [whole = '', ...rest] = digits.split('.')
  return [whole.replaceAll(/\B(?=(\d{3})+$)/g, ','), ...rest].join('.')
}
