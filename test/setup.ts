/**
 * What every test run starts with (`.mocharc.js` requires it): property tests draw from a seed
 * that is fixed, so that two runs test the same, and a promise that nobody waited for fails the
 * run, and so does a file that leaves something open.
 *
 * `PAYCHAN_TEST_SEED=random npm test` explores; a failure prints its seed and path, and
 * `PAYCHAN_TEST_SEED=<that seed>` repeats it. `PAYCHAN_TEST_RUNS` changes the number of cases,
 * and `PAYCHAN_TEST_SIZE` (`size.ts`) the size of everything.
 */
import { setImmediate, setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import { sized } from './size.js'

const DEFAULT_SEED = 20090103
const DEFAULT_RUNS = sized({ small: 20, all: 100 })

function wholeNumber(name: string, fallback: number): number {
  const text = process.env[name]
  if (text === undefined) return fallback
  if (!/^-?\d{1,10}$/.test(text)) {
    throw new Error(`${name} is a whole number, and '${text}' is not.`)
  }
  return Number(text)
}

const numRuns = wholeNumber('PAYCHAN_TEST_RUNS', DEFAULT_RUNS)
fc.configureGlobal(
  process.env['PAYCHAN_TEST_SEED'] === 'random'
    ? { numRuns }
    : { numRuns, seed: wholeNumber('PAYCHAN_TEST_SEED', DEFAULT_SEED) }
)

// Mocha hands rejections of our own code on to whoever listens. Thrown from here, the rejection
// becomes an uncaught exception, and that fails the test that runs (or the whole run).
function failOnRejection(reason: unknown): never {
  throw reason instanceof Error ? reason : new Error(`unhandled rejection: ${String(reason)}`)
}
process.on('unhandledRejection', failOnRejection)

/**
 * How often to look whether what closes by itself, such as a socket whose other side has gone, has
 * closed: three seconds, and longer on a busy machine.
 */
const LOOKS = 300
const BETWEEN_LOOKS_MS = 10

/** What keeps this process from ending: timers, sockets, servers, children. */
function open(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate')
}

/** What is in `after` more often than in `before`. */
function added(before: readonly string[], after: readonly string[]): string[] {
  const rest = [...before]
  return after.filter((kind) => {
    const at = rest.indexOf(kind)
    if (at < 0) return true
    rest.splice(at, 1)
    return false
  })
}

let openBefore: readonly string[] = []

/** Around each file where files are run in parallel, and around all of them where they are not. */
export const mochaHooks = {
  beforeAll(): void {
    // A worker of `mocha --parallel` removes all listeners at the end of each file.
    process.off('unhandledRejection', failOnRejection)
    process.on('unhandledRejection', failOnRejection)
    // Mocha's timer of the hook below is one more.
    openBefore = [...open(), 'Timeout']
  },

  /** A worker is ended by mocha, so nobody would notice what would keep it from ending. */
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(0)
    await setImmediate()
    let left = added(openBefore, open())
    for (let looks = 0; left.length > 0 && looks < LOOKS; looks++) {
      await setTimeout(BETWEEN_LOOKS_MS)
      await setImmediate()
      left = added(openBefore, open())
    }
    if (left.length > 0) {
      const files = new Set(this.test?.parent?.suites.map(({ file }) => file))
      throw new Error(`${[...files].join(', ')} left open: ${left.join(', ')}.`)
    }
  }
}
