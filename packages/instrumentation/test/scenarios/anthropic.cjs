const { sdk } = require('./setup.mjs')
const Anthropic = require('@anthropic-ai/sdk')
const { callAnthropic } = require('./calls.mjs')
const { report } = require('./report.mjs')

void callAnthropic(Anthropic).then((client) => report(client, sdk))
