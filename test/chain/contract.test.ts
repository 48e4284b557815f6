/** The contract of the `Chain` port, run over the devnet's Electrum server. */
import { address, networks } from 'bitcoinjs-lib'
import { createElectrumChain } from '../../src/chain/chain.js'
import { startDevnet } from '../../src/devnet/devnet.js'
import {
  chainContract,
  reorganisationContract,
  type ReorganisingFixture
} from '../contracts/chain.js'
import { realClock, seededRandom, statusOf } from './helpers.js'
import { Proxy } from './proxy.js'

async function onDevnet(): Promise<ReorganisingFixture> {
  const devnet = await startDevnet({ port: 0, seed: 'chain contract' })
  const proxy = await new Proxy(devnet).open()
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
      await devnet.stop()
    }
  }
}

chainContract('over Electrum, on the devnet', onDevnet)
reorganisationContract('over Electrum, on the devnet', onDevnet)
