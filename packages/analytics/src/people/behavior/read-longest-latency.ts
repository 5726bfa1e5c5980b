import { bucketMs, type Store } from '@spanledger/store'

import { readColumns } from '../../ledger/snapshot.ts'
import { readPackedCounts } from '../../sums/packed-counts.ts'

/** No call of the ledger took longer, up to the month of a day (`yyyymmdd`): by the histograms of its months. In ms. */
export async function readLongestLatency(store: Store, lastDay: number): Promise<number> {
  const [packed = []] = await readColumns<string>(store, {
    text: 'SELECT json_group_array(hex(latency)) AS latency FROM rollup_models WHERE bucket % 100 = 0 AND bucket <= ?',
    values: [lastDay],
  })
  let longest = 0
  for (const one of packed) readPackedCounts(one, (bucket) => void (longest = Math.max(longest, bucket)))
  // The bound above the bucket's middle is 1.1 % away.
  return Math.ceil(bucketMs(longest) * 1.02)
}
