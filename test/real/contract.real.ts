/**
 * The contract of the `Chain` port on a real bitcoind: through a real electrs, and through our own
 * Electrum server.
 */
import { address, networks } from 'bitcoinjs-lib'
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
import { hasElectrs, startElectrs } from './electrs.js'

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
