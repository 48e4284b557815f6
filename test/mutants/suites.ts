/** Mocha on one test file at a time, in this process, with a choice of its tests. */
import { pathToFileURL } from 'node:url'
import Mocha from 'mocha'

/** Ends everything that a test may leave open. */
export const TEST_TIMEOUT_MS = 60_000

class Silent extends Mocha.reporters.Base {}

export interface Hooks {
  /** Once the file is loaded. */
  readonly loaded?: () => void
  /** Before each test, after the hooks that are run once for all of a suite. */
  readonly before?: () => void
  readonly after?: (title: string, milliseconds: number, passed: boolean) => void
}

/**
 * Runs a file's tests that are asked for (all when undefined), up to the first that fails if
 * `bail`. Returns how many failed.
 */
export async function runFile(
  path: string,
  titles: ReadonlySet<string> | undefined,
  bail: boolean,
  { loaded, before, after }: Hooks = {}
): Promise<number> {
  const mocha = new Mocha({ reporter: Silent, timeout: TEST_TIMEOUT_MS, bail })
  // Mocha would `require` the file where Node can do that, past the hooks that change modules.
  mocha.suite.emit('pre-require', globalThis, path, mocha)
  await import(pathToFileURL(path).href)
  loaded?.()
  if (titles !== undefined) keepOnly(mocha.suite, titles)
  if (before !== undefined) mocha.suite.beforeEach(before)
  const failures = await new Promise<number>((resolve) => {
    const runner = mocha.run(resolve)
    runner.on('test end', (test: Mocha.Test) => {
      after?.(test.fullTitle(), test.duration ?? 0, test.state === 'passed')
    })
  })
  return failures
}

function keepOnly(suite: Mocha.Suite, titles: ReadonlySet<string>): void {
  suite.tests = suite.tests.filter((test) => titles.has(test.fullTitle()))
  for (const inner of suite.suites) keepOnly(inner, titles)
}
