import { isModelError } from '../../behavior/friction.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'

/** How many requests there were, those of nobody too, and how many of them failed for what their model or provider did. */
export async function readRequests(frame: Frame): Promise<{ requests: number; modelErrors: number }> {
  const found = await readGroups(frame.store, await scopeOf(frame, frame.period), {
    dimensions: [
      { kind: 'column', name: 'status' },
      { kind: 'column', name: 'error' },
    ],
    metrics: ['requests'],
  })
  let [requests, modelErrors] = [0, 0]
  for (const { labels, group } of found) {
    const count = group.sums.get('requests') ?? 0
    requests += count
    const [status, errorClass] = labels
    if (isModelError({ status: String(status), errorClass: typeof errorClass === 'string' ? errorClass : undefined })) modelErrors += count
  }
  return { requests, modelErrors }
}
