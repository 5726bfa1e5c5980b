/**
 * Preload for ES module apps: `node --import @spanledger/instrumentation/register app.mjs`. Lets the instrumentation see
 * the imports of the SDKs it knows; it patches nothing itself. Other modules are not touched.
 */
import * as nodeModule from 'node:module'
import { pathToFileURL } from 'node:url'

const PRELOADED = Symbol.for('spanledger.preloaded')
// Their entry files only: wrapping the files inside would change the order in which circular imports run.
const include = ['openai', '@anthropic-ai/sdk']

if (!(PRELOADED in globalThis)) {
  globalThis[PRELOADED] = true
  try {
    // Hooks are seen only by the copy of import-in-the-middle that registers them: it must be OpenTelemetry's.
    const ours = nodeModule.createRequire(import.meta.url)
    const theirs = nodeModule.createRequire(ours.resolve('@opentelemetry/instrumentation'))
    const hooks = pathToFileURL(theirs.resolve('import-in-the-middle/register-hooks.mjs')).href
    const { register, supportsSyncHooks } = await import(hooks)
    if (supportsSyncHooks()) register({ include })
    else nodeModule.register(pathToFileURL(theirs.resolve('import-in-the-middle/hook.mjs')).href, { data: { include } })
  } catch (error) {
    process.emitWarning(`spanledger: imports of LLM SDKs cannot be seen, pass the clients to instrument(): ${String(error)}`)
  }
}
