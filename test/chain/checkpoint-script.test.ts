/** `scripts/checkpoints.js`, on servers that agree, disagree, or are not there. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FakeServer } from './fake-server.js'
import { startDevnet, type Devnet } from '../../src/devnet/devnet.js'

const SCRIPT = fileURLToPath(new URL('../../../scripts/checkpoints.js', import.meta.url))

describe('the script that asks for checkpoints', () => {
  let devnet: Devnet
  before(async () => {
    devnet = await startDevnet({ seed: 'checkpoints' })
  })
  after(async () => {
    await devnet.stop()
  })

  async function run(...args: string[]): Promise<{ code: number; text: string }> {
    return await new Promise((resolve) => {
      execFile(process.execPath, [SCRIPT, ...args], (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), text: stdout + stderr })
      })
    })
  }

  it('says what each server has answered, and that all agree', async () => {
    const { url } = devnet
    const { code, text } = await run('regtest', '--height', '100', url, url, url)
    const hash =
      (await devnet.backend.header(100)) === undefined ? assert.fail() : text.match(/[0-9a-f]{64}/g)
    assert.deepEqual([code, hash?.length, new Set(hash).size], [0, 3, 1], text)
    assert.match(text, /Block 100 of regtest.*its tip is at 120.*All agree\./s)
  })

  it('takes nothing from servers that disagree, that are too few, or for a block that cannot be one', async () => {
    const other = await new FakeServer().listen()
    other.chain.mine(120)
    const { url } = devnet
    const disagreement = await run('regtest', '--height', '100', url, url, other.url)
    assert.deepEqual(
      [disagreement.code, /do not agree/.test(disagreement.text)],
      [1, true],
      disagreement.text
    )
    await other.close()
    const few = await run('regtest', '--height', '100', url, url, other.url)
    assert.deepEqual(
      [few.code, /Cannot reach.*2 of 3 have answered; at least 3/s.test(few.text)],
      [1, true],
      few.text
    )
    const early = await run('regtest', '--height', '5', url)
    assert.deepEqual(
      [early.code, /take one that is 6 higher/.test(early.text)],
      [1, true],
      early.text
    )
  })
})
