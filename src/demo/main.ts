/** `npm run demo [-- NAME] [--json]`: tells a story of the classic channel as it happens. */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { messageOf, toErrorRecord } from '../types/errors.js'
import { printBooks, printingNarrator, silentNarrator } from './report.js'
import { SCENARIOS } from './scenarios.js'

const HELP = `Usage: npm run demo [-- NAME] [--json] [--trace FILE]

${SCENARIOS.map(({ name, title }) => `  ${name.padEnd(10)}  ${title}`).join('\n')}

NAME is ${SCENARIOS[0]?.name ?? ''} when left out. With --json, standard output is one JSON object
(npm run -s demo -- NAME --json). With --trace the first race of congestion goes by the fee rates of a
file: lines of height,feerate (sat/vB), of which height 137 is that of the newest state's lock.`

/** Exit codes: 0 told and true, 1 failed, 2 asked for something that is not there. */
async function main (argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv, options: { json: { type: 'boolean', default: false }, trace: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } }, allowPositionals: true })
  const name = positionals[0] ?? SCENARIOS[0]?.name
  const scenario = SCENARIOS.find((one) => one.name === name)
  if (values.help) {
    process.stdout.write(`${HELP}\n`)
    return 0
  }
  if (scenario === undefined || positionals.length > 1) {
    process.stderr.write(`There is no demo '${positionals.join(' ')}'.\n\n${HELP}\n`)
    return 2
  }
  if (values.trace !== undefined && scenario.name !== 'congestion') {
    process.stderr.write(`--trace is for the demo 'congestion'.\n\n${HELP}\n`)
    return 2
  }
  const narrator = values.json ? silentNarrator : printingNarrator(process.stdout)
  narrator.title(`paychan demo '${scenario.name}': ${scenario.title}`)
  try {
    const report = await scenario.run(narrator, values.trace === undefined ? undefined : await readFile(values.trace, 'utf8'))
    if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    else printBooks(report, narrator)
    return report.ok ? 0 : 1
  } catch (error) {
    if (values.json) process.stdout.write(`${JSON.stringify({ scenario: scenario.name, ok: false, error: toErrorRecord(error) })}\n`)
    else process.stderr.write(`${messageOf(error)}\n`)
    return 1
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n\n${HELP}\n`)
  return 2
})
