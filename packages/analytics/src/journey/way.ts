import type { Journey } from './journeys.ts'
import { isWatched, ownDay, type JourneyTime, type Person } from './person.ts'

/** How far somebody has come: what the calls say, and what the app said beside them. */
export interface Way {
  readonly person: Person
  /** Undefined where the user signed up and never called. */
  readonly journey: Journey | undefined
  /** By `goal:NAME` and `milestone:NAME`: the first time, in ms. */
  readonly reached: ReadonlyMap<string, number>
}

/** Something that users reach once. */
export interface Step {
  readonly name: string
  /** How it is known: from calls, or because the app said so. */
  readonly basis: 'inferred' | 'explicit'
  /** When somebody reached it, in ms. */
  readonly at: (way: Way) => number | undefined
}

/** The steps that calls tell, in the order in which most users take them. */
export const milestoneSteps = [
  { name: 'first_success', basis: 'inferred', at: ({ journey }) => journey?.successMs },
  { name: 'first_multi_turn', basis: 'inferred', at: ({ journey }) => journey?.multiTurnMs },
  { name: 'first_advanced_feature', basis: 'inferred', at: ({ journey }) => journey?.advancedMs },
  { name: 'first_week_retention', basis: 'inferred', at: ({ journey }) => journey?.secondWeekMs },
] as const satisfies readonly Step[]

/** A goal or milestone that the app tells, under its name with the prefix. */
export function toldStep(name: string): Step {
  return { name, basis: 'explicit', at: ({ reached }) => reached.get(name) }
}

/** The first goal of any name that somebody reached. */
export function firstGoalMs({ reached }: Way): number | undefined {
  let first: number | undefined
  for (const [name, ms] of reached) if (name.startsWith('goal:') && (first === undefined || ms < first)) first = ms
  return first
}

/** When it was worth it for somebody: the first goal, else the first success. */
export function valueMs(way: Way): number | undefined {
  return firstGoalMs(way) ?? way.journey?.successMs
}

/** When somebody reached a step on one of the own days that are looked at; undefined where not on those. */
export function reachedWithin(way: Way, step: Pick<Step, 'at'>, time: JourneyTime): number | undefined {
  const ms = step.at(way)
  return ms !== undefined && ownDay(way.person, ms, time) < time.withinDays ? ms : undefined
}

/** Those of whom it is known what they did on all the days that are looked at, whether or not they got anywhere. */
export function watchedWays(ways: readonly Way[], time: JourneyTime): Way[] {
  return ways.filter(({ person }) => isWatched(person, time))
}
