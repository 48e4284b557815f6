/** Histories in, one consistent picture out. */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { addressFromScript, scriptOf } from '../../src/bitcoin/address.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { hashFromTxid, txid, type Txid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { blockHeight, feeRate, MAX_MONEY } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import {
  CoinLocks,
  coinsOf,
  OutgoingTransactions,
  Reservations,
  sumOf
} from '../../src/wallet/coins.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import { HistoryView } from '../../src/wallet/history-view.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'
import { book, FOREIGN, OURS, signed, SOMEWHERE, transaction, unsigned } from './shown.js'

const { verify } = loadEcdsa()
const { a, b } = OURS

describe('history view', () => {
  let view: HistoryView

  beforeEach(() => {
    view = new HistoryView(verify)
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
    const [old, replacement] = [signed(coin, [[b, 90]]), signed(coin, [[a, 80]])]
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
          [FOREIGN, 5],
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
    const spend = signed(coin, [
      [FOREIGN, 600],
      [b, 390]
    ])

    it('counts the coin as spent and the change as ours with the first of them, whichever it is', () => {
      view.set(a, [coin, spend])
      assert.deepEqual(total(), { confirmed: 0n, pending: 390n })
      view.set(b, [spend])
      assert.deepEqual(total(), { confirmed: 0n, pending: 390n })

      view = new HistoryView(verify)
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

  describe('of what no block vouches for', () => {
    const coin = transaction([SOMEWHERE], [[a, 1000]], 10)
    const outPoint = { txid: coin.transaction.txid, vout: 0 }
    const spend = signed(coin, [[b, 900]])

    it('takes no spend that is not signed, whichever script has it in its history (EVID-9)', () => {
      const madeUp = transaction([outPoint], [[b, 10]])
      for (const scripts of [
        [a, b],
        [b, a]
      ]) {
        view = new HistoryView(verify)
        for (const script of scripts) view.set(script, script === a ? [coin] : [madeUp])
        assert.deepEqual(total(), { confirmed: 1000n, pending: 0n })
        assert.equal(view.spender(outPoint), undefined)
        assert.equal(view.transaction(madeUp.transaction.txid), undefined)
      }
    })

    it('takes none of an output that the transaction does not have (EVID-9)', () => {
      const madeUp = transaction([{ ...outPoint, vout: 1 }], [[b, 10]])
      view.set(a, [coin])
      view.set(b, [madeUp])
      assert.deepEqual(total(), { confirmed: 1000n, pending: 0n })
    })

    it('judges a spend once it knows what is spent: histories come one after the other (EVID-9)', () => {
      const madeUp = transaction([outPoint], [[b, 10]])
      view.set(b, [madeUp])
      assert.deepEqual(total(), { confirmed: 0n, pending: 10n })
      view.set(a, [coin])
      assert.deepEqual(total(), { confirmed: 1000n, pending: 0n })
    })

    it('lets no other witness take the place of the one that signs (EVID-9)', () => {
      view.set(a, [coin, spend])
      view.set(b, [unsigned(spend)])
      assert.deepEqual(total(), { confirmed: 0n, pending: 900n })
      assert.equal(view.transaction(spend.transaction.txid)?.transaction, spend.transaction)
    })

    it('takes what a block has with any witness: its proof is one of the txid (EVID-9)', () => {
      view.set(a, [coin])
      view.set(b, [{ ...unsigned(spend), height: blockHeight(12) }])
      assert.deepEqual(total(), { confirmed: 900n, pending: 0n })
    })
  })

  describe('when a block has what spends the same', () => {
    const coin = transaction([SOMEWHERE], [[a, 1000]], 10)
    const other = { txid: txid('cc'.repeat(32)), vout: 3 }
    const spend = signed(coin, [[b, 900]], other)
    const child = transaction([{ txid: spend.transaction.txid, vout: 0 }], [[FOREIGN, 1]])
    const rival = transaction([other], [[b, 50]], 20)

    it('counts nothing that it makes impossible, nor what spends from that, whoever shows it (EVID-9)', () => {
      for (const scripts of [
        [a, b],
        [b, a]
      ]) {
        view = new HistoryView(verify)
        for (const script of scripts) view.set(script, script === a ? [coin, spend] : [rival])
        assert.deepEqual(total(), { confirmed: 1050n, pending: 0n })
        assert.equal(view.spender({ txid: coin.transaction.txid, vout: 0 }), undefined)
      }
      view.set(b, [rival, signed({ ...spend, height: undefined }, [[b, 800]]), child])
      assert.deepEqual(total(), { confirmed: 1050n, pending: 0n })
      assert.equal(view.transaction(child.transaction.txid), undefined)
    })

    it('counts it again once a reorganisation has taken the block away (EVID-9)', () => {
      view.set(a, [coin, spend])
      view.set(b, [rival])
      view.set(b, [{ ...spend, height: blockHeight(20) }])
      assert.deepEqual(total(), { confirmed: 900n, pending: 0n })
      view.set(b, [])
      assert.deepEqual(total(), { confirmed: 0n, pending: 900n })
    })
  })

  it('lets nothing that waits stand in the way through an output of others (EVID-9)', () => {
    const coin = transaction([SOMEWHERE], [[a, 1000]], 10)
    const spend = signed(coin, [[b, 900]])
    const incoming = transaction([{ ...SOMEWHERE, vout: 7 }], [[b, 40]])
    view.set(a, [coin, spend])
    view.set(b, [spend, incoming, transaction([{ ...SOMEWHERE, vout: 7 }], [[b, 3]])])
    assert.equal(view.isReplaced(incoming), false)
    assert.deepEqual(total(), { confirmed: 0n, pending: 943n })
  })

  it('counts what was abandoned only in a block, with all that spends from it (RENEW-7)', () => {
    const coin = transaction([SOMEWHERE], [[a, 1000]], 10)
    const spend = signed(coin, [[b, 900]])
    view.set(a, [coin, spend])
    view.set(b, [spend, signed(spend, [[a, 800]])])
    assert.deepEqual(total(), { confirmed: 0n, pending: 800n })
    view.abandon(spend.transaction.txid)
    assert.deepEqual(total(), { confirmed: 1000n, pending: 0n })
    view.set(b, [{ ...spend, height: blockHeight(12) }])
    assert.deepEqual(total(), { confirmed: 900n, pending: 0n })
  })

  describe('of what is shown to keep us busy (EVID-9)', () => {
    const MANY = 300
    let verified = 0
    const counting = new HistoryView((...given) => {
      verified++
      return verify(...given)
    })

    it('verifies no signature of others', () => {
      const theirs = transaction(
        [SOMEWHERE],
        [...Array.from({ length: MANY }, () => [FOREIGN, 10] as const), [a, 5]]
      )
      const inputs = Array.from({ length: MANY }, (_, vout) => ({
        txid: theirs.transaction.txid,
        vout
      }))
      const tx = bitcoin.Transaction.fromBuffer(transaction(inputs, [[a, 7]]).transaction.raw)
      inputs.forEach((_, i) => {
        tx.setWitness(i, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
      })
      counting.set(a, [theirs, { transaction: parseTransaction(tx.toBuffer()), height: undefined }])
      assert.equal([...counting.transactions()].length, 2)
      assert.equal(verified, 0)
    })

    it('stops at the first signature that is made up, and looks at each transaction once', () => {
      const coin = transaction(
        [SOMEWHERE],
        Array.from({ length: MANY }, () => [a, 1000] as const),
        10
      )
      const real = signed(coin, [[b, 900]])
      const tx = bitcoin.Transaction.fromBuffer(real.transaction.raw)
      for (let vout = 1; vout < MANY; vout++) {
        tx.addInput(hashFromTxid(coin.transaction.txid), vout)
        tx.setWitness(vout, [...(real.transaction.inputs[0]?.witness ?? [])])
      }
      const madeUp = { transaction: parseTransaction(tx.toBuffer()), height: undefined }
      for (let round = 0; round < 5; round++) {
        counting.set(a, [coin, madeUp])
        counting.set(b, [])
        assert.equal([...counting.transactions()].length, 1)
      }
      assert.equal(verified, 1)
    })
  })

  it('counts each reward of a block: all spend nothing, in the same words', () => {
    const NOTHING = { txid: txid('00'.repeat(32)), vout: 0xffffffff }
    const rewards = [1, 2, 3].map((n) => transaction([NOTHING], [[a, n]], n))
    view.set(a, rewards)
    assert.deepEqual(total(), { confirmed: 6n, pending: 0n })
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

/*
 * Sends whose coins a reorganisation takes away, or somebody else spends: never paid twice, never
 * locked for good.
 */

describe('wallet / a send whose coins vanish', () => {
  const STRANGER = scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) })
  const TO = addressFromScript(STRANGER, 'regtest')

  let bench: Bench
  let coins: Txid[]
  /** The height before any of them. */
  let start: number
  const rejects = async (work: Promise<unknown>, code: string): Promise<void> => {
    await assert.rejects(work, (error) => codeOf(error) === code)
  }
  const idOf = (id: Txid | undefined): Txid => id ?? assert.fail('nothing was sent')
  const spentBy = (raw: Uint8Array | undefined): Txid[] =>
    parseTransaction(raw ?? assert.fail())
      .inputs.map(({ outPoint }) => outPoint.txid)
      .sort()
  const outgoingOnDisk = (): string[] =>
    [...bench.store.snapshot().keys()].filter((key) => key.startsWith('wallet/outgoing/'))

  beforeEach(async () => {
    bench = await Bench.start()
    start = bench.sim.height
    coins = []
    for (const value of [60_000, 50_000]) {
      coins.push(bench.sim.fund(await bench.freshScript(), sat(value)))
      bench.sim.mine()
    }
    await bench.settled()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  /**
   * A reorganisation undoes payments to us, and whoever made them has spent the coins elsewhere.
   */
  async function vanish(...ids: Txid[]): Promise<void> {
    bench.chain.reorg(bench.sim.height - start)
    for (const id of ids) bench.sim.drop(id)
    bench.sim.mine(6)
    await bench.settled()
  }

  it('goes on without the coin that is gone, and conflicts with what it was before', async () => {
    const sent = await bench.wallet.send({ to: TO, amount: 100_000n, feeRate: 1_000n })
    const first = bench.chain.broadcasts.at(-1) ?? assert.fail()
    assert.deepEqual(spentBy(first), [...coins].sort())
    await vanish(coins[0] ?? assert.fail())
    const late = bench.sim.fund(await bench.freshScript(), sat(70_000))
    bench.sim.mine()
    await bench.settled()
    await bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 3_000n })
    assert.deepEqual(
      spentBy(bench.chain.broadcasts.at(-1)),
      [coins[1] ?? assert.fail(), late].sort()
    )
    await rejects(bench.chain.broadcast(parseTransaction(first)), 'ERR_BROADCAST_REFUSED')
    bench.sim.mine(BURIED_DEPTH)
    await bench.settled()
    assert.deepEqual(
      bench.chain.unspent(STRANGER).map(({ value }) => value),
      [100_000n]
    )
    assert.deepEqual(outgoingOnDisk(), [])
    assert.equal(bench.wallet.balance().reserved, 0n)
  })

  it('is not replaced by what would not conflict with every version: the payee could be paid twice', async () => {
    const sent = await bench.wallet.send({ to: TO, amount: 100_000n, feeRate: 1_000n })
    const [a = assert.fail(), b = assert.fail()] = coins
    await bench.receive(100_000)
    await vanish(a)
    await bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 3_000n })
    await vanish(b)
    await bench.receive(200_000)
    await rejects(bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 5_000n }), 'ERR_CANNOT_BUMP')
    assert.equal(outgoingOnDisk().length, 1, 'its coins are kept: they may come back')
  })

  it('that somebody with the same words overtakes is told as such, and its other coins are free', async () => {
    bench.chain.refusal = 'mempool full'
    await rejects(
      bench.wallet.send({ to: TO, amount: 100_000n, feeRate: 1_000n }),
      'ERR_BROADCAST_REFUSED'
    )
    bench.chain.refusal = undefined
    const twin = await Bench.start({ chain: bench.chain })
    const theirs = await twin.wallet.send({ to: TO, amount: 55_000n, feeRate: 1_000n })
    assert.deepEqual(spentBy(bench.chain.broadcasts.at(-1)), [coins[0]])
    bench.sim.mine(BURIED_DEPTH - 1)
    await bench.settled()
    assert.equal(bench.wallet.balance().reserved, 50_000n)
    bench.sim.mine()
    await bench.settled()
    const told = bench.errors.filter((error) => codeOf(error) === 'ERR_SEND_OVERTAKEN')
    assert.deepEqual(
      told.map((error) => String(error).includes(idOf(theirs.txid))),
      [true]
    )
    assert.equal(bench.wallet.balance().reserved, 0n)
    await bench.wallet.send({ to: TO, amount: 40_000n })
    await twin.wallet.stop()
  })

  it('shows the feerate that it pays when what is left is no change', async () => {
    // 60,000 - 59,700 - 110 = 190 sat are less than a change output has to have: 300 sat for 110
    // vB.
    const { fee, feeRate, change } = await bench.wallet.send({
      to: TO,
      amount: 59_700n,
      feeRate: 1_000n,
      dryRun: true
    })
    assert.deepEqual([fee, change, feeRate], [300n, 0n, 300_000n / 110n])
  })
})

/*
 * What a reorganisation takes out of its block stays as it is when a T1 has been made of it: with
 * another txid the T1 would be void (FUND-5).
 */

describe('wallet / out of its block', () => {
  const TO = addressFromScript(
    scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) }),
    'regtest'
  )

  let bench: Bench
  const rejects = async (work: Promise<unknown>, code: string): Promise<void> => {
    await assert.rejects(work, (error) => codeOf(error) === code)
  }
  const idOf = (id: Txid | undefined): Txid => id ?? assert.fail('nothing was sent')

  beforeEach(async () => {
    bench = await Bench.start()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  describe('a send, after a T1 was made of its change', () => {
    /**
     * A send with change in a block, a channel that is funded by the change, and the block is gone
     * again.
     */
    async function fundedByChange(isDearerVersionKept = false): Promise<{ send: Txid; T1: Txid }> {
      await bench.receive(60_000, 50_000)
      const { txid: id } = await bench.wallet.send({ to: TO, amount: 20_000n, feeRate: 1_000n })
      await bench.settled()
      if (isDearerVersionKept) {
        bench.chain.refusal = 'mempool full'
        await rejects(bench.wallet.bumpFee(idOf(id), { feeRate: 3_000n }), 'ERR_BROADCAST_REFUSED')
        bench.chain.refusal = undefined
      }
      bench.sim.mine()
      await bench.settled()
      await bench.wallet.lockCoins(
        bench.wallet
          .coins()
          .filter(({ outPoint }) => outPoint.txid !== id)
          .map(({ outPoint }) => outPoint)
      )
      const { raw, outPoint } = await bench.wallet.buildFunding({
        channel: channelNamed('a'),
        scriptPubKey: fundingScriptOf('a'),
        amount: sat(20_000),
        feeRate: feeRate(1_000n)
      })
      await bench.chain.broadcast(parseTransaction(raw))
      bench.sim.mine()
      await bench.settled()
      bench.chain.reorg(2)
      await bench.settled()
      return { send: idOf(id), T1: outPoint.txid }
    }

    it('is not replaced: the T1 would be void, and the channel with it (FUND-5)', async () => {
      const { send, T1 } = await fundedByChange()
      await rejects(bench.wallet.bumpFee(send, { feeRate: 9_000n }), 'ERR_CANNOT_BUMP')
      assert.ok(bench.sim.waiting.has(T1))
      await bench.wallet.releaseFunding(channelNamed('a'))
      bench.sim.drop(T1)
      await bench.settled()
      await bench.wallet.bumpFee(send, { feeRate: 9_000n })
    })

    it('is sent again in the version that the T1 spends, not in a dearer one that never came in', async () => {
      const { send, T1 } = await fundedByChange(true)
      assert.deepEqual([bench.sim.waiting.has(send), bench.sim.waiting.has(T1)], [true, true])
      bench.sim.mine(BURIED_DEPTH + 1)
      await bench.settled()
      assert.deepEqual(
        [bench.sim.waiting.has(T1), bench.chain.transaction(T1) !== undefined],
        [false, true]
      )
    })
  })

  describe('a sweep, after a T1 was made of it', () => {
    /**
     * A payout is swept, a channel is funded by what it brought, and a reorganisation takes the
     * sweep out of its block.
     */
    async function fundedBySweep(): Promise<Txid> {
      await bench.wallet.claim(bench.payout(50_000))
      bench.sim.mine()
      await bench.settled()
      const { txid: sweep } = parseTransaction(bench.chain.broadcasts[0] ?? assert.fail())
      bench.sim.mine()
      await bench.settled()
      const { raw } = await bench.wallet.buildFunding({
        channel: channelNamed('a'),
        scriptPubKey: fundingScriptOf('a'),
        amount: sat(20_000),
        feeRate: feeRate(1_000n)
      })
      await bench.chain.broadcast(parseTransaction(raw))
      bench.chain.reorg(1)
      bench.chain.feeRate = feeRate(5_000n)
      await bench.settled()
      return sweep
    }

    it('it is not replaced, however long it waits: the T1 would be void (FUND-5)', async () => {
      const sweep = await fundedBySweep()
      for (let i = 0; i < 10; i++) {
        bench.sim.mine(1, { empty: true })
        await bench.settled()
      }
      assert.ok(bench.sim.waiting.has(sweep))
    })

    it('it comes back as it was when the mempool loses it', async () => {
      const sweep = await fundedBySweep()
      bench.sim.drop(sweep)
      bench.sim.mine(1, { empty: true })
      await bench.settled()
      assert.ok(bench.sim.waiting.has(sweep))
    })
  })
})
