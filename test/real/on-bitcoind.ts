/**
 * Loaded before end-to-end tests (`--require`): they run on a real bitcoind then, through a real
 * electrs where there is one.
 */
import { startDevnet } from '../../src/devnet/index.js'
import { chainSource } from '../chain-source.js'
import { Bitcoind } from './bitcoind.js'
import { hasElectrs, startElectrs } from './electrs.js'

chainSource.canForget = false
chainSource.start = async () => {
  const bitcoind = await Bitcoind.start()
  const devnet = await startDevnet({ bitcoind: bitcoind.url })
  const electrs = hasElectrs ? await startElectrs(bitcoind) : undefined
  return {
    devnet,
    electrum: electrs?.url ?? devnet.url,
    stop: async () => {
      await electrs?.stop()
      await devnet.stop()
      await bitcoind.stop()
    }
  }
}
