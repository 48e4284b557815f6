/**
 * Child process: runs test files once and writes which points of the code each test has reached,
 * with V8's own block coverage: `node dist/test/mutants/reach.js POINTS OUTPUT FILE...`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { Session, type Profiler } from 'node:inspector'
import '../setup.js'
import { runFile } from './suites.js'

/** By the module's address: where something can be changed. */
export type Points = Record<string, readonly number[]>

export interface Reached {
  readonly title: string
  readonly file: string
  readonly milliseconds: number
  readonly passed: boolean
  /** By the module's address: the points in functions that ran. */
  readonly points: Points
}

const [, , input = '', output = '', ...files] = process.argv
const points = JSON.parse(readFileSync(input, 'utf8')) as Points

const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })

/** The points that were reached since the last time. */
function taken(): Points {
  let scripts: Profiler.ScriptCoverage[] = []
  session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
    scripts = result
  })
  return Object.fromEntries(
    scripts.flatMap(({ url, functions }) => {
      // Outer functions and blocks come before those in them.
      const ranges = functions.flatMap((each) => each.ranges)
      if (!ranges.some(({ count }) => count > 0)) return []
      return [
        [
          url,
          (points[url] ?? []).filter(
            (at) =>
              (ranges.findLast(({ startOffset, endOffset }) => startOffset <= at && at < endOffset)
                ?.count ?? 0) > 0
          )
        ]
      ]
    })
  )
}

function joined(a: Points, b: Points): Points {
  const urls = new Set([...Object.keys(a), ...Object.keys(b)])
  return Object.fromEntries(
    [...urls].map((url) => [url, [...new Set([...(a[url] ?? []), ...(b[url] ?? [])])]])
  )
}

const tests: Reached[] = []
for (const file of files) {
  // What the file does outside of its tests all of them stand on.
  let shared: Points = {}
  const ofFile: Reached[] = []
  await runFile(file, undefined, false, {
    loaded: () => {
      shared = taken()
    },
    before: () => {
      shared = joined(shared, taken())
    },
    after: (title, milliseconds, passed) => {
      ofFile.push({ title, file, milliseconds, passed, points: taken() })
    }
  })
  tests.push(...ofFile.map((test) => ({ ...test, points: joined(shared, test.points) })))
}
writeFileSync(output, JSON.stringify(tests))
process.exit(0)
