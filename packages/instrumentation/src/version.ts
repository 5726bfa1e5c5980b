/** The scope of our spans. */
export const INSTRUMENTATION_NAME = '@spanledger/instrumentation'
/** As in package.json; a test holds them together. */
export const INSTRUMENTATION_VERSION = '0.1.0'
