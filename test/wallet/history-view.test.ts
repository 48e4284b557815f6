/** Histories in, one consistent picture out. */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { hashFromTxid, txid, type OutPoint } from '../../src/types/bytes.js'
import { blockHeight, MAX_MONEY } from '../../src/types/units.js'
import { AddressBook } from '../../src/wallet/addresses.js'
import { CoinLocks, coinsOf, Reservations, sumOf } from '../../src/wallet/coins.js'
import { OutgoingTransactions } from '../../src/wallet/outgoing.js'
import { HistoryView } from '../../src/wallet/history-view.js'
import { testRoot } from './test-root.js'
import type { ChainTransaction } from '../../src/engine/ports.js'

const book = new AddressBook(testRoot('alice'), 'regtest')
const [a, b] = [book.at('receive', 0).scriptPubKey, book.at('change', 0).scriptPubKey]
const foreign = Uint8Array.from([0, 20, ...new Uint8Array(20)])
const SOMEWHERE: OutPoint = { txid: txid('ee'.repeat(32)), vout: 0 }

function transaction(
  inputs: readonly OutPoint[],
  outputs: ReadonlyArray<readonly [Uint8Array, number]>,
  height?: number
): ChainTransaction {
  const tx = new bitcoin.Transaction()
  for (const { txid, vout } of inputs) tx.addInput(hashFromTxid(txid), vout)
  for (const [script, value] of outputs) tx.addOutput(script, BigInt(value))
  const raw = tx.toBuffer()
  return {
    transaction: parseTransaction(raw),
    height: height === undefined ? undefined : blockHeight(height)
  }
}

describe('history view', () => {
  let view: HistoryView

  beforeEach(() => {
    view = new HistoryView()
  })

  function total(tip = 200): { confirmed: bigint; pending: bigint } {
    const coins = coinsOf(view, book, blockHeight(tip), {
      reservations: new Reservations(),
      outgoing: new OutgoingTransactions(),
      locks: new CoinLocks()
    })
    return {
      confirmed: sumOf(coins.filter(({ confirmed }) => confirmed)),
      pending: sumOf(coins.filter(({ confirmed }) => !confirmed))
    }
  }

  it('counts a replaced transaction once, while one history has the old version and another the new one', () => {
    const coin = transaction([SOMEWHERE], [[a, 100]], 10)
    const spend = { txid: coin.transaction.txid, vout: 0 }
    const [old, replacement] = [transaction([spend], [[b, 90]]), transaction([spend], [[a, 80]])]
    view.set(b, [old])
    view.set(a, [coin, replacement])
    assert.deepEqual(total(), { confirmed: 0n, pending: 80n })
    // Then the old one is in a block after all, and the other history does not know it yet.
    view.set(b, [{ ...old, height: blockHeight(11) }])
    assert.deepEqual(total(), { confirmed: 90n, pending: 0n })
    view.set(a, [coin, replacement])
    assert.deepEqual(
      total(),
      { confirmed: 90n, pending: 0n },
      'what a block has outranks later news of the mempool'
    )
  })

  it('counts outputs to our scripts, confirmed once they have a height, and no others', () => {
    view.set(a, [
      transaction(
        [SOMEWHERE],
        [
          [foreign, 5],
          [a, 100]
        ],
        10
      ),
      transaction([{ ...SOMEWHERE, vout: 1 }], [[a, 30]])
    ])
    assert.deepEqual(total(), { confirmed: 100n, pending: 30n })
  })

  it('replaces a history: what is not in it any more is gone', () => {
    view.set(a, [transaction([SOMEWHERE], [[a, 100]], 10)])
    view.set(a, [])
    assert.deepEqual(total(), { confirmed: 0n, pending: 0n })
  })

  it('lets a reorg take a height away', () => {
    view.set(a, [transaction([SOMEWHERE], [[a, 100]], 10)])
    view.set(a, [transaction([SOMEWHERE], [[a, 100]])])
    assert.deepEqual(total(), { confirmed: 0n, pending: 100n })
  })

  describe('when the histories of one transaction arrive one after the other', () => {
    const coin = transaction([SOMEWHERE], [[a, 1000]], 10)
    const spend = transaction(
      [{ txid: coin.transaction.txid, vout: 0 }],
      [
        [foreign, 600],
        [b, 390]
      ]
    )

    it('counts the coin as spent and the change as ours with the first of them, whichever it is', () => {
      view.set(a, [coin, spend])
      assert.deepEqual(total(), { confirmed: 0n, pending: 390n })
      view.set(b, [spend])
      assert.deepEqual(total(), { confirmed: 0n, pending: 390n })

      view = new HistoryView()
      view.set(a, [coin])
      view.set(b, [spend])
      assert.deepEqual(total(), { confirmed: 0n, pending: 390n })
      assert.equal(
        view.spender({ txid: coin.transaction.txid, vout: 0 })?.transaction.txid,
        spend.transaction.txid
      )
    })

    it('believes the later about its height', () => {
      view.set(a, [coin, spend])
      view.set(b, [{ ...spend, height: blockHeight(12) }])
      assert.deepEqual(total(), { confirmed: 390n, pending: 0n })
      view.set(a, [coin, spend])
      assert.deepEqual(total(), { confirmed: 0n, pending: 390n })
    })

    it('has the coin back once the spend is in no history any more', () => {
      view.set(a, [coin, spend])
      view.set(b, [spend])
      view.set(a, [coin])
      view.set(b, [])
      assert.deepEqual(total(), { confirmed: 1000n, pending: 0n })
    })

    it('forgets a script with all that only its history said', () => {
      view.set(a, [coin])
      view.set(b, [spend])
      view.delete(b)
      assert.deepEqual(total(), { confirmed: 1000n, pending: 0n })
    })
  })

  it('keeps the reward of a block pending until it is mature (100 blocks)', () => {
    const reward = transaction([{ txid: txid('00'.repeat(32)), vout: 0xffffffff }], [[a, 50]], 101)
    view.set(a, [reward])
    assert.deepEqual(total(199), { confirmed: 0n, pending: 50n })
    // Its 100th confirmation is that of block 200; the spend is in block 201 at the earliest.
    assert.deepEqual(total(200), { confirmed: 50n, pending: 0n })
  })

  it('can be added up, whatever a server makes up: never to more than there is', () => {
    for (const n of [1, 2]) {
      view.set(n === 1 ? a : b, [
        transaction([{ ...SOMEWHERE, vout: n }], [[n === 1 ? a : b, Number(MAX_MONEY)]])
      ])
    }
    assert.deepEqual(total(), { confirmed: 0n, pending: MAX_MONEY })
  })
})
