export {
  openAnalytics,
  type Analytics,
  type AnalyticsOptions,
  type SegmentWords,
  type TierWords,
  type UserLimit,
  type ModelTiers,
  type UserMetrics,
} from '@spanledger/analytics'
export {
  LedgerSpanExporter,
  LedgerSpanProcessor,
  type LedgerSpanExporterOptions,
  type LedgerSpanProcessorOptions,
} from '@spanledger/exporter'
export {
  checkSetup,
  currentIdentity,
  IdentitySpanProcessor,
  instrument,
  instrumentationState,
  LlmInstrumentation,
  track,
  withProperties,
  withRetryOf,
  withSession,
  withUser,
  type AboutCall,
  type ConsentEvent,
  type EventOptions,
  type ExposedEvent,
  type FeedbackEvent,
  type GoalEvent,
  type MilestoneEvent,
  type NpsEvent,
  type PlanChangeEvent,
  type RevenueEvent,
  type SessionEndEvent,
  type TaskEvent,
  type Track,
} from '@spanledger/instrumentation'
export { openPriceBook, type PriceBook } from '@spanledger/pricing'
export { openStore, StoreError, type Store, type StoreOptions } from '@spanledger/store'
export { defineExperiments, getUserExperiment, type Experiment } from './app-experiments.ts'
export {
  checkLimit,
  defineModelTiers,
  defineSegments,
  defineTiers,
  getUserMetrics,
  getUserMetricsAsync,
  getUserSegment,
  loadUserMetrics,
} from './app-user-metrics.ts'
