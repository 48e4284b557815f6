/**
 * Child process: runs test files once and writes which places of the code each of their tests has
 * reached: `node dist/test/mutants/reach.js PLACES OUTPUT FILE...`.
 *
 * The code marks the places itself (reach-hooks.ts). V8's own coverage counts only code that it
 * does not optimise, and hashing is thirty times slower then.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { register } from 'node:module'
import type { Extent } from './mutations.js'

/** Where something can be changed. */
export interface Place extends Extent {
  /** The module's address. */
  readonly url: string
}

export interface Reached {
  readonly title: string
  readonly file: string
  readonly milliseconds: number
  readonly passed: boolean
  /**
   * Numbers of the places that ran in the test, or outside of the tests of its file: all of them
   * stand on that.
   */
  readonly places: readonly number[]
}

const [, , input = '', output = '', ...files] = process.argv
const places = JSON.parse(readFileSync(input, 'utf8')) as Place[]

const reachedPlaces = new Uint8Array(places.length)
Object.assign(globalThis, { reachedPlaces })
register('./reach-hooks.js', import.meta.url, { data: places })
// From here on modules are loaded with the marks in them. Those with places come first, so that
// what runs while they are loaded counts for every file, and not only for the first one that needs
// them.
for (const url of new Set(places.map(({ url }) => url))) await import(url)
await import('../setup.js')
const { runFile } = await import('./suites.js')

/** The places that were reached since the last time. */
function taken(): number[] {
  const numbers = [...reachedPlaces.keys()].filter((number) => reachedPlaces[number] === 1)
  reachedPlaces.fill(0)
  return numbers
}

const loaded = taken()
const tests: Reached[] = []
for (const file of files) {
  const shared = new Set(loaded)
  const share = (): void => {
    for (const number of taken()) shared.add(number)
  }
  const own: Reached[] = []
  await runFile(file, undefined, false, {
    loaded: share,
    before: share,
    after: (title, milliseconds, passed) => {
      own.push({ title, file, milliseconds, passed, places: taken() })
    }
  })
  tests.push(...own.map((test) => ({ ...test, places: [...new Set([...shared, ...test.places])] })))
}
writeFileSync(output, JSON.stringify(tests))
process.exit(0)
