// node --import sdk-3.mjs …: @opentelemetry/* comes from test/sdk-3, the 3.x line, for the program and for us alike.
import { registerHooks } from 'node:module'

const from = new URL('../../../../test/sdk-3/package.json', import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) =>
    next(
      specifier,
      specifier.startsWith('@opentelemetry/') && !context.parentURL?.startsWith(from.slice(0, -'package.json'.length))
        ? { ...context, parentURL: from }
        : context,
    ),
})
