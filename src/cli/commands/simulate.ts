/** `paychan simulate`: networks of nodes in virtual time. */
import { Option, type Command } from 'commander'
import { addReal } from './simulate-real.js'
import { addSweep } from './simulate-sweep.js'
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

const DAY = 86_400

export function addSimulate(program: Command, world: World): void {
  const simulate = program
    .command('simulate')
    .summary('simulate a network of nodes')
    .description(
      'Runs a network of nodes in virtual time: the channels, fees and watchers of the node itself, on a chain, a network and disks that fail as the scenario says. The same scenario and seed give the same results.'
    )
    .argument('<scenario>', 'a YAML file, or the name of a preset (`paychan simulate list`)')
    .option('--seed <n>', 'another draw of everything that is left to chance', wholeNumber(0))
    .option('--days <n>', 'how long, instead of what the scenario says', readDays)
    .option('--model', 'without real signatures: faster, for very large networks')
    .option(
      '--out <dir>',
      'leave results.json, report.html, payments.csv, channels.csv and run.json there'
    )
    .option('--force', 'overwrite what is there')
    .option('--json', 'print the results as one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan simulate pair\n  paychan simulate hub --days 30 --out hub\n  paychan simulate show hub > mine.yaml; paychan simulate mine.yaml --seed 7\n  paychan simulate sweep bad-week --vary step=1,2,6,36,144 --seeds 20 --out sweep\n\nHow to write a scenario: docs/simulate.md'
    )
    .action(async (name: string, _options: unknown, command: Command) => {
      await runScenario(contextOf(world, command), name, command.optsWithGlobals<SimulateFlags>())
    })

  simulate
    .command('list')
    .summary('the presets')
    .description('Lists the scenarios that come with the program.')
    .addOption(new Option('--json', 'print JSON'))
    .addHelpText('after', '\nExample:\n  paychan simulate list')
    .action(async (_options: unknown, command: Command) => {
      await listPresets(contextOf(world, command))
    })

  simulate
    .command('show')
    .summary('print a preset')
    .description('Prints the YAML of a preset: copy it, change it, and simulate the copy.')
    .argument('<preset>', 'its name')
    .addOption(new Option('--json', 'print JSON'))
    .addHelpText('after', '\nExample:\n  paychan simulate show hub > mine.yaml')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { readScenarioText } = await import('../../sim/scenario/load-scenario.js')
      const { text, file } = readScenarioText(name)
      contextOf(world, command).output.result({ name, file, text }, () => text.trimEnd())
    })

  addReal(simulate, world)
  addSweep(simulate, world)
}

async function listPresets({ output }: Context): Promise<void> {
  const { loadScenario, presetNames } = await import('../../sim/scenario/load-scenario.js')
  const presets = presetNames().map((name) => {
    const { description, nodes, duration } = loadScenario(name)
    return {
      name,
      description,
      nodes: nodes.reduce((sum, { count }) => sum + count, 0),
      days: duration / DAY
    }
  })
  const width = Math.max(...presets.map(({ name }) => name.length))
  output.result({ presets }, (colors) =>
    presets
      .map(
        ({ name, description, nodes, days }) =>
          `${colors.bold(name.padEnd(width))}  ${description} ${colors.dim(`(${nodes} nodes, ${days} days)`)}`
      )
      .join('\n')
  )
}

async function runScenario(context: Context, name: string, flags: SimulateFlags): Promise<void> {
  const { output, io } = context
  // Loaded only here: no other command needs the simulator.
  const { readScenarioText, parseText } = await import('../../sim/scenario/load-scenario.js')
  const { applySettings } = await import('../../sim/scenario/load-scenario.js')
  const { makePlan } = await import('../../sim/plan/make-plan.js')
  const { OUTPUT_FILES, Outcomes, prepareDirectory, writeResults } =
    await import('../../sim/output.js')
  const scenario = explained(output, () =>
    parseText(readScenarioText(name), (yaml) => {
      applySettings(yaml, settingsOf(flags))
    })
  )
  const { out, force = false } = flags
  if (out !== undefined) await prepareDirectory(out, OUTPUT_FILES, force)
  const stop = new AbortController()
  const interrupted = untilInterrupted(io)
  void interrupted.signal.then(() => {
    output.note('Stopping; what was simulated so far is kept. Once more Ctrl-C ends at once.')
    stop.abort()
  })
  const progress = new SimulationProgress(output, io.stderr.isTTY, Date.now)
  try {
    const begin = Date.now()
    const plan = makePlan(scenario)
    const simulate = await context.simulator()
    const outcomes = new Outcomes()
    const results = await simulate(scenario, plan, {
      signal: stop.signal,
      ...(out === undefined ? {} : { onOutcome: outcomes.add }),
      onProgress: ({ time, events }) => {
        progress.update(
          time / scenario.duration,
          `day ${(time / DAY).toFixed(1)} of ${scenario.duration / DAY}, ${events.toLocaleString('en')} events`
        )
      }
    })
    const run = figuresOf(results.events, Date.now() - begin)
    const files = out === undefined ? [] : await writeResults(out, { results, plan, outcomes, run })
    output.result({ results, run, files }, (colors) =>
      [
        renderResults(results, run, colors, output.width),
        ...(files.length === 0 ? [] : [`\nWritten to ${out ?? ''}: ${OUTPUT_FILES.join(', ')}.`])
      ].join('\n')
    )
    if (!isSound(results)) throw new Exit(EXIT.refused)
  } finally {
    interrupted.dispose()
  }
}
