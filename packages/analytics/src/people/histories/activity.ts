import { both, type FilterNode } from '../../query/filter.ts'
import type { Frame } from '../../read/frame.ts'
import { choiceOf, type GivenOptions } from '../../report-options.ts'

const succeeded: FilterNode = { kind: 'text', operator: 'is', name: 'status', values: ['ok'] }

/** The same question of the calls that make a user active: of all, or (`--activity success`) of those that succeeded. */
export function ofActivity(frame: Frame, options: GivenOptions): Frame {
  if (choiceOf(options, 'activity') === 'any') return frame
  const { where } = frame
  return { ...frame, where: both(where, succeeded) }
}
