export { CollectorError, type CollectorErrorKind } from './collector-error.ts'
export { openCollector, type Collector, type CollectorOptions } from './open-collector.ts'
export { settings, type Setting, type Settings } from './settings.ts'
export { addToken } from './tokens.ts'
