/** `paychan simulate sweep`: the same scenario with other values, on all cores. */
import { availableParallelism } from 'node:os'
import { Option, type Command } from 'commander'
import { readStakes, type Axis } from '../../sim/sweep/variations.js'
import { PaychanError } from '../../types/errors.js'
import { contextOf, wholeNumber, type Context, type World } from '../context.js'
import { untilInterrupted } from '../waiting.js'
import {
  explained,
  readDays,
  renderSweepTable,
  settingsOf,
  type SimulateFlags,
  SimulationProgress
} from '../render-simulation.js'

const OUTPUT_FILES = ['sweep.json', 'sweep.html'] as const
const DEFAULT_SEEDS = 5

interface SweepFlags extends SimulateFlags {
  readonly vary?: readonly string[]
  readonly stakes?: readonly number[]
  readonly seeds?: number
  readonly jobs?: number
}

export function addSweep(simulate: Command, world: World): void {
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

async function runSweep(
  { output, io, sweepScript }: Context,
  name: string,
  flags: SweepFlags
): Promise<void> {
  const { readScenarioText } = await import('../../sim/scenario/load-scenario.js')
  const { jobsOf, sweepOf } = await import('../../sim/sweep/sweep.js')
  const { scenarioOf } = await import('../../sim/sweep/worker-pool.js')
  const { runJobs } = await import('../../sim/sweep/worker-pool.js')
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
      jobs.filter((_, i) => i % count === 0).map((job) => scenarioOf(work, job))
    )[0]?.name ?? name
  if (out !== undefined) await prepareDirectory(out, OUTPUT_FILES, force)
  const stop = new AbortController()
  const interrupted = untilInterrupted(io)
  void interrupted.signal.then(() => {
    output.note('Stopping; the combinations that are done are kept.')
    stop.abort()
  })
  const progress = new SimulationProgress(output, io.stderr.isTTY, Date.now)
  try {
    const runs = await runJobs(work, jobs, {
      threads,
      signal: stop.signal,
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
      [
        renderSweepTable(sweep, colors, output.width),
        ...(files.length === 0 ? [] : [`\nWritten to ${out ?? ''}: ${OUTPUT_FILES.join(', ')}.`])
      ].join('\n')
    )
  } finally {
    interrupted.dispose()
  }
}

async function axesOf({ vary = [] }: SweepFlags): Promise<Axis[]> {
  const { readAxis } = await import('../../sim/sweep/variations.js')
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
  const { MOST_RUNS } = await import('../../sim/sweep/variations.js')
  if (runs > MOST_RUNS) {
    throw new PaychanError(
      'ERR_USAGE',
      `These are ${runs.toLocaleString('en')} runs, and at most ${MOST_RUNS.toLocaleString('en')} are made; vary less, or take fewer seeds.`
    )
  }
}
