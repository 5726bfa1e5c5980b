import type { CallKind } from '../../read/read-kinds.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { Journeys, type Journey, type JourneyKind } from '../../journey/journeys.ts'
import type { Person } from '../../journey/person.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { readRetries } from '../../read/read-retries.ts'
import { eachCall, openCallWords, type CallWords } from '../histories/user-calls.ts'

/** How far users have come, by id, and what the features in there are called. */
export interface ReadJourneys {
  readonly journeys: ReadonlyMap<number, Journey>
  readonly featureNames: ReadonlyMap<number, string>
}

const FEW_PEOPLE = 1000

/** Reads all calls since the first of these people came, in the order of their start. */
export async function readJourneys(
  frame: Frame,
  people: ReadonlyMap<number, Person>,
  advancedFeatures: readonly string[] = [],
): Promise<ReadJourneys> {
  // Whatever a question is restricted to: what is somebody's first is so among all calls.
  const everything = { ...frame, where: undefined, dimensions: [] }
  const period = { fromMs: await firstOf(frame, people), toMs: frame.clock.asOfMs }
  const retries = await readRetries(everything.store, await scopeOf(everything, period))
  const words = await openCallWords(everything, { retries })
  const kinds = new Map([...words.kinds].map(([id, kind]) => [id, toJourneyKind(kind)]))
  const advanced = await featureIdsOf(frame, words, advancedFeatures)
  const journeys = new Journeys(people)
  const features = new Set<number>()
  await eachCall(everything, words, {
    period,
    // Of few people the calls are picked out by the ledger; of many, while they pass.
    ...(people.size <= FEW_PEOPLE ? { userIds: [...people.keys()] } : {}),
    take: ({ userId, sessionId, startMs, endMs, kindId, featureId, isMessage }) => {
      if (featureId !== 0) features.add(featureId)
      journeys.add(userId, {
        session: sessionId,
        startMs,
        endMs,
        kind: kinds.get(kindId) ?? unknownKind,
        isMessage,
        feature: featureId,
        isAdvanced: advanced.has(featureId),
      })
    },
  })
  const names = await words.features(features)
  // Words know the names that were asked for too, also those that no call has.
  return { journeys: journeys.finish(), featureNames: new Map([...names].filter(([id]) => features.has(id))) }
}

async function firstOf(frame: Frame, people: ReadonlyMap<number, Person>): Promise<number> {
  const firstSeen = await frame.firstSeen()
  let fromMs = frame.clock.asOfMs
  for (const userId of people.keys()) fromMs = Math.min(fromMs, firstSeen.get(userId) ?? fromMs)
  return fromMs
}

/** Under which numbers calls have features of some names: those of their values, and of values that are kept as text. */
async function featureIdsOf({ store }: Frame, words: CallWords, names: readonly string[]): Promise<ReadonlySet<number>> {
  const interned = await readRows<number>(store, {
    text: `SELECT json_group_array(v.value_id) AS rows FROM property_keys AS k JOIN property_values AS v ON v.key_id = k.key_id
      WHERE k.key = 'feature' AND v.value IN (SELECT value FROM json_each(?))`,
    values: [JSON.stringify(names)],
  })
  return new Set([...interned, ...names.map((name) => words.featureId(name))])
}

const unknownKind: JourneyKind = { isOk: true, isBadEnd: false }

function toJourneyKind({ status, errorClass }: CallKind): JourneyKind {
  return { isOk: status === 'ok', isBadEnd: status !== 'ok' || errorClass === 'truncated' }
}
