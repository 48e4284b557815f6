/**
 * The chain that end-to-end tests run on: a devnet, unless `test/real/on-bitcoind.ts` is loaded
 * before them.
 */
import { startDevnet, type Devnet, type DevnetOptions } from '../src/devnet/index.js'

export interface TestChain {
  /** Mines, funds, takes blocks back. */
  readonly devnet: Devnet
  /** The Electrum server that the nodes use. */
  readonly electrum: string
  readonly stop: () => Promise<void>
}

export const chainSource = {
  /** Whether a reorganisation can drop transactions for good. */
  canForget: true,
  start: async (
    seed: string,
    options: Pick<DevnetOptions, 'blockWeight' | 'core'> = {}
  ): Promise<TestChain> => {
    const devnet = await startDevnet({ seed, ...options })
    return {
      devnet,
      electrum: devnet.url,
      stop: async () => {
        await devnet.stop()
      }
    }
  }
}
