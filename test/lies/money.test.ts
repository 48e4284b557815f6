/**
 * Two real nodes, each with two Electrum servers, of which the first one lies from the start on, in
 * every way that we know: a channel is opened, paid on, settled by the server alone, and swept.
 * Nobody loses more than fees.
 */
import { Liar } from './liar.js'
import { LIES } from './lies.js'
import { Pair } from '../reorgs/pair.js'

describe('servers that lie / beside an honest one, no lie costs money', function () {
  this.timeout(60_000)

  for (const { name, lie } of LIES) {
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
