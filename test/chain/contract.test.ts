/** The contract of the `Chain` port, run over the devnet's Electrum server. */
import { address, networks } from 'bitcoinjs-lib'
import { createServerPool } from '../../src/chain/pool.js'
import { startDevnet } from '../../src/devnet/index.js'
import {
  caughtUpContract,
  chainContract,
  reorganisationContract,
  type ReorganisingFixture
} from '../contracts/chain.js'
import { realClock, seededRandom, statusOf } from './helpers.js'
import { Proxy } from './proxy.js'

async function onDevnet(servers = 1): Promise<ReorganisingFixture> {
  const devnet = await startDevnet({ port: 0, seed: 'chain contract' })
  const proxies = await Promise.all(
    Array.from({ length: servers }, async () => await new Proxy(devnet).open())
  )
  const chain = createServerPool({
    servers: proxies.map(({ url }) => ({ url })),
    network: 'regtest',
    clock: realClock,
    random: seededRandom(),
    timeouts: { retryFirst: 2, retryMost: 20 }
  })
  const cut = async (): Promise<void> => {
    await Promise.all(proxies.map(async (proxy) => await proxy.cut()))
  }
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
      await cut()
      await down
    },
    reconnect: async () => {
      await Promise.all(proxies.map(async (proxy) => await proxy.open()))
    },
    reorg: async (depth) => {
      await devnet.reorg(depth)
    },
    stop: async () => {
      await chain.stop()
      await cut()
      await devnet.stop()
    }
  }
}

chainContract('over Electrum, on the devnet', onDevnet)
caughtUpContract('over Electrum, on the devnet', onDevnet)
caughtUpContract('over two Electrum servers, on the devnet', async () => await onDevnet(2))
reorganisationContract('over Electrum, on the devnet', onDevnet)
