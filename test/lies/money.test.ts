/**
 * Two real nodes, each with two Electrum servers, of which the first one lies from the start on, in
 * every way that we know: a channel is opened, paid on, settled by the server alone, and swept.
 * Nobody loses more than fees.
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import { scriptFromAddress } from '../../src/bitcoin/address.js'
import { scriptHashOf } from '../../src/chain/electrum/session.js'
import { hashFromTxid, outPointFromText, sameBytes } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { Fixture, type TestNode } from '../node/fixture.js'
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

/*
 * A server shows a spend of one script of a wallet in the history of another one, where nothing
 * tells whose signature it needs. Nobody has signed it: the coins stay, and can be sent (EVID-9).
 */

const rows = z.array(z.unknown())
const MONEY = 2_000_000n
/** What anybody can make up, and counts for nothing: it shows that the history was heard. */
const MARK = 330n

describe('servers that lie / about one script in the history of another', () => {
  let fixture: Fixture
  let liar: Liar

  beforeEach(async () => {
    fixture = await Fixture.create()
    liar = await Liar.start(fixture.devnet)
    fixture.onEnd(async () => {
      await liar.stop()
    })
  })
  afterEach(async () => {
    await fixture.end()
  })

  /** The liar shows these in the history of one script. */
  function show(script: Uint8Array, made: readonly Transaction[]): void {
    const byId = new Map(made.map((tx) => [tx.getId(), tx.toHex()]))
    liar.lie = {
      answer: async ({ method, params: [asked] }, honest) => {
        if (method === 'blockchain.transaction.get') {
          return { result: byId.get(String(asked)) ?? (await honest()) }
        }
        if (method !== 'blockchain.scripthash.get_history' || asked !== scriptHashOf(script)) {
          return { result: await honest() }
        }
        const waiting = [...byId.keys()].map((id) => ({ tx_hash: id, height: 0 }))
        return { result: [...rows.parse(await honest()), ...waiting] }
      }
    }
  }

  /** Spends an output that nobody has told of, or the given one; signed by nobody. */
  function payment(to: Uint8Array, value: bigint, from?: string): Transaction {
    const tx = new Transaction()
    const { txid, vout } = outPointFromText(from ?? `${'77'.repeat(32)}:0`)
    tx.addInput(hashFromTxid(txid), vout)
    tx.addOutput(to, value)
    tx.setWitness(0, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
    return tx
  }

  it('a spend that nobody has signed hides no coin (EVID-9)', async () => {
    const electrum = [liar.url, fixture.electrum]
    const before: TestNode = await fixture.rich('alice', MONEY, { electrum })
    const [coin = assert.fail()] = await before.api.wallet.coins()
    const address = await before.api.wallet.address()
    await before.api.stop()

    const other = scriptFromAddress(address, 'regtest')
    show(other, [payment(other, 1_000n, coin.outPoint), payment(other, MARK)])
    const alice = await fixture.node('alice', { electrum })
    await alice.sees(async () => {
      const { confirmed, pending } = await alice.api.wallet.balance()
      return confirmed > 0n && pending >= MARK
    })
    const { confirmed, pending } = await alice.api.wallet.balance()
    assert.deepEqual([confirmed, pending], [MONEY, MARK])
    const sent = await alice.api.wallet.send({ to: address, amount: satoshi(500_000n) })
    assert.equal(sent.broadcast, true)
    await alice.sees(
      async () =>
        (await alice.api.wallet.transactions()).find(({ txid }) => txid === sent.txid)?.status ===
        'confirmed'
    )
  })
})
