/**
 * `npm run mutants`: does every rule about money have a test that breaks without it? Changes the
 * compiled code of the money rooms, one thing at a time, and runs the tests that reach it, the
 * quickest first, until one fails.
 *
 *     npm run mutants                                    # all: some hours on two cores
 *     npm run mutants -- --sample 60 --seed 7            # sixty of them
 *     npm run mutants -- --room bitcoin                  # of one room; more than one may be named
 *     npm run mutants -- --at channel/ledger:40          # of one line, or of one module: --at channel/ledger
 *     npm run mutants -- --reach FILE                    # keeps there which test reaches what, and reads it the next time
 *
 * The exit code is 1 when less than `--least` percent are killed. What is judged equivalent
 * (equivalent.ts) is not tried.
 *
 * Stryker does the same, but its mocha runner does not take the mocha of this project, and it
 * brings 250 packages.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import type { Extent } from './mutations.js'
import { allMutants, ROOMS, type Mutant } from './mutants.js'
import type { Place, Reached } from './reach.js'
import type { Trial } from './trial.js'

const TESTS_URL = new URL('../', import.meta.url)
/** The rooms of tests that hold the money rooms to their rules. */
const TEST_ROOMS = ['bitcoin', 'channel', 'chain', 'protocols', 'wallet']
/** As `npm test` does it: what only many draws find deserves an example of its own. */
const CHILD_ENV = { ...process.env, PAYCHAN_TEST_SIZE: 'small', NODE_NO_WARNINGS: '1' }
/** A mutant may make a loop endless: what takes so much longer than usual has noticed it, too. */
const SLACK_MS = 30_000
/** To load a file of tests on a busy machine. */
const SLACK_OF_FILE_MS = 3_000
const BATCHES_EACH = 3

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

type Verdict = 'killed' | 'not ended' | 'survived' | 'not reached'

const { values } = parseArgs({
  options: {
    room: { type: 'string', multiple: true },
    at: { type: 'string', multiple: true },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    least: { type: 'string', default: '0' },
    reach: { type: 'string' }
  }
})
let trials = 0
const workers = Math.max(1, availableParallelism())
const directory = mkdtempSync(join(tmpdir(), 'paychan-mutants-'))
try {
  process.exitCode = await main()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 2
} finally {
  rmSync(directory, { recursive: true })
}

function numberOf(option: 'sample' | 'seed' | 'least', fallback = 0): number {
  const text = values[option]
  if (text !== undefined && !/^\d{1,9}$/.test(text)) {
    throw new Error(`--${option} is a whole number, and '${text}' is not.`)
  }
  return text === undefined ? fallback : Number(text)
}

async function main(): Promise<number> {
  const unknown = (values.room ?? []).find((room) => !ROOMS.includes(room))
  if (unknown !== undefined) {
    throw new Error(
      `There are no mutants of room '${unknown}'; --room is one of ${ROOMS.join(', ')}.`
    )
  }
  const mutants = allMutants(values.room).filter(isAskedFor)
  const judged = mutants.filter(({ equivalent }) => equivalent !== undefined).length
  const chosen = sampled(mutants.filter(({ equivalent }) => equivalent === undefined))
  if (chosen.length === 0) {
    throw new Error(
      `There is no mutant to try: ${judged} of those that were asked for are judged equivalent.`
    )
  }
  const places = placesOf(values.reach === undefined ? chosen : allMutants())
  const numbers = new Map(places.map((place, number) => [nameOf(place.url, place), number]))
  const tests = await reachOf(places)
  const verdicts = await inParallel(chosen, async (mutant) => {
    const place = numbers.get(nameOf(mutant.url, mutant.within)) ?? -1
    const verdict = await verdictOf(
      mutant,
      ownFirst(
        mutant,
        tests.filter((test) => test.places.includes(place))
      )
    )
    if (verdict !== 'killed') {
      say(`${verdict}: src/${mutant.module}.ts:${mutant.line}\n${difference(mutant)}`)
    }
    return verdict
  })
  const killed = verdicts.filter(
    (verdict) => verdict === 'killed' || verdict === 'not ended'
  ).length
  const percent = (100 * killed) / chosen.length
  say(
    `${chosen.length} of ${mutants.length - judged} mutants tried (${judged} more are judged equivalent): ${killed} killed, ${chosen.length - killed} not, ${percent.toFixed(1)} %`
  )
  return percent < numberOf('least') ? 1 : 0
}

/** `--at channel/ledger` or `--at channel/ledger:40`. */
function isAskedFor({ module, line }: Mutant): boolean {
  return (
    values.at === undefined || values.at.some((at) => at === module || at === `${module}:${line}`)
  )
}

function sampled(mutants: readonly Mutant[]): readonly Mutant[] {
  const size = numberOf('sample', mutants.length)
  if (size >= mutants.length) return mutants
  return (
    fc.sample(fc.shuffledSubarray([...mutants], { minLength: size, maxLength: size }), {
      seed: numberOf('seed'),
      numRuns: 1
    })[0] ?? []
  )
}

/** Both lines, cut to what differs and some of what is around it. */
function difference({ from, to }: Mutant): string {
  let same = 0
  while (same < from.length && from[same] === to[same]) same++
  const begin = Math.max(0, same - 60)
  return [from, to]
    .map(
      (line) =>
        `    ${begin > 0 ? '...' : ''}${line.slice(begin, begin + 140)}${line.length > begin + 140 ? '...' : ''}`
    )
    .join('\n')
}

// ---------------------------------------------------------------------------------- what reaches
// what

/** All tests that pass, the quickest first. */
async function reachOf(places: readonly Place[]): Promise<Reached[]> {
  if (values.reach !== undefined && existsSync(values.reach)) {
    return JSON.parse(readFileSync(values.reach, 'utf8')) as Reached[]
  }
  const input = join(directory, 'places.json')
  writeFileSync(input, JSON.stringify(places))
  const outputs = await inParallel(batches(testFiles()), async (files, n) => {
    const output = join(directory, `reached-${n}.json`)
    const code = await run(['reach.js', input, output, ...files], undefined)
    if (code !== 0) {
      throw new Error(
        `One of these could not be run without a mutant (exit code ${code}): ${files.join(', ')}`
      )
    }
    return JSON.parse(readFileSync(output, 'utf8')) as Reached[]
  })
  const tests = outputs.flat()
  for (const { title } of tests.filter(({ passed }) => !passed)) {
    say(`fails without a mutant, and is left out: ${title}`)
  }
  const sorted = tests
    .filter(({ passed }) => passed)
    .sort((a, b) => a.milliseconds - b.milliseconds)
  if (values.reach !== undefined) writeFileSync(values.reach, JSON.stringify(sorted))
  return sorted
}

function testFiles(): string[] {
  return TEST_ROOMS.flatMap((room) =>
    readdirSync(new URL(`${room}/`, TESTS_URL), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.js'))
      .sort()
      .map((name) => fileURLToPath(new URL(`${room}/${name}`, TESTS_URL)))
  )
}

/**
 * Loading the modules takes a process longer than most files of tests: some of these share one.
 * Each of the batches has files of every room, and there are more of them than workers, so that no
 * core waits long.
 */
function batches(files: readonly string[]): string[][] {
  const number = workers * BATCHES_EACH
  return Array.from({ length: number }, (_, n) => files.filter((_, i) => i % number === n))
}

/** Without those that are the same for several mutants. */
function placesOf(mutants: readonly Mutant[]): Place[] {
  const places = new Map<string, Place>()
  for (const { url, within } of mutants) places.set(nameOf(url, within), { url, ...within })
  return [...places.values()]
}

function nameOf(url: string, { begin, end }: Extent): string {
  return `${url}:${begin}-${end}`
}

// -------------------------------------------------------------------------------------------
// trials

/** A test of the module's own file fails more often than one that only passes through it. */
function ownFirst({ module }: Mutant, tests: readonly Reached[]): Reached[] {
  const isOwn = ({ file }: Reached): boolean => file.endsWith(`/test/${module}.test.js`)
  return [...tests.filter(isOwn), ...tests.filter((test) => !isOwn(test))]
}

async function verdictOf(mutant: Mutant, reaching: readonly Reached[]): Promise<Verdict> {
  if (reaching.length === 0) return 'not reached'
  const files = new Map<string, string[]>()
  for (const { file, title } of reaching) files.set(file, [...(files.get(file) ?? []), title])
  const trial: Trial = {
    replacement: { module: mutant.url.slice(mutant.url.lastIndexOf('/src/')), ...mutant.context },
    files: [...files]
  }
  const usual = reaching.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  // By a file: what is reached by nearly all tests is more than an argument can hold.
  const input = join(directory, `trial-${trials++}.json`)
  writeFileSync(input, JSON.stringify(trial))
  const code = await run(['trial.js', input], usual * 5 + files.size * SLACK_OF_FILE_MS + SLACK_MS)
  return code === undefined ? 'not ended' : code === 0 ? 'survived' : 'killed'
}

/** The exit code of a script of this directory; undefined when it took too long, or died. */
async function run(
  [script = '', ...args]: readonly string[],
  timeout: number | undefined
): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL(script, import.meta.url)), ...args],
      {
        env: CHILD_ENV,
        stdio: 'ignore',
        ...(timeout === undefined ? {} : { timeout, killSignal: 'SIGKILL' })
      }
    )
    child.on('error', reject)
    child.on('exit', (code) => {
      resolve(code ?? undefined)
    })
  })
}

async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T, n: number) => Promise<R>
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as T, i)
    })
  )
  return results
}
