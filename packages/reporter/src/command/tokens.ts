import { addToken, CollectorError } from '@spanledger/collector'
import { Option, type Command } from 'commander'

import { notAllowed, optionsOf, withIo } from './globals.ts'
import { usageFailure } from './failure.ts'

interface TokensAddOptions {
  readonly tenant: string
  readonly tokenFile: string
}

export function addTokens(program: Command): void {
  const tokens = program.command('tokens').description('tokens by which senders of several tenants are told apart (collect --token-file)')
  const add = tokens
    .command('add')
    .description('make a token for a tenant, print it, and add its hash to the file')
    .requiredOption('--tenant <name>', 'whose it is: a-z, 0-9, _ and -; becomes a part of the name of the ledger')
    .addOption(new Option('--token-file <file>', 'the file of hashes').env('SPANLEDGER_COLLECT_TOKEN_FILE').default('spanledger.tokens'))
    .addHelpText(
      'after',
      `
The token is shown this once and kept nowhere; the file has only its SHA-256, and may be read by its owner alone. A running
collector knows it within a second. To take one back, delete its line.

Examples:
  spanledger tokens add --tenant acme
  spanledger tokens add --tenant acme --token-file /etc/spanledger/tokens`,
    )
    .action(async () => {
      const options = optionsOf<TokensAddOptions>(add)
      await withIo(options, async (io) => {
        const token = makeToken(options)
        await io.out(`${token}\n`)
        io.say(`A token of tenant "${options.tenant}". Senders give it as: Authorization: Bearer ${token.slice(0, 6)}…`)
      })
    })
}

function makeToken({ tokenFile, tenant }: TokensAddOptions): string {
  try {
    return addToken(tokenFile, tenant)
  } catch (error) {
    if (!(error instanceof CollectorError)) throw error
    throw error.kind === 'not_allowed' ? notAllowed(error.message) : usageFailure(error.message, { cause: error })
  }
}
