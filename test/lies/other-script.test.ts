/**
 * A server shows a spend of one script of a wallet in the history of another one, where nothing
 * tells whose signature it needs. Nobody has signed it: the coins stay, and can be sent (EVID-9).
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import { scriptFromAddress } from '../../src/bitcoin/address.js'
import { scriptHashOf } from '../../src/chain/electrum/session.js'
import { hashFromTxid, outPointFromText } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { Fixture, type TestNode } from '../node/fixture.js'
import { Liar } from './liar.js'

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
