/**
 * A scenario from its YAML, a file or a preset, with the settings of a command line: checked as a
 * whole, with the line and column of every error.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'
import { didYouMean, nearest } from '../../types/amount.js'
import { messageOf, PaychanError } from '../../types/errors.js'
import type { FeeRate } from '../../types/units.js'
import { blocksOf, checkMeaning } from './meaning.js'
import { MOST_BYTES, readYaml, type YamlFile } from './yaml-file.js'
import { MOST_SHOWN, type Path, type Problem, ScenarioError } from './problems.js'
import { meanOf, readRate, shown, Unreadable } from './quantities.js'
import type { FeeSource, Scenario } from './scenario.js'
import { keysAt, type ScenarioFile, scenarioSchema } from './schema.js'

const DAY = 86_400
/** Points of a curve by default. */
const SAMPLES = 240
/**
 * Seconds between the last opening and the first payment: once in e^18 times no block comes in it.
 */
const CONFIRMATION = 3 * 3_600

/**
 * The text of a file that a scenario names, and the name to show.
 *
 * @throws an error when it cannot be read
 */
export type ReadFile = (name: string) => { readonly text: string; readonly file: string }

export interface Reading {
  /** The name of the file in errors. */
  readonly file: string
  /** Reads a fee trace; relative names are relative to the scenario. */
  readonly readFile: ReadFile
  /** A sweep's changes, applied before the check. */
  readonly change?: ((yaml: YamlFile) => void) | undefined
}

/**
 * Reads a scenario.
 *
 * @throws ScenarioError `ERR_SCENARIO_INVALID` with everything that is wrong
 * @example parseScenario(await readFile('hub.yaml', 'utf8'), { file: 'hub.yaml', readFile })
 */
export function parseScenario(text: string, { file, readFile, change }: Reading): Scenario {
  const yaml = readYaml(text, file)
  change?.(yaml)
  const { data } = yaml
  const result = scenarioSchema.safeParse(data)
  if (!result.success) {
    throw new ScenarioError(result.error.issues.flatMap((issue) => problemsOf(issue, yaml, data)))
  }
  const problems: Problem[] = []
  const tell = (path: Path, sentence: string, at?: 'key' | 'value'): void => {
    problems.push(yaml.problem(path, `${nameOf(path)}: ${sentence}`, at))
  }
  checkMeaning(result.data, tell)
  const fees = feesOf(result.data, readFile, tell, problems)
  if (problems.length > 0) throw new ScenarioError(problems)
  return scenarioOf(result.data, fees)
}

function problemsOf(issue: z.core.$ZodIssue, yaml: YamlFile, data: unknown): Problem[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol')
  if (issue.code !== 'unrecognized_keys') {
    return [
      yaml.problem(path, path.length === 0 ? issue.message : `${nameOf(path)}: ${issue.message}`)
    ]
  }
  const known = keysAt(path, data)
  return issue.keys
    .slice(0, MOST_SHOWN)
    .map((key) =>
      yaml.problem(
        [...path, key],
        `There is no key '${key}'${path.length === 0 ? '' : ` in ${nameOf(path)}`}.${didYouMean(key, known)}${known.length === 0 ? '' : ` The keys are ${known.join(', ')}.`}`,
        'key'
      )
    )
}

/** `channels[0].capacity`, as programmers write it. */
function nameOf(path: Path): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`))
    .join('')
}

function feesOf(
  { chain: { fees, interval }, days }: ScenarioFile,
  readFile: ReadFile,
  tell: Tell,
  problems: Problem[]
): FeeSource {
  if (typeof fees === 'bigint') return { kind: 'constant', rate: fees }
  if ('congested' in fees) return { kind: 'congested', seed: fees.congested }
  if ('steps' in fees) return { kind: 'trace', points: fees.steps }
  try {
    const { text, file } = readFile(fees.trace)
    const points = readTrace(text, file)
    const spacing = (points[1]?.height ?? 1) - (points[0]?.height ?? 0)
    const end = (points.at(-1)?.height ?? 0) + spacing
    const blocks = Math.ceil((days * DAY) / meanOf(interval))
    if (fees.from + blocks > end) {
      tell(
        ['chain', 'fees'],
        `The trace ${fees.trace} ends with block ${end - 1}, and from ${fees.from} on the scenario takes about ${blocks} blocks; write fewer days, or an earlier from.`
      )
    }
    return { kind: 'trace', points: cutAt(points, fees.from) }
  } catch (error) {
    if (error instanceof ScenarioError) problems.push(...error.problems)
    else {
      tell(
        ['chain', 'fees', 'trace'],
        `The trace ${fees.trace} cannot be read (${error instanceof Error ? error.message : String(error)}). Its name is relative to the scenario.`
      )
    }
    return { kind: 'trace', points: [] }
  }
}

type Tell = (path: Path, sentence: string) => void

type Points = Extract<FeeSource, { kind: 'trace' }>['points']

/** The points from block `from` on, which becomes block 0. */
function cutAt(points: Points, from: number): Points {
  const after = points.findIndex(({ height }) => height > from)
  return points
    .slice(after === -1 ? points.length - 1 : Math.max(0, after - 1))
    .map(({ height, rate }) => ({ height: Math.max(0, height - from), rate }))
}

function scenarioOf(file: ScenarioFile, fees: FeeSource): Scenario {
  const duration = Math.round(file.days * DAY * 1_000) / 1_000
  return {
    name: file.name,
    description: file.description,
    seed: file.seed,
    duration,
    nodes: Object.entries(file.nodes).map(([name, group]) => ({ name, ...group })),
    channels: file.channels.map((channels) => {
      const client = file.nodes[channels.from]
      return {
        ...channels,
        degree: channels.degree ?? 1,
        step: channels.step,
        blocks: client === undefined ? 0 : blocksOf(channels, client)
      }
    }),
    traffic: file.traffic.map((activity) => ({
      ...activity,
      hours: activity.hours,
      during: activity.during ?? { from: beginOf(file, activity, duration), until: duration }
    })),
    chain: {
      interval: file.chain.interval,
      blockVsize: file.chain.blockVsize,
      fees,
      relay: file.chain.relay,
      reorgs: file.chain.reorgs
    },
    network: file.network,
    faults: file.faults,
    servers: file.servers,
    adversaries: file.adversaries,
    sample: file.sample ?? Math.max(600, Math.ceil(duration / SAMPLES / 60) * 60),
    model: file.model
  }
}

/** Payments begin once the channels between the two are there. */
function beginOf(
  { channels }: ScenarioFile,
  { from, to }: ScenarioFile['traffic'][number],
  duration: number
): number {
  const between = channels.filter(
    (channels) =>
      (channels.from === from && channels.to === to) ||
      (channels.from === to && channels.to === from)
  )
  return Math.min(duration, Math.max(0, ...between.map(({ opens }) => opens.until)) + CONFIRMATION)
}

/*
 * A file of measured fee rates: lines of `height,feerate` (sat/vB) as `paychan devnet trace` prints
 * them, from block 0 on and equally far apart, so that a lost line is noticed.
 */

interface TracePoint {
  readonly height: number
  readonly rate: FeeRate
}

/** A value for each block of a hundred years. */
export const MOST_TRACE_BYTES = 100_000_000
const MOST_PROBLEMS = 20

/**
 * Reads a trace.
 *
 * @throws ScenarioError with the line of each gap, of each height that is out of order, and of
 *   each malformed line
 * @example readTrace('0,5\n6,7.5', 'fees.csv') // 5 sat/vB for six blocks, then 7.5
 */
function readTrace(text: string, file: string): readonly TracePoint[] {
  const points: TracePoint[] = []
  const problems: Problem[] = []
  let line = 0
  let spacing: number | undefined
  for (const row of text.split(/\r?\n/)) {
    line++
    const content = row.replace(/#.*/, '').trim()
    if (content === '' || problems.length === MOST_PROBLEMS) continue
    try {
      const point = pointOf(content)
      const last = points.at(-1)
      points.push(point)
      if (last === undefined) {
        if (point.height !== 0) {
          throw new Unreadable(
            `A trace begins with block 0, and this one with ${point.height}; count the blocks from the beginning.`
          )
        }
        continue
      }
      const apart = point.height - last.height
      if (apart <= 0) {
        throw new Unreadable(
          `Block ${point.height} does not come after block ${last.height}; sort the lines by their blocks.`
        )
      }
      spacing ??= apart
      if (apart !== spacing) {
        throw new Unreadable(
          `After block ${last.height} comes block ${last.height + spacing}, and here is ${point.height}: the lines are ${spacing} blocks apart. Add what is missing, or write the fees as { steps: { BLOCK: RATE } } in the scenario.`
        )
      }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      problems.push({ file, line, column: 1, sentence: error.message })
    }
  }
  if (points.length === 0 && problems.length === 0) {
    problems.push({
      file,
      line: 1,
      column: 1,
      sentence:
        'A trace has lines of height,feerate (sat/vB), such as 0,5. `paychan devnet trace` prints one.'
    })
  }
  if (problems.length > 0) throw new ScenarioError(problems)
  return points
}

function pointOf(content: string): TracePoint {
  const [, height, rate] = /^(\d{1,8})\s*,\s*(\S+)$/.exec(content) ?? []
  if (height === undefined || rate === undefined) {
    throw new Unreadable(
      `A line is a height and a fee rate in sat/vB, such as 10,120.5; this one is ${shown(content)}.`
    )
  }
  return { height: Number(height), rate: readRate(rate) }
}

/* Scenarios from files, and the presets of the program. */

/** `scenarios/` of the package, beside `dist/`. */
const PRESETS = fileURLToPath(new URL('../../../../scenarios/', import.meta.url))

/** The names of the presets, in order. */
export function presetNames(): string[] {
  return readdirSync(PRESETS)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => basename(name, '.yaml'))
    .sort()
}

/** A scenario's text, and its location. */
export interface ScenarioText {
  readonly text: string
  readonly file: string
}

/**
 * The text of a scenario file, or of a preset by its name.
 *
 * @throws PaychanError `ERR_NO_SCENARIO` (facts: name)
 * @example readScenarioText('pair').text
 */
export function readScenarioText(name: string): ScenarioText {
  if (presetNames().includes(name)) {
    return {
      text: readFileSync(join(PRESETS, `${name}.yaml`), 'utf8'),
      file: join(PRESETS, `${name}.yaml`)
    }
  }
  try {
    // Twice as many bytes as characters: room for letters that take more than one.
    return { text: readBounded(resolve(name), MOST_BYTES * 2), file: name }
  } catch (error) {
    const close = nearest(name, presetNames())
    const hint =
      close === undefined
        ? 'paychan simulate list shows those that come with the program.'
        : `Did you mean the preset '${close}'?`
    throw new PaychanError(
      'ERR_NO_SCENARIO',
      `The scenario ${name} cannot be read (${messageOf(error)}). ${hint}`,
      { name },
      { cause: error }
    )
  }
}

function readBounded(path: string, most: number): string {
  const stat = statSync(path)
  if (!stat.isFile()) throw new Error('it is not a file')
  if (stat.size > most) {
    throw new Error(
      `it has ${stat.size.toLocaleString('en')} bytes, and at most ${most.toLocaleString('en')} are read`
    )
  }
  return readFileSync(path, 'utf8')
}

/**
 * A scenario from a file or a preset.
 *
 * @throws PaychanError `ERR_NO_SCENARIO`; ScenarioError `ERR_SCENARIO_INVALID`
 */
export function loadScenario(name: string, change?: Reading['change']): Scenario {
  return parseText(readScenarioText(name), change)
}

/** The same from a text in memory. @throws ScenarioError `ERR_SCENARIO_INVALID` */
export function parseText({ text, file }: ScenarioText, change?: Reading['change']): Scenario {
  const shownAs = dirname(file) + '/' === PRESETS ? basename(file) : file
  const readFile: ReadFile = (trace) => ({
    text: readBounded(resolve(dirname(file), trace), MOST_TRACE_BYTES),
    file: trace
  })
  return parseScenario(text, { file: shownAs, readFile, change })
}

/* Settings on the command line: they count as if they stood in the scenario file. */

export type Settings = Readonly<Record<string, number | string | boolean>>

/** Puts settings such as `seed` and `days` into a scenario. */
export function applySettings(yaml: YamlFile, settings: Settings): void {
  for (const [key, value] of Object.entries(settings)) yaml.set([key], value)
}
