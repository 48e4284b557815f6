/**
 * A scenario from its YAML: checked as a whole, with the line and column of everything that is
 * wrong.
 */
import type { z } from 'zod'
import { didYouMean } from '../../types/nearest.js'
import { readTrace } from './fee-trace.js'
import { blocksOf, checkMeaning } from './meaning.js'
import { meanOf } from './quantities.js'
import { MOST_SHOWN, ScenarioError, type Path, type Problem } from './problems.js'
import type { FeeSource, Scenario } from './scenario.js'
import { keysAt, scenarioSchema, type ScenarioFile } from './schema.js'
import { readYaml, type YamlFile } from './yaml-file.js'

const DAY = 86_400
/** Points of a curve when nothing is said. */
const SAMPLES = 240
/**
 * Between the last opening and the first payment: a block comes within it, but once in e^18 times.
 */
const CONFIRMATION = 3 * 3_600

/**
 * The text of a file that a scenario names, and the name to show.
 *
 * @throws an error when it cannot be read
 */
export type ReadFile = (name: string) => { readonly text: string; readonly file: string }

export interface Reading {
  /** What to call the file in errors. */
  readonly file: string
  /** Reads a fee trace; relative names are relative to the scenario. */
  readonly readFile: ReadFile
  /** What a sweep changes, before it is checked. */
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

/** What counts from block `from` on, which becomes block 0. */
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
