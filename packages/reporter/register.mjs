/** Preload for ES module apps: `node --import spanledger/register app.mjs`. */
await import('@spanledger/instrumentation/register')
