/** `paychan simulate real`: the same scenario with whole nodes over libp2p and a devnet. */
import { Option, type Command } from 'commander'
import { contextOf, wholeNumber, type Context, type World } from '../context.js'
import { EXIT, Exit } from '../exit-codes.js'
import { untilInterrupted } from '../waiting.js'
import {
  explained,
  figuresOf,
  isSound,
  readDays,
  renderResults,
  settingsOf,
  type SimulateFlags,
  SimulationProgress
} from '../render-simulation.js'
import { DEFAULT_TRANSPORT, TRANSPORTS, type TransportName } from '../../sim/real/transport.js'

const DAY = 86_400

interface RealFlags extends SimulateFlags {
  readonly transport: TransportName
}

export function addReal(simulate: Command, world: World): void {
  simulate
    .command('real')
    .summary('run a scenario with real nodes')
    .description(
      'Runs a scenario with at most 50 whole nodes in this process: libp2p hosts, stores on disk, and a devnet. Time is compressed: payments and blocks come in their order, as soon as everybody is done with what was before. To be compared with the same scenario in virtual time.'
    )
    .argument('<scenario>', 'a YAML file, or the name of a preset')
    .addOption(
      new Option('--seed <n>', 'another draw of everything that is left to chance').argParser(
        wholeNumber(0)
      )
    )
    .option('--days <n>', 'how long, instead of what the scenario says', readDays)
    .addOption(
      new Option(
        '--transport <name>',
        'what carries the messages: TCP on the loopback interface, or memory, without a socket between the nodes'
      )
        .choices(TRANSPORTS)
        .default(DEFAULT_TRANSPORT)
    )
    .option(
      '--out <dir>',
      'leave results.json, report.html, payments.csv, channels.csv and run.json there'
    )
    .option('--force', 'overwrite what is there')
    .option('--json', 'print the results as one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan simulate real pair --days 2\n  paychan simulate real pair --days 2 --transport memory\n  paychan simulate real hub --seed 7 --days 3 --out hub-real'
    )
    .action(async (name: string, _options: unknown, command: Command) => {
      await runReal(contextOf(world, command), name, command.optsWithGlobals<RealFlags>())
    })
}

async function runReal({ output, io }: Context, name: string, flags: RealFlags): Promise<void> {
  const { readScenarioText, parseText } = await import('../../sim/scenario/load-scenario.js')
  const { applySettings } = await import('../../sim/scenario/load-scenario.js')
  const { makePlan } = await import('../../sim/plan/make-plan.js')
  const { ignoredBy, simulateReal } = await import('../../sim/real/simulate-real.js')
  const { OUTPUT_FILES, Outcomes, prepareDirectory, writeResults } =
    await import('../../sim/output.js')
  const scenario = explained(output, () =>
    parseText(readScenarioText(name), (yaml) => {
      applySettings(yaml, settingsOf(flags))
    })
  )
  const plan = makePlan(scenario)
  // An unsuitable scenario is refused before a directory is made.
  for (const sentence of ignoredBy(scenario, plan)) output.note(`Ignored: ${sentence}`)
  const { out, force = false, transport } = flags
  if (out !== undefined) await prepareDirectory(out, OUTPUT_FILES, force)
  const stop = new AbortController()
  const interrupted = untilInterrupted(io)
  void interrupted.signal.then(() => {
    output.note('Stopping; what has happened so far is kept. Once more Ctrl-C ends at once.')
    stop.abort()
  })
  const progress = new SimulationProgress(output, io.stderr.isTTY, Date.now)
  try {
    const begin = Date.now()
    const outcomes = new Outcomes()
    const { results, ignored, hurried } = await simulateReal(scenario, plan, {
      transport,
      signal: stop.signal,
      onOutcome: outcomes.add,
      onProgress: ({ time, payments }) => {
        progress.update(
          time / scenario.duration,
          `day ${(time / DAY).toFixed(1)} of ${scenario.duration / DAY}, ${payments.toLocaleString('en')} payments`
        )
      }
    })
    const run = {
      ...figuresOf(results.events, Date.now() - begin),
      real: true,
      transport,
      ignored,
      hurried
    }
    const files = out === undefined ? [] : await writeResults(out, { results, plan, outcomes, run })
    output.result({ results, run, ignored, files }, (colors) =>
      [
        renderResults(results, run, colors, output.width),
        ...(hurried === 0
          ? []
          : [
              `\nAfter ${hurried} blocks some channel was not done within 5 s: the machine is busy, and results may differ from those of virtual time by as many blocks.`
            ]),
        ...(files.length === 0 ? [] : [`\nWritten to ${out ?? ''}: ${OUTPUT_FILES.join(', ')}.`])
      ].join('\n')
    )
    if (!isSound(results)) throw new Exit(EXIT.refused)
  } finally {
    interrupted.dispose()
  }
}
