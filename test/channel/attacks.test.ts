/** Ways in which one side could make the other burn, lose or drown in its own money. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { SIGHASH, toDer } from '../../src/bitcoin/ecdsa.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import { completeState } from '../../src/bitcoin/template.js'
import { publishable } from '../../src/channel/publishable.js'
import { hashFromTxid, txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, eventOf, sentOf } from './asserts.js'
import { scriptOf } from './side.js'
import { World } from './world.js'

const paid = (amount = 40_000n): World => new World().open().paid(amount)

describe('attacks / a close whose fee comes back when it is replaced', () => {
  it('does not make the server bid its own share against its own payment (CLOSE-8, TIME-1)', () => {
    const world = paid()
    world.client.feeRate = feeRate(250_000n)
    world.client.post({ type: 'close' })
    world.run()
    assert.equal(world.server.info.spend?.kind, 'close')
    world.server.post(eventOf({ type: 'RefundSignature', signature: new Uint8Array(64) }))
    const { publication, stopped } = world.server.established
    assert.equal(stopped?.rule, 'ERR-2')
    assert.equal(
      publication,
      undefined,
      'before the settlement height nothing competes with what pays it in full (TIME-10)'
    )
    world.mine()
    assert.equal(world.server.info.spend?.kind, 'close')
    assert.equal(world.payouts().server, 40_000n)
  })
})

describe("attacks / a settlement with another input before the channel's (SIG-2)", () => {
  it("the client finds its output beside the channel's input, and claims that", () => {
    const world = paid()
    const payout = p2wsh(payoutWitnessScript(world.client.payoutKey.publicKey))
    const settlement = new Transaction()
    settlement.version = 3
    settlement.addInput(new Uint8Array(32).fill(7), 0)
    settlement.addInput(
      hashFromTxid(world.funding.outPoint.txid),
      world.funding.outPoint.vout,
      0xfffffffd
    )
    settlement.addOutput(scriptOf('server change'), 1_000n)
    settlement.addOutput(payout, 60_000n)
    const held = publishable(world.server.established)
    assert.ok(held)
    const script = fundingWitnessScript(world.funding.clientKey, world.funding.serverKey)
    const theirs = toDer(
      world.server.channelKey.sign(
        settlement.hashForWitnessV0(1, script, world.capacity, SIGHASH.ALL)
      ),
      SIGHASH.ALL
    )
    settlement.setWitness(1, [
      new Uint8Array(0),
      toDer(held.signature, SIGHASH.SINGLE | SIGHASH.ANYONECANPAY),
      theirs,
      script
    ])
    const spend = {
      transaction: parseTransaction(settlement.toBuffer()),
      height: blockHeight(world.chain.height)
    }
    const effects = world.client.post({
      type: 'history',
      history: {
        funding: {
          transaction: parseTransaction(world.client.established.fundingTx),
          height: blockHeight(601)
        },
        spends: [spend],
        strays: []
      }
    })
    assert.equal(world.client.established.onChain.spend?.clientBalance, 60_000n)
    assert.deepEqual(
      effectsOf(effects, 'claim').map((claim) => claim.payout),
      [
        {
          outPoint: { txid: spend.transaction.txid, vout: 1 },
          value: 60_000n,
          scriptPubKey: payout
        }
      ]
    )
  })
})

describe('attacks / close requests that differ by a satoshi', () => {
  it('are refused, and not kept (CLOSE-7)', () => {
    const world = paid()
    world.client.post({ type: 'close' })
    const [request] = sentOf(world.client.effects, 'CloseRequest')
    assert.ok(request)
    world.run()
    assert.equal(world.server.established.closes.length, 1)
    const { state, effects } = world.server.attempt(eventOf({ ...request, fee: request.fee + 1n }))
    assert.equal(state, world.server.channel)
    assert.deepEqual(
      sentOf(effects, 'Error').map(({ code, rule }) => [code, rule]),
      [['ERR_CLOSE_FEE_TOO_LOW', 'CLOSE-7']]
    )
  })
})

describe('attacks / a mempool that says no', () => {
  it('for another reason than the fee does not keep the fee from rising towards the deadline (EVID-4)', () => {
    const world = paid().kill('client').mineTo(664)
    world.chain.lowestFeeRate = 1_000_000_000n
    const first = world.server.established.publication
    assert.ok(first)
    world.server.post({
      type: 'broadcast-failed',
      purpose: 'publication',
      txid: first.txid,
      kind: 'other',
      reason: 'no'
    })
    world.server.blind = true
    for (let height = 665; height < 680; height++) {
      world.server.channel = world.server.attempt(
        { type: 'tip' },
        { height: blockHeight(height) }
      ).state
    }
    const { state, effects } = world.server.attempt({ type: 'tip' }, { height: blockHeight(680) })
    assert.ok(state.stage === 'established')
    assert.ok((state.publication?.fee ?? 0n) > first.fee * 4n, 'sixteen of the 36 blocks are gone')
    assert.deepEqual(
      effectsOf(effects, 'broadcast').map(({ raw }) => raw),
      [state.publication?.raw]
    )
  })

  it('to a bid that was replaced since does not raise the one that stands', () => {
    const world = paid().kill('client').mineTo(664)
    const before = world.server.established.publication
    const { state } = world.server.attempt({
      type: 'broadcast-failed',
      purpose: 'publication',
      txid: txid('ab'.repeat(32)),
      kind: 'insufficient-fee',
      reason: 'no'
    })
    assert.ok(state.stage === 'established')
    assert.equal(state.publication, before)
  })

  it('without end makes a bid rise to 20 sat/vB at once and no further; the rest is for the blocks', () => {
    let world = paid()
    world = world.kill('client').mineTo(664)
    for (let i = 0; i < 100; i++) {
      const { publication } = world.server.established
      assert.ok(publication)
      world.server.channel = world.server.attempt({
        type: 'broadcast-failed',
        purpose: 'publication',
        txid: publication.txid,
        kind: 'insufficient-fee',
        reason: 'no'
      }).state
    }
    assert.ok((world.server.established.publication?.feeRate ?? 0n) <= 20_000n)
  })
})

describe('attacks / a rule broken while fees are high', () => {
  it('does not cost most of a small share: there is time until the settlement height', () => {
    const world = paid(20_000n)
    world.server.feeRate = feeRate(100_000n)
    world.server.post(eventOf({ type: 'RefundSignature', signature: new Uint8Array(64) }))
    const publication = (): bigint | undefined => world.server.established.publication?.fee
    assert.equal(publication(), undefined, '181 vB at 100 sat/vB are 18,100 of 20,000 sat')
    world.server.feeRate = feeRate(2_000n)
    world.mine()
    assert.equal(publication(), 362n)
  })
})

describe('attacks / a close with a fee of nearly all that the other side has', () => {
  /** The client's close pays 420,000 sat of its own to miners; the server is back at a height. */
  function dearClose(height: number, options: { step?: number } = {}): World {
    const world = new World({ capacity: 1_000_000n, ...options }).open().paid(500_000n)
    world.chain.servers = 2
    world.client.feeRate = feeRate(2_270_000n)
    world.client.post({ type: 'close' })
    world.run().kill('client')
    const fee = world.chain.spendOf(world.funding.outPoint)?.fee ?? 0n
    assert.ok(fee > 400_000n && fee < 450_000n, `${fee} sat`)
    // No block takes anything.
    world.chain.lowestFeeRate = 1_000_000_000_000n
    world.server.blind = true
    world.mineTo(height)
    world.server.blind = false
    world.lookAtChain()
    return world
  }
  const bid = ({ server }: World): bigint => server.established.publication?.fee ?? 0n

  it('costs who comes back two blocks before the deadline no more than a hurried bid, doubled with each block that passes over it (EVID-10)', () => {
    // L is 700. 181 vB at 20 sat/vB are 3,620 sat.
    const world = dearClose(698)
    assert.ok(bid(world) > 0n && bid(world) <= 3_620n, `${bid(world)} sat`)
    world.mine()
    assert.ok(bid(world) <= 7_240n, `${bid(world)} sat`)
    world.chain.lowestFeeRate = 0n
    world.mine()
    assert.equal(world.payouts().server, 500_000n, 'the close pays all of it')
  })

  it('of a two-way channel as well', () => {
    // Its states mature at 680, and T2 at 700.
    const world = dearClose(698, { step: 20 })
    assert.ok(bid(world) > 0n && bid(world) <= 3_620n, `${bid(world)} sat`)
    world.mine()
    assert.ok(bid(world) <= 7_240n, `${bid(world)} sat`)
  })

  /**
   * The server has completed the client's close, and is back at a height; no server has shown it
   * the close yet, and every bid is refused for the close that stands in the mempools.
   */
  function unseenClose(signedAt: number, height: number): bigint {
    const world = new World({ capacity: 1_000_000n }).open().paid(500_000n)
    world.mineTo(signedAt)
    world.client.feeRate = feeRate(2_270_000n)
    world.client.post({ type: 'close' })
    world.server.blind = true
    world.deliver('server')
    const { server } = world
    assert.notEqual(server.established.closes[0]?.raw, undefined)
    assert.deepEqual(server.established.onChain.shown, [])
    server.channel = server.attempt({ type: 'tip' }, { height: blockHeight(height) }).state
    refuse(world, height)
    return bid(world)
  }

  /** Every server refuses each bid for its fee. */
  function refuse({ server }: World, height: number): void {
    const at = { height: blockHeight(height) }
    for (let refusals = 0; refusals < 60; refusals++) {
      const { publication } = server.established
      if (publication === undefined) assert.fail('it bids')
      server.channel = server.attempt(
        {
          type: 'broadcast-failed',
          purpose: 'publication',
          txid: publication.txid,
          kind: 'insufficient-fee',
          reason: 'no'
        },
        at
      ).state
    }
  }

  it('limits the bids of who has completed it, also before a server shows it (EVID-10)', () => {
    const most = unseenClose(650, 699)
    assert.ok(most > 0n && most <= 3_620n, `${most} sat`)
  })

  it('has been passed over by no block that the side has not seen (EVID-10)', () => {
    // It has bid since the settlement height, where no block takes anything; then it sees no chain.
    const world = new World({ capacity: 1_000_000n }).open().paid(500_000n)
    const { chain, client, server } = world
    chain.lowestFeeRate = 1_000_000_000_000n
    client.blind = true
    world.mineTo(690)
    const before = bid(world)
    assert.ok(before > 0n)
    server.blind = true
    client.blind = false
    client.feeRate = feeRate(2_270_000n)
    client.post({ type: 'close' })
    world.deliver('server')
    world.kill('client')
    chain.mine(699 - chain.height)
    // A server looks at its mempool every few seconds only, and answers at once.
    const shown = chain.history(world.funding.outPoint)
    chain.history = () => shown
    server.blind = false
    world.lookAtChain()
    // The block doubles it, and no refusal raises it.
    assert.ok(bid(world) <= before * 2n + 1_000n, `${bid(world)} sat after ${before} sat`)
    chain.lowestFeeRate = 0n
    chain.mine()
    assert.equal(world.payouts().server, 500_000n, 'the close pays all of it')
  })

  /**
   * The bids of a server that is back before its deadline, where no block takes anything, before
   * the client asks for such a close in the last block, and after every refusal for it.
   */
  function lateClose(back: number, cheapAt?: number): { before: bigint; after: bigint } {
    const world = new World({ capacity: 1_000_000n }).open().paid(500_000n)
    const { chain, client, server } = world
    chain.lowestFeeRate = 1_000_000_000_000n
    if (cheapAt !== undefined) {
      world.mineTo(cheapAt)
      client.post({ type: 'close' })
      world.deliver('server')
      server.effects.length = 0
    }
    client.blind = true
    server.blind = true
    world.mineTo(back)
    server.blind = false
    world.lookAtChain()
    world.mineTo(699)
    const before = bid(world)
    client.blind = false
    client.feeRate = feeRate(2_270_000n)
    client.post({ type: 'close' })
    world.deliver('server')
    const completed = server.established.closes.filter(({ raw }) => raw !== undefined)
    assert.equal(completed.length, cheapAt === undefined ? 1 : 2)
    refuse(world, 699)
    return { before, after: bid(world) }
  }

  for (const back of [697, 695, 693]) {
    it(`costs who is back at ${back} no more when a cheap one came first: blocks that have passed over that prove nothing of it (EVID-10)`, () => {
      const { before, after } = lateClose(back)
      assert.deepEqual([before > 0n, after], [true, before], 'none came first')
      for (const cheapAt of [650, 660]) {
        const late = lateClose(back, cheapAt)
        assert.deepEqual(late, { before, after }, `one at ${cheapAt}`)
      }
    })
  }

  it('holds nothing back for long when no block takes it', () => {
    const world = dearClose(664)
    world.mineTo(690)
    assert.ok(bid(world) > 100_000n, `${bid(world)} sat`)
  })
})

describe('attacks / a spend that is shown, hidden and shown again', () => {
  type History = ReturnType<World['chain']['history']>

  /** Shows a history to the server at the present height. */
  function tell(world: World, history: History): void {
    world.server.post({ type: 'history', history })
  }

  /** The client completes a close, and keeps it. */
  function keptClose(world: World): History {
    world.client.blind = true
    world.server.post({ type: 'close' })
    world.deliver('client')
    const [{ raw } = assert.fail()] = world.client.established.closes
    assert.ok(raw)
    const history = world.chain.history(world.server.established.outPoint)
    const transaction = parseTransaction(raw)
    return { ...history, spends: [{ transaction, height: undefined, shownBy: 1 }] }
  }

  it('has been passed over since it was first shown (EVID-10, CLOSE-8)', () => {
    const world = new World({ capacity: 1_000_000n }).open().paid(500_000n)
    const shown = keptClose(world)
    world.kill('client')
    const since = world.chain.height
    for (let n = 0; n < 6; n++) {
      tell(world, { ...shown, spends: [] })
      tell(world, shown)
      assert.equal(world.server.established.onChain.shown[0]?.since, since)
      const refused = effectsOf(world.server.post({ type: 'settle' }), 'close-refused')
      assert.equal(refused[0]?.error.code, 'ERR_CHANNEL_CLOSED')
      world.mine()
      tell(world, { ...shown, spends: [] })
      tell(world, shown)
    }
    assert.deepEqual(effectsOf(world.server.post({ type: 'settle' }), 'close-refused'), [])
    assert.equal(world.server.established.stopped?.code, 'ERR_CHANNEL_SETTLED')
  })

  it('that is a state counts from when two servers first showed it; one alone could show it early (EVID-5)', () => {
    for (const [shownBy, isKept] of [
      [2, true],
      [1, false]
    ] as const) {
      const world = new World({ step: 20 }).open().paidBy('client', 40_000n)
      const old = world.server.established
      world.paidBy('server', 15_000n).paidBy('client', 1_000n).kill('server').mineTo(680)
      const { client } = world
      const ours = publishable(old) ?? assert.fail()
      const { raw } = completeState(
        ours.template,
        ours.signature,
        [{ script: world.server.closeScript, value: satoshi(ours.share - 1_000n) }],
        world.server.channelKey.sign
      )
      const history = world.chain.history(client.established.outPoint)
      const transaction = parseTransaction(raw)
      const shown = { ...history, spends: [{ transaction, height: undefined, shownBy }] }
      const show = (spends: History['spends']): void => {
        client.post({ type: 'history', history: { ...history, spends } })
      }
      show(shown.spends)
      show([])
      client.blind = true
      world.chain.mine()
      client.blind = false
      show(shown.spends)
      const [spend] = client.established.onChain.shown
      assert.equal(spend?.since, isKept ? 680 : 681, `shown by ${shownBy}`)
    }
  })
})

describe('attacks / a T1 that was in a block, and that servers leave out', () => {
  const nothing = { funding: undefined, spends: [], strays: [] }

  it('keeps no state back: T3 is sent when it is due (TIME-12)', () => {
    const world = paid()
    world.server.blind = true
    world.server.post({ type: 'history', history: nothing })
    assert.equal(world.server.established.onChain.fundingSeen, false)
    world.mineTo(664)
    world.server.attempt({ type: 'tip' }, { height: blockHeight(663) })
    const { effects } = world.server.attempt({ type: 'tip' }, { height: blockHeight(664) })
    const sent = effectsOf(effects, 'broadcast').map(({ purpose }) => purpose)
    assert.ok(sent.includes('publication'), String(sent))
  })

  it('nor T2', () => {
    const world = paid()
    world.client.blind = true
    world.client.post({ type: 'history', history: nothing })
    world.mineTo(700)
    const { effects } = world.client.attempt({ type: 'tip' }, { height: blockHeight(700) })
    const sent = effectsOf(effects, 'broadcast').map(({ purpose }) => purpose)
    assert.ok(sent.includes('publication'), String(sent))
  })
})
