/** The wallet of a world is a wallet like any other. */
import { outPointText, toHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { SimChain } from '../../src/testing/chain.js'
import { Purses, SimWallet } from '../../src/testing/wallet.js'
import { walletContract } from '../contracts/wallet.js'

walletContract('simulated', async (coins) => {
  const chain = new SimChain({
    start: 1,
    blockVsize: 1_000_000,
    rateAt: () => 1,
    judge: () => undefined
  })
  const purses = new Purses(chain)
  const walletOf = (name: string): SimWallet =>
    new SimWallet(name, chain, purses, async (raw) => chain.broadcast(raw))
  const wallet = walletOf('alice')
  for (const value of coins) chain.mint(toHex(wallet.closeScript(0)), value)
  return {
    wallet,
    valueOf: (outPoint) => {
      const output = chain.output(outPointText(outPoint))
      return output === undefined ? undefined : satoshi(BigInt(output.value))
    },
    scriptAt: (index) => {
      const twin = walletOf('alice')
      for (let at = 0; at < index; at++) twin.nextScript()
      return twin.nextScript()
    },
    stop: async () => {}
  }
})
