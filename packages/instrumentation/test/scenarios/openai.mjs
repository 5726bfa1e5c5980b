import { sdk } from './setup.mjs'
import OpenAI from 'openai'

import { callOpenai } from './calls.mjs'
import { report } from './report.mjs'

await report(await callOpenai(OpenAI), sdk)
