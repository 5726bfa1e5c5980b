import { parseFilter, type FilterNode } from '../../query/filter.ts'
import type { Frame } from '../../read/frame.ts'

/** Properties that say who chose the model of a call: `user`, or the app. */
const choiceKeys = ['model.choice', 'model_choice'] as const
/** Also what an app tries out, whatever it thinks the user likes: else a preference that the app acts on would confirm itself. */
const chosenBy = ['user', 'exploration']

/** The calls whose model the user chose; undefined where the ledger does not know who chooses. */
export function isModelChosen({ catalog }: Pick<Frame, 'catalog'>): FilterNode | undefined {
  const key = choiceKeys.find((one) => catalog.keys.has(one))
  return key === undefined ? undefined : parseFilter(['is', `property:${key}`, chosenBy])
}
