/** The demos on a real bitcoind, through a real electrs where there is one. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { Bitcoind } from './bitcoind.js'
import { hasElectrs, startElectrs, type Electrs } from './electrs.js'

const DEMO = fileURLToPath(new URL('../../src/demo/main.js', import.meta.url))
const reportShape = z.object({
  scenario: z.string(),
  ok: z.boolean(),
  transactions: z.record(z.string(), z.string())
})

describe(`demos / on bitcoind${hasElectrs ? ' and electrs' : ''}`, () => {
  let bitcoind: Bitcoind
  let electrs: Electrs | undefined

  before(async () => {
    bitcoind = await Bitcoind.start()
    // Others have mined it: our own coins come later.
    await bitcoind.call(z.array(z.string()), 'generatetodescriptor', 150, 'raw(51)')
    electrs = hasElectrs ? await startElectrs(bitcoind) : undefined
  })

  after(async () => {
    await electrs?.stop()
    await bitcoind.stop()
  })

  for (const name of ['pay', 'refund', 'settle', 'restart', 'two-way', 'stale']) {
    it(`${name} ends well, and bitcoind has its transactions`, async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        DEMO,
        name,
        '--json',
        '--bitcoind',
        bitcoind.url,
        ...(electrs === undefined ? [] : ['--electrum', electrs.url])
      ])
      const report = reportShape.parse(JSON.parse(stdout))
      assert.equal(report.scenario, name)
      assert.equal(report.ok, true)
      for (const raw of Object.values(report.transactions)) {
        const { txid } = await bitcoind.call(
          z.object({ txid: z.string() }),
          'decoderawtransaction',
          raw
        )
        const { confirmations } = await bitcoind.call(
          z.object({ confirmations: z.number() }),
          'getrawtransaction',
          txid,
          true
        )
        assert.ok(confirmations > 0)
      }
    })
  }
})
