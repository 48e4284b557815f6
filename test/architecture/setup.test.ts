import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SETUP = fileURLToPath(new URL('../setup.js', import.meta.url))
const MOCHA = fileURLToPath(import.meta.resolve('mocha/bin/mocha.js'))

describe('the setup of a test run', function () {
  this.timeout(30_000)
  let dir: string

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-setup-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  async function runTest(body: string): Promise<number | null> {
    const file = join(dir, 'sample.test.mjs')
    await writeFile(file, `describe('sample', () => { it('runs', async () => { ${body} }) })\n`)
    const child = spawn(
      process.execPath,
      [MOCHA, '--no-config', '--no-package', '--require', SETUP, file],
      { stdio: 'ignore' }
    )
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }

  it('lets a sound test pass', async () => {
    assert.equal(await runTest(''), 0)
  })

  it('fails a run in which a rejection is handled by nobody', async () => {
    assert.notEqual(
      await runTest(
        "Promise.reject(new Error('lost')); await new Promise(resolve => setImmediate(resolve))"
      ),
      0
    )
  })
})
