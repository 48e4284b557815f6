/** `paychan simulate`: networks of nodes in virtual time. */
import { availableParallelism } from 'node:os'
import { type Command, Option } from 'commander'
import { DEFAULT_TRANSPORT, type TransportName, TRANSPORTS } from '../../sim/real/transport.js'
import type { Scenario } from '../../sim/scenario/scenario.js'
import { type Axis, readStakes } from '../../sim/sweep/sweep.js'
import { PaychanError } from '../../types/errors.js'
import { type Context, contextOf, wholeNumber, type World } from '../context.js'
import { EXIT, Exit, type Output, untilInterrupted } from '../output.js'
import {
  explained,
  figuresOf,
  isSound,
  readDays,
  renderResults,
  renderSweepTable,
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
      const { readScenarioText } = await import('../../sim/scenario/scenario-file.js')
      const { text, file } = readScenarioText(name)
      contextOf(world, command).output.result({ name, file, text }, () => text.trimEnd())
    })

  addReal(simulate, world)
  addSweep(simulate, world)
}

async function listPresets({ output }: Context): Promise<void> {
  const { loadScenario, presetNames } = await import('../../sim/scenario/scenario-file.js')
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
  const { output } = context
  // Loaded only here: no other command needs the simulator.
  const { makePlan } = await import('../../sim/plan.js')
  const { OUTPUT_FILES, Outcomes, prepareDirectory, writeResults } =
    await import('../../sim/output.js')
  const scenario = await scenarioOf(output, name, flags)
  const { out, force = false } = flags
  if (out !== undefined) await prepareDirectory(out, OUTPUT_FILES, force)
  await untilStopped(
    context,
    'Stopping; what was simulated so far is kept. Once more Ctrl-C ends at once.',
    async (signal, progress) => {
      const begin = Date.now()
      const plan = makePlan(scenario)
      const simulate = await context.simulator()
      const outcomes = new Outcomes()
      const results = await simulate(scenario, plan, {
        signal,
        ...(out === undefined ? {} : { onOutcome: outcomes.add }),
        onProgress: ({ time, events }) => {
          progress.update(
            time / scenario.duration,
            `day ${(time / DAY).toFixed(1)} of ${scenario.duration / DAY}, ${events.toLocaleString('en')} events`
          )
        }
      })
      const run = figuresOf(results.events, Date.now() - begin)
      const files =
        out === undefined ? [] : await writeResults(out, { results, plan, outcomes, run })
      output.result({ results, run, files }, (colors) =>
        [renderResults(results, run, colors, output.width), ...writtenTo(out, OUTPUT_FILES)].join(
          '\n'
        )
      )
      if (!isSound(results)) throw new Exit(EXIT.refused)
    }
  )
}

/** The scenario that was named, with the settings of the command line. */
async function scenarioOf(
  output: Pick<Output, 'note'>,
  name: string,
  flags: SimulateFlags
): Promise<Scenario> {
  const { applySettings, parseText, readScenarioText } =
    await import('../../sim/scenario/scenario-file.js')
  return explained(output, () =>
    parseText(readScenarioText(name), (yaml) => {
      applySettings(yaml, settingsOf(flags))
    })
  )
}

/** Runs until it is done. The first Ctrl-C aborts its signal, and says `stopping`. */
async function untilStopped(
  { output, io }: Context,
  stopping: string,
  run: (signal: AbortSignal, progress: SimulationProgress) => Promise<void>
): Promise<void> {
  const stop = new AbortController()
  const interrupted = untilInterrupted(io)
  void interrupted.signal.then(() => {
    output.note(stopping)
    stop.abort()
  })
  try {
    await run(stop.signal, new SimulationProgress(output, io.stderr.isTTY, Date.now))
  } finally {
    interrupted.dispose()
  }
}

/** Where the files of a run are, as lines for people. */
function writtenTo(out: string | undefined, files: readonly string[]): string[] {
  return out === undefined ? [] : [`\nWritten to ${out}: ${files.join(', ')}.`]
}

/* `paychan simulate real`: the same scenario with whole nodes over libp2p and a devnet. */

interface RealFlags extends SimulateFlags {
  readonly transport: TransportName
}

function addReal(simulate: Command, world: World): void {
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

async function runReal(context: Context, name: string, flags: RealFlags): Promise<void> {
  const { output } = context
  const { makePlan } = await import('../../sim/plan.js')
  const { ignoredBy, simulateReal } = await import('../../sim/real/simulate-real.js')
  const { OUTPUT_FILES, Outcomes, prepareDirectory, writeResults } =
    await import('../../sim/output.js')
  const scenario = await scenarioOf(output, name, flags)
  const plan = makePlan(scenario)
  // An unsuitable scenario is refused before a directory is made.
  for (const sentence of ignoredBy(scenario, plan)) output.note(`Ignored: ${sentence}`)
  const { out, force = false, transport } = flags
  if (out !== undefined) await prepareDirectory(out, OUTPUT_FILES, force)
  await untilStopped(
    context,
    'Stopping; what has happened so far is kept. Once more Ctrl-C ends at once.',
    async (signal, progress) => {
      const begin = Date.now()
      const outcomes = new Outcomes()
      const { results, ignored, hurried } = await simulateReal(scenario, plan, {
        transport,
        signal,
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
      const files =
        out === undefined ? [] : await writeResults(out, { results, plan, outcomes, run })
      output.result({ results, run, ignored, files }, (colors) =>
        [
          renderResults(results, run, colors, output.width),
          ...(hurried === 0
            ? []
            : [
                `\nAfter ${hurried} blocks some channel was not done within 5 s: the machine is busy, and results may differ from those of virtual time by as many blocks.`
              ]),
          ...writtenTo(out, OUTPUT_FILES)
        ].join('\n')
      )
      if (!isSound(results)) throw new Exit(EXIT.refused)
    }
  )
}

/* `paychan simulate sweep`: the same scenario with other values, on all cores. */

const SWEEP_FILES = ['sweep.json', 'sweep.html'] as const
const DEFAULT_SEEDS = 5

interface SweepFlags extends SimulateFlags {
  readonly vary?: readonly string[]
  readonly stakes?: readonly number[]
  readonly seeds?: number
  readonly jobs?: number
}

function addSweep(simulate: Command, world: World): void {
  simulate
    .command('sweep')
    .summary('vary a scenario')
    .description(
      'Simulates a scenario with other values and several seeds each, on all cores, and shows what came of it. The result does not depend on the number of threads.'
    )
    .argument('<scenario>', 'a YAML file, or the name of a preset')
    .option(
      '--vary <setting=values>',
      'what to vary: step=1,2,6,36,144, fees=5,50,congested, settleMargin=12,36, or a path such as nodes.customer.count=10,20; several times for every combination',
      (value: string, before: readonly string[] | undefined) => [...(before ?? []), value]
    )
    .option(
      '--stakes <limits>',
      'tell publications apart by what is at stake, in satoshis: 10000,100000 makes three classes',
      readStakes
    )
    .option(
      '--seeds <n>',
      `how many seeds for each combination (${DEFAULT_SEEDS}), from --seed on (1)`,
      wholeNumber(1)
    )
    .option('--jobs <n>', 'how many threads (all cores)', wholeNumber(1))
    .addOption(new Option('--seed <n>', 'the first seed').argParser(wholeNumber(0)))
    .option('--days <n>', 'how long, instead of what the scenario says', readDays)
    .option('--model', 'without real signatures')
    .option('--out <dir>', 'leave sweep.json and sweep.html there')
    .option('--force', 'overwrite what is there')
    .option('--json', 'print the sweep as one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan simulate sweep bad-week --vary step=1,2,6,36,144 --out sweep\n  paychan simulate sweep bad-week --vary step=1,6,36 --vary capacity=50000,500000 --seeds 20\n  paychan simulate sweep bad-week --vary step=1,6,36,144 --stakes 10000,100000 --seeds 30 --out sweep'
    )
    .action(async (name: string, _options: unknown, command: Command) => {
      await runSweep(contextOf(world, command), name, command.optsWithGlobals<SweepFlags>())
    })
}

async function runSweep(context: Context, name: string, flags: SweepFlags): Promise<void> {
  const { output, sweepScript } = context
  const { readScenarioText } = await import('../../sim/scenario/scenario-file.js')
  const { jobsOf, sweepOf } = await import('../../sim/sweep/sweep.js')
  const { runJobs, scenarioOf: variationOf } = await import('../../sim/sweep/worker-pool.js')
  const { prepareDirectory, writeOutput } = await import('../../sim/output.js')
  const { renderSweep } = await import('../../sim/report/index.js')
  const axes = await axesOf(flags)
  const {
    seed: first = 1,
    seeds: count = DEFAULT_SEEDS,
    jobs: threads = availableParallelism(),
    out,
    force = false,
    stakes = []
  } = flags
  const work = { scenario: readScenarioText(name), settings: settingsOf(flags), stakes }
  const seeds = Array.from({ length: count }, (_, i) => first + i)
  const jobs = jobsOf({ axes, seeds })
  await checkRuns(jobs.length)
  // An unsuitable scenario is refused before anything runs.
  const scenario =
    explained(output, () =>
      jobs.filter((_, i) => i % count === 0).map((job) => variationOf(work, job))
    )[0]?.name ?? name
  if (out !== undefined) await prepareDirectory(out, SWEEP_FILES, force)
  await untilStopped(
    context,
    'Stopping; the combinations that are done are kept.',
    async (signal, progress) => {
      const runs = await runJobs(work, jobs, {
        threads,
        signal,
        onRun: (done) => {
          progress.update(done / jobs.length, `${done} of ${jobs.length} runs`)
        },
        ...(sweepScript === undefined ? {} : { script: sweepScript })
      })
      const sweep = sweepOf({ scenario, axes, seeds, stakes }, runs)
      const files =
        out === undefined
          ? []
          : [
              await writeOutput(out, 'sweep.json', `${JSON.stringify(sweep)}\n`),
              await writeOutput(out, 'sweep.html', renderSweep(sweep))
            ]
      output.result({ sweep, files }, (colors) =>
        [renderSweepTable(sweep, colors, output.width), ...writtenTo(out, SWEEP_FILES)].join('\n')
      )
    }
  )
}

async function axesOf({ vary = [] }: SweepFlags): Promise<Axis[]> {
  const { readAxis } = await import('../../sim/sweep/sweep.js')
  if (vary.length === 0) {
    throw new PaychanError(
      'ERR_USAGE',
      'There is nothing to vary; add for instance --vary step=1,2,6,36,144.'
    )
  }
  const axes = vary.map(readAxis)
  const twice = axes.find(({ name }, i) => axes.some((other, j) => j < i && other.name === name))
  if (twice !== undefined) {
    throw new PaychanError(
      'ERR_USAGE',
      `'${twice.name}' is varied twice; write all of its values in one --vary.`
    )
  }
  return axes
}

async function checkRuns(runs: number): Promise<void> {
  const { MOST_RUNS } = await import('../../sim/sweep/sweep.js')
  if (runs > MOST_RUNS) {
    throw new PaychanError(
      'ERR_USAGE',
      `These are ${runs.toLocaleString('en')} runs, and at most ${MOST_RUNS.toLocaleString('en')} are made; vary less, or take fewer seeds.`
    )
  }
}
