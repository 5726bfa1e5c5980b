export { type BilledPart, type BilledUsage } from './billed.ts'
export { type Directions, type Iteration } from './directions.ts'
export { startStandIn, type RecordedRequest, type StandIn, type StandInOptions } from './start-stand-in.ts'
export { seededRandom, seedOf, type SeededRandom } from './seeded-random.ts'
