/**
 * Two real nodes, each with two Electrum servers, of which the first one lies from the start on, in
 * every way that we know: a channel is opened, paid on, settled by the server alone, and swept.
 * Nobody loses more than fees.
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { hashFromTxid, sameBytes } from '../../src/types/bytes.js'
import { CAPACITY, Pair } from '../reorgs/pair.js'
import { sized } from '../size.js'
import { Liar, type Line } from './liar.js'
import { LIES } from './lies.js'

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
        await pair.payAndSettle(30_000n)
        await pair.paidOut({ server: 30_000n })
      } finally {
        await pair.end()
        await liar?.stop()
      }
    })
  }
})

/*
 * A lie about a broadcast that would freeze a fee: what is no matter of fees must not hide that the
 * fee is too low.
 */

const BROADCAST = 'blockchain.transaction.broadcast'
/** What the full mempool of the honest server asks of a settlement: above the first bid. */
const LEAST_FEE = 500n

/** Whatever was sent before has arrived by then. */
async function roundTrip({ ask }: Line): Promise<void> {
  await ask('server.ping')
}

describe('servers that lie / about why they refuse a broadcast', () => {
  it('the fee of a settlement rises all the same, until the honest server takes it', async () => {
    const servers: Liar[] = []
    const pair = await Pair.create(async ({ devnet }) => {
      servers.push(await Liar.start(devnet), await Liar.start(devnet))
      return { electrum: servers.map(({ url }) => url) }
    })
    try {
      await pair.open()
      await pair.pay(300_000n)
      const funding = hashFromTxid(pair.fundingTxid)
      const [liar, honest] = [servers[0] ?? assert.fail(), servers[1] ?? assert.fail()]
      const isSpend = (raw: unknown): boolean =>
        Transaction.fromHex(String(raw)).ins.some(({ hash }) => sameBytes(hash, funding))
      const lied = new Set<unknown>()
      liar.lie = {
        answer: async ({ method, params: [raw] }, said) => {
          if (method !== BROADCAST || !isSpend(raw)) return { result: await said() }
          lied.add(raw)
          return { error: 'bad-txns-inputs-missingorspent' }
        }
      }
      let refused = 0
      honest.lie = {
        answer: async ({ method, params: [raw] }, said, line) => {
          if (method !== BROADCAST || !isSpend(raw)) return { result: await said() }
          const fee =
            CAPACITY -
            Transaction.fromHex(String(raw)).outs.reduce((sum, { value }) => sum + value, 0n)
          if (fee >= LEAST_FEE) return { result: await said() }
          refused++
          // The lie is heard first.
          while (!lied.has(raw)) {
            await new Promise((resolve) => {
              setImmediate(resolve)
            })
          }
          await roundTrip(line)
          return { error: 'the transaction was rejected by network rules.\n\nmempool full' }
        }
      }
      pair.beginToSettle()
      assert.equal(await pair.mineUntilClosed(), 'settlement')
      assert.ok(refused > 0)
      await pair.paidOut({ server: 300_000n })
    } finally {
      await pair.end()
      await Promise.all(
        servers.map(async (server) => {
          await server.stop()
        })
      )
    }
  })
})
