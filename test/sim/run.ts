/**
 * `npm run test:sim`: random small worlds in virtual time, with everything that can go wrong, from
 * many seeds; what has to hold is checked after every event. A world that fails is made smaller,
 * and printed with the command that plays it again.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { reductionsOf, without, worldOf, type World } from '../../src/sim/fuzz.js'
import type { Results } from '../../src/sim/results.js'
import { simulate } from '../../src/sim/simulate.js'
import { messageOf } from '../../src/types/errors.js'

const HELP = `Usage: npm run test:sim [-- OPTIONS]

  --runs N       how many worlds (default 1000)
  --from N       the first seed (default 1)
  --seed N       plays one world again, and says what breaks in it
  --without A,B  takes these parts out of that world
  --workers N    threads (default: one a core)
`

interface Failure {
  readonly seed: number
  readonly rule: string
  readonly text: string
  readonly without: readonly string[]
}
interface Slice {
  readonly from: number
  readonly until: number
  readonly stride: number
}

async function play(world: World): Promise<Results['broken']> {
  try {
    return (await simulate(world.scenario, world.plan, { checked: true })).broken
  } catch (error) {
    return [
      {
        time: 0,
        rule: 'thrown',
        text: error instanceof Error ? (error.stack ?? error.message) : messageOf(error)
      }
    ]
  }
}

/**
 * A long world is played a few hundred times while it shrinks; what is left when the time is up has
 * to do.
 */
const SHRINKING_MS = 180_000

/** Takes out whatever the failure does not need: halves first, then parts. */
async function shrink(world: World, rule: string): Promise<string[]> {
  const taken = new Set<string>()
  const began = performance.now()
  const fails = async (also: readonly string[]): Promise<boolean> =>
    (await play(without(world, new Set([...taken, ...also])))).some(
      (broken) => broken.rule === rule
    )
  const parts = reductionsOf(world)
  for (
    let size = Math.ceil(parts.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < parts.length; at += size) {
      const group = parts.slice(at, at + size).filter((part) => !taken.has(part))
      if (performance.now() - began > SHRINKING_MS) return [...taken]
      if (group.length > 0 && (await fails(group))) for (const part of group) taken.add(part)
    }
  }
  return [...taken]
}

/**
 * What a worker says: a failure as soon as it is there, each world when it is done with, a smaller
 * one that fails alike.
 */
type Told = { readonly broken: Omit<Failure, 'without'> } | { readonly done: Failure | undefined }

async function work({ from, until, stride }: Slice, tell: (told: Told) => void): Promise<void> {
  for (let seed = from; seed < until; seed += stride) {
    const world = worldOf(seed)
    const [first] = await play(world)
    if (first === undefined) {
      tell({ done: undefined })
      continue
    }
    const broken = { seed, rule: first.rule, text: first.text }
    tell({ broken })
    tell({ done: { ...broken, without: await shrink(world, first.rule) } })
  }
}

function inWorker(slice: Slice, onTold: (told: Told) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: slice })
    worker.on('message', onTold)
    worker.on('error', reject)
    worker.on('exit', () => {
      resolve()
    })
  })
}

/** `payment-3,payment-4,payment-5` as `payment-3..5`. */
function compact(parts: readonly string[]): string {
  const payments = parts
    .flatMap((part) => (part.startsWith('payment-') ? [Number(part.slice(8))] : []))
    .sort((a, b) => a - b)
  const ranges: Array<[number, number]> = []
  for (const number of payments) {
    const last = ranges.at(-1)
    if (last !== undefined && last[1] === number - 1) last[1] = number
    else ranges.push([number, number])
  }
  return [
    ...parts.filter((part) => !part.startsWith('payment-')),
    ...ranges.map(([from, to]) => (from === to ? `payment-${from}` : `payment-${from}..${to}`))
  ].join()
}

function expand(text: string): string[] {
  return text.split(',').flatMap((part) => {
    const [, from, to] = /^payment-(\d+)\.\.(\d+)$/.exec(part) ?? []
    return from === undefined || to === undefined
      ? [part]
      : Array.from(
          { length: Number(to) - Number(from) + 1 },
          (_, n) => `payment-${Number(from) + n}`
        )
  })
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

async function replay(seed: number, taken: readonly string[]): Promise<number> {
  const world = without(worldOf(seed), new Set(taken))
  const broken = await play(world)
  say(
    JSON.stringify(
      {
        faults: world.scenario.faults,
        servers: world.scenario.servers,
        adversaries: world.scenario.adversaries,
        chain: world.scenario.chain,
        network: world.scenario.network,
        openings: world.plan.openings
      },
      (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value),
      2
    )
  )
  for (const { time, rule, text } of broken) say(`at ${time} s: ${rule}: ${text}`)
  say(broken.length === 0 ? 'nothing breaks' : `${broken.length} broken`)
  return broken.length === 0 ? 0 : 1
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string' },
      from: { type: 'string' },
      seed: { type: 'string' },
      without: { type: 'string' },
      workers: { type: 'string' },
      help: { type: 'boolean' }
    }
  })
  if (values.help === true) {
    say(HELP)
    return 0
  }
  if (values.seed !== undefined) {
    return await replay(Number(values.seed), expand(values.without ?? ''))
  }
  const [from, runs, workers] = [
    Number(values.from ?? 1),
    Number(values.runs ?? 1_000),
    Number(values.workers ?? availableParallelism())
  ]
  if (![from, runs, workers].every((number) => Number.isInteger(number) && number > 0)) {
    throw new Error(`whole numbers above 0 are asked for.\n\n${HELP}`)
  }
  let [played, failed] = [0, 0]
  const began = performance.now()
  const onTold = (told: Told): void => {
    if ('broken' in told) {
      say(`world ${told.broken.seed}: ${told.broken.rule}: ${told.broken.text.slice(0, 1_000)}`)
      return
    }
    const { done: failure } = told
    played += 1
    if (played % 100 === 0) process.stderr.write(`${played} of ${runs}\n`)
    if (failure === undefined) return
    failed += 1
    say(
      `  again: npm run test:sim -- --seed ${failure.seed}${failure.without.length === 0 ? '' : ` --without ${compact(failure.without)}`}`
    )
  }
  await Promise.all(
    Array.from({ length: workers }, (_, n) =>
      inWorker({ from: from + n, until: from + runs, stride: workers }, onTold)
    )
  )
  say(
    `${played - failed} of ${runs} worlds held in ${Math.round((performance.now() - began) / 1_000)} s (seeds ${from} to ${from + runs - 1})`
  )
  return failed === 0 && played === runs ? 0 : 1
}

if (isMainThread) {
  main().then(
    (code) => {
      process.exitCode = code
    },
    (error: unknown) => {
      process.stderr.write(`${messageOf(error)}\n`)
      process.exitCode = 2
    }
  )
} else {
  await work(workerData as Slice, (told) => {
    parentPort?.postMessage(told)
  })
}
