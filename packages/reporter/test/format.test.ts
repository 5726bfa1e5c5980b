import type { Answer, Column } from '@spanledger/analytics'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { cleanText } from '../src/format/clean-text.ts'
import { shownUsd } from '../src/format/shown.ts'
import { formatAnswer, formats } from '../src/format/write-answer.ts'

const columns: Column[] = [
  { key: 'plan', type: 'string', label: 'Plan' },
  { key: 'requests', type: 'int', label: 'Requests' },
  { key: 'cost_usd', type: 'usd', label: 'Cost' },
  { key: 'error_rate', type: 'rate', label: 'Error %' },
  { key: 'last_seen', type: 'time', label: 'Last seen' },
]

function answerOf(...plans: string[]): Answer {
  return {
    schema: 'properties/v1',
    params: {},
    meta: {
      from: '2026-01-01T00:00:00.000Z',
      to: '2026-02-01T00:00:00.000Z',
      tz: 'UTC',
      as_of: '2026-02-01T00:00:00.000Z',
      complete: true,
      requests: 1,
      users: 1,
      anonymous_share: 0,
      unpriced_requests: 0,
      rows: plans.length,
      next: null,
      warnings: [],
    },
    columns,
    rows: plans.map((plan) => ({
      plan,
      requests: 12_345,
      cost_usd: '1234.567891234',
      error_rate: null,
      last_seen: '2026-01-31T23:59:59.999Z',
    })),
    totals: { requests: 24_690, cost_usd: '2469.135782468', error_rate: null },
  }
}

const plain = { decorated: false, header: true }

describe('counts by day', () => {
  const answer: Answer = {
    ...answerOf(),
    columns: [
      { key: 'plan', type: 'string', label: 'Plan' },
      { key: 'days', type: 'counts', label: 'Days' },
    ],
    rows: [
      { plan: 'pro', days: [0, 1, 2, 3, 4, 5, 6, 7, 70] },
      { plan: 'free', days: [5, 5, 5] },
      { plan: 'team', days: null },
    ],
    totals: {},
  }

  it('are drawn for people, low to high, in ASCII where blocks are not wanted', () => {
    expect(formatAnswer(answer, 'table', plain)).toBe(['Plan  Days', 'pro   ▁▁▁▁▁▂▂▂█', 'free  ▁▁▁', 'team  -', ''].join('\n'))
    expect(formatAnswer(answer, 'table', { ...plain, ascii: true })).toContain('pro   .....:::@\nfree  ...\n')
    expect(formatAnswer(answer, 'md', plain)).toContain('| pro | ▁▁▁▁▁▂▂▂█ |')
    expect(formatAnswer(answer, 'html', plain)).toContain('<td>▁▁▁▁▁▂▂▂█</td>')
  })

  it('are numbers for programs', () => {
    expect(formatAnswer(answer, 'csv', plain)).toBe('plan,days\r\npro,0 1 2 3 4 5 6 7 70\r\nfree,5 5 5\r\nteam,\r\n')
    expect(formatAnswer(answer, 'ndjson', plain)).toContain('{"plan":"free","days":[5,5,5]}\n')
  })
})

describe('a total that leaves calls without a price out', () => {
  const whole = answerOf('pro', 'free')
  const answer = { ...whole, meta: { ...whole.meta, unpriced_requests: 3 } }

  it('says that it is a floor, in every form that people read', () => {
    expect(formatAnswer(answer, 'table', plain)).toContain('≥ $2,469.14')
    expect(formatAnswer(answer, 'table', { ...plain, ascii: true })).toContain('>= $2,469.14')
    expect(formatAnswer(answer, 'md', plain)).toContain('**≥ $2,469.14**')
    expect(formatAnswer(answer, 'html', plain)).toContain('≥ $2,469.14')
    expect(formatAnswer(whole, 'table', plain)).not.toContain('≥')
    expect(formatAnswer(answer, 'csv', plain)).not.toContain('≥')
  })
})

describe('a row that leaves calls without a price out', () => {
  const floors = (answer: Answer): string[] => formatAnswer(answer, 'table', plain).match(/≥ \S+/g) ?? []

  it('says so where it is all there is, since then no total does', () => {
    const one = answerOf('pro')
    const unpriced = { ...one, meta: { ...one.meta, unpriced_requests: 3 } }
    expect(floors(one)).toEqual([])
    expect(floors(unpriced)).toEqual(['≥ $1,234.57'])
    expect(formatAnswer(unpriced, 'html', plain)).toContain('≥ $1,234.57')
    expect(formatAnswer(unpriced, 'md', plain)).toContain('≥ $1,234.57')
  })

  it('says so of its own calls, where they are counted', () => {
    const two = answerOf('pro', 'free')
    const rows = two.rows.map((row, n) => ({ ...row, unpriced_requests: n }))
    expect(floors({ ...two, rows, meta: { ...two.meta, unpriced_requests: 1 } })).toEqual(['≥ $1,234.57', '≥ $2,469.14'])
  })
})

describe('all other rows', () => {
  const other = { rows: 40, values: { requests: 5, cost_usd: '0.000000001', error_rate: 0.5 } }
  const answer = { ...answerOf('pro'), other }

  it('are a line between rows and total, with the columns that totals have', () => {
    expect(formatAnswer(answer, 'table', plain)).toBe(
      [
        'Plan             Requests       Cost  Error %  Last seen',
        'pro                12,345  $1,234.57        -  2026-01-31 23:59Z',
        '(other) 40 rows         5   <$0.0001   50.0 %',
        'total              24,690  $2,469.14        -',
        '',
      ].join('\n'),
    )
    expect(formatAnswer(answer, 'md', plain)).toContain('| **(other) 40 rows** | **5** | **\\<$0.0001** | **50.0 %** |  |\n| **total** |')
    expect(formatAnswer(answer, 'html', plain)).toContain('<tfoot><tr><td>(other) 40 rows</td><td class="n">5</td>')
    expect(JSON.parse(formatAnswer(answer, 'json', plain))).toEqual(answer)
    expect(formatAnswer({ ...answer, other: { ...other, rows: 1 } }, 'table', plain)).toContain('(other) 1 row ')
  })

  it('are no row for programs', () => {
    for (const format of ['csv', 'tsv', 'ndjson'] as const) expect(formatAnswer(answer, format, plain)).not.toContain('other')
  })
})

describe('definitions', () => {
  const answer = {
    ...answerOf('pro'),
    columns: columns.slice(0, 2),
    definitions: [
      { key: 'plan', label: 'Plan', type: 'string', says: 'the call\'s property "plan"' },
      { key: 'requests', label: 'Requests', type: 'int', says: 'calls <b> | that '.repeat(5) },
    ],
  } as const

  it('stand whole below a table, in a table of their own in Markdown and HTML, in JSON as they are', () => {
    expect(formatAnswer(answer, 'table', plain)).toBe(
      [
        'Plan  Requests',
        'pro     12,345',
        '',
        'Column    Is',
        'plan      the call\'s property "plan"',
        `requests  ${'calls <b> | that '.repeat(5).trimEnd()}`,
        '',
      ].join('\n'),
    )
    expect(formatAnswer(answer, 'md', plain)).toContain('| requests | calls \\<b\\> \\| that')
    expect(formatAnswer(answer, 'html', plain)).toContain('<td class="long">calls &lt;b&gt; | that')
    expect(JSON.parse(formatAnswer(answer, 'json', plain))).toEqual(answer)
  })

  it('leave rows for programs alone', () => {
    const { definitions: _, ...without } = answer
    for (const format of ['csv', 'tsv', 'ndjson'] as const)
      expect(formatAnswer(answer, format, plain)).toBe(formatAnswer(without, format, plain))
  })
})

describe('formats', () => {
  it('write the same answer each in its own way', () => {
    const answer = answerOf('pro', 'free')
    expect(formatAnswer(answer, 'table', plain)).toBe(
      [
        'Plan   Requests       Cost  Error %  Last seen',
        'pro      12,345  $1,234.57        -  2026-01-31 23:59Z',
        'free     12,345  $1,234.57        -  2026-01-31 23:59Z',
        'total    24,690  $2,469.14        -',
        '',
      ].join('\n'),
    )
    expect(formatAnswer(answer, 'csv', plain)).toBe(
      'plan,requests,cost_usd,error_rate,last_seen\r\npro,12345,1234.567891234,,2026-01-31T23:59:59.999Z\r\nfree,12345,1234.567891234,,2026-01-31T23:59:59.999Z\r\n',
    )
    expect(formatAnswer(answer, 'tsv', { ...plain, header: false })).toBe(
      'pro\t12345\t1234.567891234\t\t2026-01-31T23:59:59.999Z\nfree\t12345\t1234.567891234\t\t2026-01-31T23:59:59.999Z\n',
    )
    expect(formatAnswer(answer, 'json', plain)).toBe(`${JSON.stringify(answer)}\n`)
    expect(formatAnswer(answer, 'ndjson', plain)).toBe(answer.rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    expect(formatAnswer(answer, 'md', plain)).toBe(
      [
        '## properties, 2026-01-01T00:00:00.000Z to 2026-02-01T00:00:00.000Z, days of UTC',
        '',
        '| Plan | Requests | Cost | Error % | Last seen |',
        '| --- | ---: | ---: | ---: | --- |',
        '| pro | 12,345 | $1,234.57 | - | 2026-01-31 23:59Z |',
        '| free | 12,345 | $1,234.57 | - | 2026-01-31 23:59Z |',
        '| **total** | **24,690** | **$2,469.14** | **-** |  |',
        '',
      ].join('\n'),
    )
    expect(formatAnswer(answer, 'html', plain)).toContain('<td>pro</td><td class="n">12,345</td><td class="n">$1,234.57</td>')
  })

  it('give the same text for the same answer every time', () => {
    for (const format of formats)
      expect(formatAnswer(answerOf('a', 'b'), format, plain)).toBe(formatAnswer(answerOf('a', 'b'), format, plain))
  })
})

describe('money', () => {
  it('that is small is never shown as none', () => {
    expect(
      [
        '0.000000000',
        '0.000000001',
        '0.000099999',
        '0.000100000',
        '0.054399000',
        '0.999999999',
        '1.005000000',
        '1234567.891234567',
        '-0.5',
      ].map(shownUsd),
    ).toEqual(['$0', '<$0.0001', '<$0.0001', '$0.0001', '$0.0544', '$1.0000', '$1.01', '$1,234,567.89', '-$0.5000'])
  })
})

const nasty = [
  '=HYPERLINK("http://evil","x")',
  '+1',
  '-1+1',
  '@SUM(A1)',
  '\tx',
  '\rx',
  'a,b',
  'a"b',
  'a\nb',
  'a|b',
  '<script>alert(1)</script>',
  '[x](javascript:alert(1))',
  '\u001b[31mred\u001b]0;title\u0007',
  '\u202egnp.exe',
  '\ud800',
  '__proto__',
  '😀'.repeat(60),
  '`code` *b* \\',
]

// oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
const orders = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

describe('text from data', () => {
  it('holds no escape sequence in CSV or TSV that a terminal would obey', () => {
    for (const format of ['csv', 'tsv'] as const) {
      const shown = formatAnswer(answerOf('\u001b[31mred\u0007 \u009b2J'), format, plain)
      expect(shown).toContain('\ufffd[31mred\ufffd \ufffd2J')
    }
  })

  it('cannot become a formula in CSV or TSV, and reads back', () => {
    for (const format of ['csv', 'tsv'] as const) {
      for (const text of nasty) {
        const [cell = ''] = parseSeparated(formatAnswer(answerOf(text), format, plain), format)[1] ?? []
        expect(cell).not.toMatch(/^[=+\-@\t\r]/)
        expect(cell.replace(/^'/, '').replaceAll(/[\t\r\n ]+/g, ' ')).toBe(
          text
            .toWellFormed()
            .replaceAll(/[\t\r\n ]+/g, ' ')
            .replaceAll('\u0007', '\ufffd')
            .replaceAll('\u001b', '\ufffd'),
        )
      }
    }
  })

  it('leaves negative numbers as they are', () => {
    const answer = { ...answerOf('x'), rows: [{ plan: '-x', requests: -5, cost_usd: '-0.500000000', error_rate: -0.1, last_seen: null }] }
    expect(formatAnswer(answer, 'csv', { ...plain, header: false })).toBe("'-x,-5,-0.500000000,-0.1,\r\n")
  })

  it('cannot give orders to a terminal', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: 'binary' })), (text) => {
        for (const format of ['table', 'md', 'html'] as const) {
          expect(formatAnswer(answerOf(text), format, plain)).not.toMatch(orders)
        }
        expect(cleanText(text).isWellFormed()).toBe(true)
      }),
    )
  })

  it('is no emphasis in Markdown, and stays as it is within a word', () => {
    const rows = formatAnswer(answerOf('__proto__', 'rate_limit', '~~gone~~', '_a_b_'), 'md', plain)
      .split('\n')
      .slice(4, 8)
    expect(rows.map((row) => row.split(' | ')[0]?.slice(2))).toEqual(['\\_\\_proto\\_\\_', 'rate_limit', '\\~\\~gone\\~\\~', '\\_a_b\\_'])
  })

  it('cannot leave its cell in Markdown or HTML', () => {
    for (const text of nasty) {
      const markdown = formatAnswer(answerOf(text), 'md', plain).split('\n')
      expect(markdown[4]?.replaceAll(/\\./g, '').split('|')).toHaveLength(7)
      expect(markdown[4]).not.toMatch(/[^\\]</)
      const html = formatAnswer(answerOf(text), 'html', plain)
      expect(html.match(/<td(?: class="long")?>/g)).toHaveLength(2)
      expect(html).not.toContain('<script')
    }
  })
})

/** A plain reader of RFC 4180, for both separators. */
function parseSeparated(text: string, format: 'csv' | 'tsv'): string[][] {
  if (format === 'tsv') return text.split('\n').map((line) => line.split('\t'))
  const rows: string[][] = [[]]
  const pattern = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/y
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text)
    if (match === null) throw new Error(`no CSV at ${pattern.lastIndex}`)
    rows.at(-1)?.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    if (match[3] === '\r\n') rows.push([])
  }
  return rows
}
