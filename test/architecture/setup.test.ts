import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
