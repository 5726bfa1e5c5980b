import { issuesOf, retryRates, type RequestsOfFeature } from '../../behavior/retries.ts'
import { NONE } from '../../query/dimensions.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { withoutFingerprints } from '../../read/read-retries.ts'
import { readRequestsByFeature } from '../histories/read-retries.ts'

/** How often users ask the same again, of each feature. */
export async function tellRetries({ frame }: PeopleAsked): Promise<Told> {
  const { features, isTold } = await readRequestsByFeature(frame)
  return {
    columns: {
      feature: ['Feature', 'string', 'property "feature"'],
      requests: ['Requests', 'int', 'calls of users'],
      fingerprinted: [
        'Fingerprinted',
        'int',
        'of these, which have a fingerprint of what was asked; retries are found among them only, so with fewer than all retry_rate is at least so high',
      ],
      retries: [
        'Retries',
        'int',
        'of these, which ask what the same user asked up to five minutes before, or of which the app says so; null where no call of the ledger has a fingerprint',
      ],
      retry_rate: ['Retry %', 'rate', 'retries / requests; null likewise', ['retries', 'requests']],
      retried_request_rate: [
        'Retried %',
        'rate',
        'requests that were repeated / requests that are no retries',
        ['retried_originals', 'originals'],
      ],
      after_error: ['After error', 'int', 'retries of what had failed'],
      regenerated: ['Regenerated', 'int', 'retries of what had been answered'],
      issues: ['Issues', 'string', 'what became of the requests that were repeated, the two commonest'],
      auto_retry_rate: [
        'Auto retry %',
        'rate',
        'requests that the SDK sent more than once, or with which a program tried again / requests',
        ['auto_retried', 'requests'],
      ],
    },
    rows: features
      .map((one) => ({ feature: one.feature ?? NONE, ...cellsOf([one], isTold), issues: issuesOf(one.repeated).join(', ') || null }))
      .sort((a, b) => (b.retry_rate ?? -1) - (a.retry_rate ?? -1) || b.requests - a.requests || (a.feature < b.feature ? -1 : 1)),
    totals: features.length === 0 ? {} : cellsOf(features, isTold),
    warnings: isTold || features.length === 0 ? [] : [withoutFingerprints],
  }
}

function cellsOf(features: readonly RequestsOfFeature[], isTold: boolean) {
  const { requests, fingerprinted, retries, retryRate, retriedRequestRate, afterError, autoRetryRate, ...counts } = retryRates(features, {
    isTold,
  })
  return {
    requests,
    fingerprinted,
    // Where nothing says what was asked, nobody knows of none.
    retries: isTold ? retries : null,
    retry_rate: retryRate,
    retried_request_rate: retriedRequestRate,
    after_error: isTold ? afterError : null,
    regenerated: isTold ? retries - afterError : null,
    auto_retry_rate: autoRetryRate,
    retried_originals: isTold ? counts.retriedOriginals : null,
    originals: isTold ? requests - retries : null,
    auto_retried: counts.autoRetried,
  }
}
