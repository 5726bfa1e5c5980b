export { openAnalytics, type Analytics, type AnalyticsOptions, type UserMetrics } from '@spanledger/analytics'
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
  withProperties,
  withSession,
  withUser,
} from '@spanledger/instrumentation'
export { openPriceBook, type PriceBook } from '@spanledger/pricing'
export { openStore, StoreError, type Store, type StoreOptions } from '@spanledger/store'
export { getUserMetrics, loadUserMetrics } from './app-user-metrics.ts'
