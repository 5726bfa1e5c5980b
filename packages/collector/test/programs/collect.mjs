// A collector in a process of its own, to be killed. Argument: the options of openCollector as JSON.
import { openCollector } from '@spanledger/collector'

const collector = await openCollector(JSON.parse(process.argv[2]))
process.stdout.write(`${collector.httpUrl}\n${collector.grpcUrl}\n`)
process.once('SIGTERM', () => void collector.close())
