#!/usr/bin/env node
import { existsSync } from 'node:fs'

const main = new URL('../dist/command/main.js', import.meta.url)
if (existsSync(main)) {
  const { runCommand } = await import(main.href)
  await runCommand(process.argv.slice(2))
} else {
  process.stderr.write('spanledger is not built. In a clone of the repository run: npm install && npm run build\n')
  process.exitCode = 1
}
