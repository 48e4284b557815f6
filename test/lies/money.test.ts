/**
 * Two real nodes, each with two Electrum servers, of which the first one lies from the start on, in
 * every way that we know: a channel is opened, paid on, settled by the server alone, and swept.
 * Nobody loses more than fees.
 */
import { Liar } from './liar.js'
import { LIES } from './lies.js'
import { Pair } from '../reorgs/pair.js'
import { sized } from '../size.js'

/**
 * A short run has every fourth, of which none is silent: that is waited for by a clock.
 * `detection.test.ts` has all of them.
 */
const TOLD = sized({ small: LIES.filter((_, n) => n % 4 === 0), all: LIES })

describe('servers that lie / beside an honest one, no lie costs money', () => {
  for (const { name, lie } of TOLD) {
    it(name, async () => {
      let liar: Liar | undefined
      const pair = await Pair.create(async ({ devnet }) => {
        liar = await Liar.start(devnet, lie())
        return { electrum: [liar.url, devnet.url] }
      })
      try {
        await pair.open()
        await pair.pay(30_000n)
        await pair.settle()
        await pair.mine()
        await pair.both('closed')
        await pair.paidOut({ server: 30_000n })
      } finally {
        await pair.end()
        await liar?.stop()
      }
    })
  }
})
