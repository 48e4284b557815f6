/** `npm run demo [-- NAME] [--json]`: tells a story of the classic channel as it happens. */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { processIo } from '../cli/io.js'
import { codeOf, messageOf, toErrorRecord } from '../types/errors.js'
import { printingNarrator, silentNarrator } from './report.js'
import { SCENARIOS } from './scenarios.js'

const HELP = `Usage: npm run demo [-- NAME] [--json] [--verbose] [--trace FILE] [--bitcoind URL [--electrum URL]]

${SCENARIOS.map(({ name, title }) => `  ${name.padEnd(10)}  ${title}`).join('\n')}

NAME is ${SCENARIOS[0]?.name ?? ''} when left out. With --json, standard output is one JSON object
(npm run -s demo -- NAME --json); with --verbose all steps of the protocol are told, and ids whole. With --trace the first race of congestion goes by the fee rates of a
file: lines of height,feerate (sat/vB), of which height 137 is that of the newest state's lock. With
--bitcoind http://USER:PASSWORD@HOST:PORT the others run on the chain of a bitcoind on regtest, and with
--electrum tcp://HOST:PORT through an Electrum server of that chain.`

const io = processIo()
const { stdout, stderr } = io

/** Exit codes: 0 told and true, 1 failed, 2 unknown request. */
async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    options: {
      json: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      trace: { type: 'string' },
      bitcoind: { type: 'string' },
      electrum: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    },
    allowPositionals: true
  })
  const name = positionals[0] ?? SCENARIOS[0]?.name
  const scenario = SCENARIOS.find((one) => one.name === name)
  if (values.help) {
    stdout.write(`${HELP}\n`)
    return 0
  }
  if (scenario === undefined || positionals.length > 1) {
    stderr.write(`There is no demo '${positionals.join(' ')}'.\n\n${HELP}\n`)
    return 2
  }
  const narrator = values.json ? silentNarrator : printingNarrator(io, values.verbose)
  narrator.title(`paychan demo '${scenario.name}': ${scenario.title}`)
  try {
    const report = await scenario.run(narrator, {
      bitcoind: values.bitcoind,
      electrum: values.electrum,
      trace: values.trace === undefined ? undefined : await readFile(values.trace, 'utf8')
    })
    if (values.json) stdout.write(`${JSON.stringify(report)}\n`)
    return report.ok ? 0 : 1
  } catch (error) {
    if (values.json) {
      stdout.write(
        `${JSON.stringify({ scenario: scenario.name, ok: false, error: toErrorRecord(error) })}\n`
      )
    } else stderr.write(`${messageOf(error)}\n`)
    return codeOf(error) === 'ERR_USAGE' ? 2 : 1
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  stderr.write(`${messageOf(error)}\n\n${HELP}\n`)
  return 2
})
