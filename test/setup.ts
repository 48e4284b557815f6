/**
 * What every test run starts with (`.mocharc.json` requires it): property tests draw from a seed
 * that is fixed, so that two runs test the same, and a promise that nobody waited for fails the
 * run.
 *
 * `PAYCHAN_TEST_SEED=random npm test` explores; a failure prints its seed and path, and
 * `PAYCHAN_TEST_SEED=<that seed>` repeats it. `PAYCHAN_TEST_RUNS` changes the number of cases.
 */
import fc from 'fast-check'

const DEFAULT_SEED = 20090103
const DEFAULT_RUNS = 100

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
process.on('unhandledRejection', (reason: unknown) => {
  throw reason instanceof Error ? reason : new Error(`unhandled rejection: ${String(reason)}`)
})
