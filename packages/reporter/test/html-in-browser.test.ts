import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import axe from 'axe-core'
import { chromium, type Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { run, temporaryFolder, writeLedger, type SoldCall } from './run-command.ts'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

const attacks = [
  '<script>document.title = "taken"</script>',
  '"><img src=x onerror="document.title=\'taken\'">',
  "' onfocus='document.title=1' autofocus='",
  '</text></svg><iframe src="http://127.0.0.1:9/"></iframe>',
  '\u202Egnp.exe',
  'مرحبا بالعالم',
  `${'long '.repeat(100)}<b>`,
]
const DAY_MS = 86_400_000

const reports: Readonly<Record<string, readonly string[]>> = {
  users: ['report', 'users', '--columns', 'all', '--explain'],
  properties: ['report', 'properties', '--by', 'property:plan'],
  models: ['report', 'models'],
  overview: ['report', 'overview'],
  active: ['report', 'active'],
  growth: ['report', 'growth', '--by', 'time:week'],
  cohorts: ['report', 'cohorts', '--by', 'time:week'],
  forecast: ['report', 'forecast'],
  segments: ['report', 'segments'],
  weekly: ['report', 'weekly'],
  monthly: ['report', 'monthly', '--date', '2026-04-01'],
  'a query by day': ['query', '{"metrics":["requests","cost_usd"],"by":["time:day","property:plan"]}'],
}
/** Reports that are drawn; cohorts are a table with shades. */
const drawn = new Set(Object.keys(reports).filter((name) => name !== 'cohorts'))

const folder = temporaryFolder()
const ledger = join(folder, 'ledger.db')
const pathOf = (name: string): string => join(folder, `${name.replaceAll(' ', '-')}.html`)
let browser: Browser | undefined

interface Found {
  readonly title: string
  readonly active: number
  readonly charts: number
  readonly named: number
  readonly tables: number
}

// Text, because it runs in the page: tests know no DOM.
const whatThereIs = `({
  title: document.title,
  active: document.querySelectorAll('script, iframe, img, object, embed, link, [style], [onload], [onerror], [onfocus]').length,
  charts: document.querySelectorAll('svg[role=img]').length,
  named: [...document.querySelectorAll('svg[role=img]')].filter((svg) =>
    svg.getAttribute('aria-labelledby').split(' ').every((id) => document.getElementById(id).textContent !== '')).length,
  tables: document.querySelectorAll('table').length,
})`
/** Counts what the policy of the page forbade; runs before anything of the page does. */
const watchPolicy = `window.forbidden = []; addEventListener('securitypolicyviolation', (event) => window.forbidden.push(event.violatedDirective))`
const howItIsPrinted = `({
  scheme: getComputedStyle(document.documentElement).colorScheme,
  color: getComputedStyle(document.body).color,
  line: getComputedStyle(document.querySelector('.l0')).stroke,
})`

describe.skipIf(executablePath === undefined)('a page of a report in a browser', () => {
  beforeAll(async () => {
    const calls = Array.from({ length: 400 }, (_, n): SoldCall => ({
      at: new Date(Date.parse('2026-03-01T08:00:00Z') + Math.floor(n / 5) * DAY_MS).toISOString(),
      user: n % 2 === 0 ? (attacks[n % attacks.length] ?? '') : `user-${n % 23}`,
      model: n % 3 === 0 ? 'gpt-4o' : 'gpt-4o-mini',
      properties: { plan: attacks[(n * 3) % attacks.length] ?? '' },
    }))
    await writeLedger(ledger, calls)
    for (const [name, args] of Object.entries(reports)) {
      const { code, err } = await run([...args, '--store', ledger, '--as-of', '2026-05-20', '--format', 'html', '--out', pathOf(name)])
      if (code !== 0) throw new Error(`${name}: ${err}`)
    }
    browser = await chromium.launch({ ...(executablePath === undefined ? {} : { executablePath }), args: ['--no-sandbox'] })
  }, 300_000)
  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true })
  })

  it.each(Object.keys(reports).flatMap((name) => (['light', 'dark'] as const).map((scheme) => [name, scheme] as const)))(
    'has no fault that axe-core knows, runs nothing and asks for nothing: %s, %s',
    async (name, colorScheme) => {
      const page = await browser!.newPage({ colorScheme })
      const asked: string[] = []
      const said: string[] = []
      await page.addInitScript(watchPolicy)
      page.on('request', (request) => asked.push(request.url()))
      page.on('console', (message) => said.push(message.text()))
      await page.goto(pathToFileURL(pathOf(name)).href)
      const found = await page.evaluate<Found>(whatThereIs)
      expect(asked).toEqual([pathToFileURL(pathOf(name)).href])
      expect(said).toEqual([])
      expect(await page.evaluate('window.forbidden')).toEqual([])
      expect(found.title).not.toMatch(/^taken$|^1$/)
      expect(found.active).toBe(0)
      expect(found.named).toBe(found.charts)
      expect(found.charts > 0).toBe(drawn.has(name))
      expect(found.tables).toBeGreaterThan(0)
      await page.evaluate(axe.source)
      const { violations } = await page.evaluate<axe.AxeResults>('axe.run()')
      expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
      await page.close()
    },
    60_000,
  )

  it('lets no script run, should one get in all the same', async () => {
    const page = await browser!.newPage()
    await page.addInitScript(watchPolicy)
    const { out } = await run(['report', 'models', '--store', ledger, '--format', 'html'])
    const path = pathOf('broken into')
    writeFileSync(path, out.replace('<main>', '<main><script>document.title = "taken"</script>'))
    await page.goto(pathToFileURL(path).href)
    expect(await page.title()).toMatch(/^models/)
    expect(await page.evaluate('window.forbidden')).toEqual(['script-src-elem'])
    await page.close()
  })

  it('is printed on paper: in black on white, with all columns of its table', async () => {
    const page = await browser!.newPage({ colorScheme: 'dark' })
    await page.goto(pathToFileURL(pathOf('a query by day')).href)
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    const printed = await page.evaluate(howItIsPrinted)
    expect(printed).toEqual({ scheme: 'light', color: 'rgb(0, 0, 0)', line: 'rgb(0, 114, 178)' })
    expect((await page.pdf()).subarray(0, 5).toString()).toBe('%PDF-')
    await page.close()
  })
})
