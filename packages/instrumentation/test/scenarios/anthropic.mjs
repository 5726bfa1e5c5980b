import { sdk } from './setup.mjs'
import Anthropic from '@anthropic-ai/sdk'

import { callAnthropic } from './calls.mjs'
import { report } from './report.mjs'

await report(await callAnthropic(Anthropic), sdk)
