/**
 * The contract of the `Chain` port on a real bitcoind: through a real electrs, and through our own
 * Electrum server.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { address, networks } from 'bitcoinjs-lib'
import { z } from 'zod'
import { createElectrumChain } from '../../src/chain/chain.js'
import { startDevnet } from '../../src/devnet/index.js'
import { realClock, seededRandom, statusOf } from '../chain/helpers.js'
import { Proxy } from '../chain/proxy.js'
import {
  chainContract,
  reorganisationContract,
  type ReorganisingFixture
} from '../contracts/chain.js'
import { Bitcoind } from './bitcoind.js'
import { type Electrs, hasElectrs, startElectrs } from './electrs.js'

function on(server: 'electrs' | 'our own'): () => Promise<ReorganisingFixture> {
  return async () => {
    const bitcoind = await Bitcoind.start()
    const devnet = await startDevnet({ bitcoind: bitcoind.url })
    const electrs = server === 'electrs' ? await startElectrs(bitcoind) : undefined
    const proxy = await new Proxy(
      electrs === undefined
        ? devnet
        : { host: '127.0.0.1', port: Number(new URL(electrs.url).port) }
    ).open()
    const chain = createElectrumChain({
      url: proxy.url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      timeouts: { retryFirst: 2, retryMost: 20 }
    })
    await chain.start()
    return {
      chain,
      fund: async (script, amount) =>
        await devnet.fund(address.fromOutputScript(script, networks.regtest), amount),
      mine: async (count) => {
        await devnet.mine(count)
      },
      disconnect: async () => {
        const down = statusOf(chain, 'down')
        await proxy.cut()
        await down
      },
      reconnect: async () => {
        await proxy.open()
      },
      reorg: async (depth) => {
        await devnet.reorg(depth)
      },
      stop: async () => {
        await chain.stop()
        await proxy.cut()
        await electrs?.stop()
        await devnet.stop()
        await bitcoind.stop()
      }
    }
  }
}

for (const server of ['our own', ...(hasElectrs ? (['electrs'] as const) : [])] as const) {
  chainContract(`over ${server} Electrum server, on bitcoind`, on(server))
  reorganisationContract(`over ${server} Electrum server, on bitcoind`, on(server))
}

/* The demos on a real bitcoind, through a real electrs where there is one. */

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
