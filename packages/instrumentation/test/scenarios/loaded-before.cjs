const { OpenAI } = require('openai')
const { sdk } = require('./setup.mjs')
const { callOpenai } = require('./calls.mjs')
const { report } = require('./report.mjs')

void callOpenai(OpenAI).then((client) => report(client, sdk))
