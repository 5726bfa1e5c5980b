export { checkSetup, type SetupFinding } from './check-setup.ts'
export type { CommunicationStyle, StyleLabeller } from './communication-style.ts'
export { currentIdentity, withProperties, withSession, withUser, type Properties, type UserOptions } from './context.ts'
export { IdentitySpanProcessor } from './identity-span-processor.ts'
export { instrument, type InstrumentOptions } from './instrument.ts'
export { instrumentationState, type FailurePlace, type InstrumentationState, type SdkModuleState } from './instrumentation-state.ts'
export { LlmInstrumentation } from './llm-instrumentation.ts'
export type { BaggageOptions, LlmInstrumentationOptions } from './options.ts'
export { withRetryOf } from './retry-of.ts'
export { track, type Track } from './track.ts'
export type {
  AboutCall,
  ConsentEvent,
  EventOptions,
  ExposedEvent,
  FeedbackEvent,
  GoalEvent,
  MilestoneEvent,
  NpsEvent,
  PlanChangeEvent,
  RevenueEvent,
  SessionEndEvent,
  TaskEvent,
} from './track-options.ts'
