/**
 * Rooms in which no file depends on itself by way of others, types included: each can be read from
 * the bottom up. (The linter refuses circles of values everywhere.)
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { itInAll } from '../size.js'

const SETUP = fileURLToPath(new URL('../setup.js', import.meta.url))
const MOCHA = fileURLToPath(import.meta.resolve('mocha/bin/mocha.js'))

describe('the setup of a test run', () => {
  let dir: string

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-setup-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  /** The exit code, which is the number of tests and hooks that failed. */
  async function runTest(body: string, files = 1, ...options: string[]): Promise<number | null> {
    const paths = Array.from({ length: files }, (_, n) => join(dir, `sample-${n}.test.mjs`))
    for (const path of paths) {
      await writeFile(path, `describe('sample', () => { it('runs', async () => { ${body} }) })\n`)
    }
    const child = spawn(
      process.execPath,
      [MOCHA, '--no-config', '--no-package', '--require', SETUP, ...options, ...paths],
      { stdio: 'ignore' }
    )
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }

  const LOST =
    "Promise.reject(new Error('lost')); await new Promise(resolve => setImmediate(resolve))"
  /** On two workers the third file is not the first of its worker. */
  const PARALLEL = ['--parallel', '--jobs', '2']

  it('lets a sound test pass', async () => {
    assert.equal(await runTest(''), 0)
    assert.equal(await runTest('', 3, ...PARALLEL), 0)
  })

  it('fails a run in which a rejection is handled by nobody', async () => {
    assert.notEqual(await runTest(LOST), 0)
  })

  it('fails each file in which a rejection is handled by nobody', async () => {
    const [one, three] = [await runTest(LOST, 1, ...PARALLEL), await runTest(LOST, 3, ...PARALLEL)]
    assert.ok(one !== null && one > 0)
    assert.equal(three, 3 * one)
  })

  itInAll('fails each file that leaves a server behind', async () => {
    const left = "const { createServer } = await import('node:net'); createServer().listen(0)"
    assert.equal(await runTest(left, 2, ...PARALLEL), 2)
  })
})

const ROOMS = [
  'types',
  'bitcoin',
  'channel',
  'chain',
  'store',
  'p2p',
  'wallet',
  'words',
  'node',
  'metering',
  'devnet',
  'daemon',
  'demo',
  'sim',
  'engine',
  'cli',
  'testing'
]

function filesIn(room: string): string[] {
  return readdirSync(join('src', room), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join('src', room, file))
}

/** The files of the same room that a file imports, or exports again. */
function importsOf(text: string, file: string): string[] {
  return [...text.matchAll(/ from '(\.[^']+)\.js'/g)].map(([, path = '']) =>
    join(dirname(file), `${path}.ts`)
  )
}

/** A way from a file back to itself; undefined when there is none. */
function circleOf(imports: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  function walk(file: string, path: readonly string[]): string[] | undefined {
    const at = path.indexOf(file)
    if (at >= 0) return [...path.slice(at), file]
    if (done.has(file)) return undefined
    for (const next of imports.get(file) ?? []) {
      const found = walk(next, [...path, file])
      if (found !== undefined) return found
    }
    done.add(file)
    return undefined
  }
  for (const file of imports.keys()) {
    const found = walk(file, [])
    if (found !== undefined) return found
  }
  return undefined
}

describe('architecture / circles', () => {
  for (const room of ROOMS) {
    it(`there is none in src/${room}`, () => {
      const imports = new Map(
        filesIn(room).map((file) => [file, importsOf(readFileSync(file, 'utf8'), file)])
      )
      assert.equal(circleOf(imports), undefined)
    })
  }

  it('would be found, also of three files', () => {
    const imports = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', []],
      ['d', ['a']]
    ])
    assert.deepEqual(circleOf(imports), ['a', 'b', 'd', 'a'])
  })
})

/* The walks of ARCHITECTURE.md: what they name is there, and their counts are right. */

interface Step {
  readonly file: string
  readonly counted: readonly string[]
  readonly aside: readonly string[]
}

interface Walk {
  readonly title: string
  readonly functions: number
  readonly files: number
  readonly steps: readonly Step[]
}

const text = readFileSync('ARCHITECTURE.md', 'utf8')
const section = text.split(/^## /m).find((part) => part.startsWith('Three walks')) ?? assert.fail()

const WALKS: readonly Walk[] = section
  .split(/^### /m)
  .slice(1)
  .map((part) => {
    const [, title = '', functions, files] =
      /^(.*): (\d+) functions in (\d+) files$/m.exec(part) ?? assert.fail(part.slice(0, 80))
    const steps = part.split(/^\d+\. /m).slice(1)
    return {
      title,
      functions: Number(functions),
      files: Number(files),
      steps: steps.map((step) => stepOf(step.split('\n\n')[0] ?? ''))
    }
  })

function stepOf(step: string): Step {
  const [, file = ''] = /^`([^`]+)`/.exec(step) ?? assert.fail(step)
  const said = step.slice(file.length + 2)
  const brackets = [...said.matchAll(/\([^)]*\)/g)].map(([words]) => words).join()
  return {
    file,
    counted: namesIn(said.replace(/\([^)]*\)/g, '')),
    aside: namesIn(brackets)
  }
}

/** Functions: what is a type or a message begins with a capital letter. */
function namesIn(words: string): string[] {
  return [...words.matchAll(/`(#?[a-z]\w*)`/g)].map(([, name = '']) => name)
}

function sourcesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(directory, name), 'utf8'))
}

/** True when a source defines the name, or calls a method by it. */
function has(source: string, name: string): boolean {
  return new RegExp(`(^|[^\\w#])${name}\\b\\s*[(<=:\\]]`, 'm').test(source)
}

describe('architecture / walks', () => {
  const all = ['src', 'protocols'].flatMap(sourcesIn)

  it('are three', () => {
    assert.equal(WALKS.length, 3)
  })

  for (const { title, functions, files, steps } of WALKS) {
    it(`${title}: each function is in its file`, () => {
      for (const { file, counted } of steps) {
        const source = readFileSync(file, 'utf8')
        assert.ok(counted.length > 0, file)
        for (const name of counted) assert.ok(has(source, name), `${file}: ${name}`)
      }
    })

    it(`${title}: what is called on the way is there`, () => {
      for (const { file, aside } of steps) {
        for (const name of aside) {
          assert.ok(
            all.some((source) => has(source, name)),
            `${file}: ${name}`
          )
        }
      }
    })

    it(`${title}: is as long as it says`, () => {
      assert.equal(
        steps.reduce((sum, { counted }) => sum + counted.length, 0),
        functions
      )
      assert.equal(new Set(steps.map(({ file }) => file)).size, files)
    })
  }
})
