/**
 * What each user cost in a month as CSV on stdout, and the margin of each plan on stderr:
 * `npm start` here, or `node --import spanledger/register billing-export.mjs [2026-01] > january.csv`.
 */
import { NodeSDK } from '@opentelemetry/sdk-node'
import { startStandIn } from '@spanledger/stand-in'
import OpenAI from 'openai'
import { LedgerSpanProcessor, LlmInstrumentation, openAnalytics, openStore, withUser } from 'spanledger'

const path = process.env.SPANLEDGER_STORE ?? 'billing.db'
const month = process.argv[2] ?? new Date().toISOString().slice(0, 7)

/** What a user of a plan pays a month, in whole USD. */
const usdByPlan = { free: 0n, pro: 20n, enterprise: 200n }

await makeSomeCalls()
const store = await openStore({ path, readOnly: true })
const { rows, totals } = await openAnalytics(store).query({
  metrics: ['requests', 'total_tokens', 'cost_usd', 'unpriced_requests'],
  by: ['user', 'property:plan'],
  since: `${month}-01`,
  until: lastDayOf(month),
  order_by: [['cost_usd', 'desc']],
})
await store.close()

const columns = ['user', 'plan', 'requests', 'total_tokens', 'cost_usd', 'unpriced_requests']
const csvRows = rows.map((row) => columns.map((column) => csvCell(row[column])).join(','))
process.stdout.write([columns.join(','), ...csvRows, ''].join('\r\n'))

// Nine decimals are whole nano-USD, so sums of bigint are exact. Floating point would be off by the second thousand calls.
const sum = rows.reduce((nanoUsd, { cost_usd }) => nanoUsd + nanoUsdOf(cost_usd), 0n)
if (sum !== nanoUsdOf(totals.cost_usd)) throw new Error(`The lines add up to ${usd(sum)}, the ledger says ${totals.cost_usd}.`)
console.error(`${month}: ${rows.length} lines, ${usd(sum)} USD, as the ledger says`)

const plans = Object.entries(usdByPlan).map(([plan, price]) => {
  const lines = rows.filter((row) => row.plan === plan)
  const cost = lines.reduce((nanoUsd, { cost_usd }) => nanoUsd + nanoUsdOf(cost_usd), 0n)
  const users = lines.filter(({ user }) => user !== '(none)').length
  const revenue = price * BigInt(users) * 1_000_000_000n
  return { plan, users, revenue_usd: usd(revenue), cost_usd: usd(cost), margin_usd: usd(revenue - cost) }
})
for (const line of plans)
  console.error(
    Object.entries(line)
      .map(([name, value]) => `${name} ${value}`)
      .join('  '),
  )

/** A month of three customers, made up here so that there is something to bill. */
async function makeSomeCalls() {
  const sdk = new NodeSDK({ instrumentations: [new LlmInstrumentation()], spanProcessors: [new LedgerSpanProcessor({ store: path })] })
  sdk.start()
  const standIn = process.env.OPENAI_BASE_URL === undefined ? await startStandIn() : undefined
  const openai = new OpenAI(standIn === undefined ? {} : { baseURL: `${standIn.url}/v1`, apiKey: 'any' })
  const customers = [
    { user: 'acme, inc.', plan: 'enterprise', model: 'gpt-4.1', calls: 5 },
    { user: 'ben', plan: 'pro', model: 'gpt-4o-mini', calls: 4 },
    { user: 'cleo', plan: 'free', model: 'gpt-4o-mini', calls: 3 },
  ]
  for (const { user, plan, model, calls } of customers) {
    await withUser(user, { properties: { plan } }, async () => {
      for (let n = 0; n < calls; n++) {
        await openai.chat.completions.create({ model, messages: [{ role: 'user', content: `Invoice ${n + 1}: what is still open?` }] })
      }
    })
  }
  await sdk.shutdown()
  await standIn?.close()
}

function lastDayOf(yearAndMonth) {
  const [year, number] = yearAndMonth.split('-').map(Number)
  return new Date(Date.UTC(year, number, 0)).toISOString().slice(0, 10)
}

/** Spreadsheets run what begins like a formula; a quote in front keeps it text. Numbers are ours and stay as they are. */
function csvCell(value) {
  if (value === null) return ''
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Unknown costs are null; they are counted as unpriced_requests and not billed. */
function nanoUsdOf(costUsd) {
  return costUsd === null ? 0n : BigInt(costUsd.replace('.', ''))
}

function usd(nanoUsd) {
  const digits = String(nanoUsd < 0n ? -nanoUsd : nanoUsd).padStart(10, '0')
  return `${nanoUsd < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`
}
