/** What a peer and a server together can make up, and what it costs (spec.md, "Evidence"). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { SIGHASH, toDer } from '../../src/bitcoin/ecdsa.js'
import { digestOfAll, fundingSpend, withSignatures } from '../../src/bitcoin/funding-spend.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import { completeState, payerOutput } from '../../src/bitcoin/template.js'
import type { FundingHistory } from '../../src/channel/events.js'
import { closeLimit, DECISIONS, winnable } from '../../src/channel/evidence.js'
import { csvPayout, onHistory, settlePayments } from '../../src/channel/onchain.js'
import { publishable } from '../../src/channel/publishable.js'
import { lockOf } from '../../src/channel/schedule.js'
import { stateDigest, stateTemplate } from '../../src/channel/signing.js'
import type { Established, ShownSpend } from '../../src/channel/state.js'
import { statusOfUpdate } from '../../src/engine/payments.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, sentOf } from './asserts.js'
import { scriptOf, type Side } from './side.js'
import { World } from './world.js'

type Shown = FundingHistory['spends'][number]

/** A state that a side holds, completed by hand. */
function completed(side: Side, held: Established, fee: bigint): Uint8Array {
  const ours = publishable(held)
  assert.ok(ours)
  return completeState(
    ours.template,
    ours.signature,
    [{ script: side.closeScript, value: satoshi(ours.share - fee) }],
    side.channelKey.sign
  ).raw
}

function shownAs(raw: Uint8Array, shownBy: number): Shown {
  return {
    transaction: parseTransaction(raw),
    height: undefined,
    shownBy
  }
}

/** Adds an input that exists nowhere, and signs for it: ANYONECANPAY lets the payee. */
function withForeignInput(side: Side, world: World, raw: Uint8Array): Uint8Array {
  const tx = Transaction.fromBuffer(Uint8Array.from(raw))
  const [empty, payer, , script] = tx.ins[0]?.witness ?? []
  assert.ok(empty !== undefined && payer !== undefined && script !== undefined)
  tx.addInput(new Uint8Array(32).fill(0x99), 0, 0xfffffffd)
  tx.setWitness(1, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
  const digest = tx.hashForWitnessV0(0, script, world.capacity, SIGHASH.ALL)
  tx.setWitness(0, [empty, payer, toDer(side.channelKey.sign(digest), SIGHASH.ALL), script])
  return tx.toBuffer()
}

/** From here on both sides are shown these as well, as long as nothing is in a block. */
function show(world: World, ...phantoms: readonly Shown[]): void {
  const honest = world.chain.history.bind(world.chain)
  world.chain.history = (outPoint) => {
    const history = honest(outPoint)
    return history.spends.some(({ height }) => height !== undefined)
      ? history
      : { ...history, spends: [...phantoms, ...history.spends] }
  }
}

describe('channel / evidence', () => {
  it('the table of the code is the one of spec.md (EVID-1)', () => {
    const spec = readFileSync('protocols/paychan/1.0/spec.md', 'utf8')
    for (const { decision, takes, evidence, ifFalse } of DECISIONS) {
      assert.ok(spec.includes(`| ${decision} | ${takes} | ${evidence} | ${ifFalse} |`), decision)
    }
    const [, table = ''] = spec.split(
      '| decision | takes | evidence | if it is false |\n|---|---|---|---|\n'
    )
    assert.equal(table.split('\n\n')[0]?.split('\n').length, DECISIONS.length)
  })
})

describe('channel / evidence / a state is known by the signature of its payer (EVID-2)', () => {
  /**
   * The payee holds an update that leaves the payer 100 sat, has not acknowledged it, and publishes
   * it beside a gift to the payer.
   */
  const published = (gift: bigint, forge = false): { world: World; sequence: number } => {
    const world = new World({ capacity: 1_000_000n }).open().paid(1_000n)
    const [update] = sentOf(world.pay(998_900n), 'Update')
    assert.ok(update)
    world.queues.server.length = 0
    world.kill('server')
    const t = stateTemplate(world.client.established, satoshi(update.payerBalance), 0)
    assert.equal(payerOutput(t), undefined)
    const payout = p2wsh(payoutWitnessScript(world.client.payoutKey.publicKey))
    const tx = fundingSpend(t.funding, 3, 0, [
      ...(gift > 0n ? [{ script: payout, value: satoshi(gift) }] : []),
      { script: world.server.closeScript, value: satoshi(998_000n) }
    ])
    const theirs = toDer(world.server.channelKey.sign(digestOfAll(tx, t.funding)), SIGHASH.ALL)
    const raw = withSignatures(
      tx,
      t.funding,
      toDer(update.signature, SIGHASH.NONE | SIGHASH.ANYONECANPAY),
      theirs
    )
    assert.ok('txid' in world.chain.broadcast(raw.raw))
    if (forge) {
      // A proof is one of the txid: the witness may be any that a server likes to show.
      const false_ = withSignatures(
        tx,
        t.funding,
        toDer(update.signature, SIGHASH.SINGLE | SIGHASH.ANYONECANPAY),
        theirs
      )
      const honest = world.chain.history.bind(world.chain)
      world.chain.history = (outPoint) => {
        const history = honest(outPoint)
        return {
          ...history,
          spends: history.spends.map((spend) => ({ ...spend, transaction: false_ }))
        }
      }
    }
    world.mine(7)
    return { world, sequence: update.sequence }
  }

  for (const gift of [0n, 330n, 1_000n]) {
    it(`the payee takes all, and gives ${gift} sat to the payer's script: the payment is made, not failed`, () => {
      const { world, sequence } = published(gift)
      assert.equal(world.client.info.spend?.kind, 'settlement')
      assert.equal(world.client.established.onChain.spend?.clientBalance, gift)
      assert.equal(statusOfUpdate(world.client.channel, sequence), 'acknowledged')
    })
  }

  it('of one that is in a block the outputs decide, which the txid proves: the witness may be another valid one', () => {
    const world = new World({ capacity: 1_000_000n }).open().paid(100_000n)
    const [update] = sentOf(world.pay(900_000n), 'Update')
    assert.ok(update)
    world.queues.server.length = 0
    world.disconnect()
    world.server.post({ type: 'settle' })
    const { raw, txid } = world.server.established.publication ?? assert.fail()
    const other = Transaction.fromBuffer(Uint8Array.from(raw))
    const [zero = assert.fail(), , ...rest] = other.ins[0]?.witness ?? []
    other.setWitness(0, [
      zero,
      toDer(update.signature, SIGHASH.NONE | SIGHASH.ANYONECANPAY),
      ...rest
    ])
    assert.equal(other.getId(), txid)
    const forged = Transaction.fromBuffer(Uint8Array.from(raw))
    forged.setWitness(0, [zero, zero, ...rest])
    const { chain, client } = world
    const honest = chain.history(client.established.outPoint)
    const height = blockHeight(chain.height + 1)
    const see = (...shown: Transaction[]): Established => {
      const spends = shown.map((each) => ({
        transaction: parseTransaction(each.toBuffer()),
        height
      }))
      const { state } = onHistory(
        client.established,
        { ...honest, spends },
        client.env({ height: blockHeight(height + 5) })
      )
      return settlePayments(state, { height: blockHeight(height + 5) })
    }
    const as = Transaction.fromBuffer(Uint8Array.from(raw))
    for (const witnesses of [[as], [other], [other, as], [forged, other], [forged, as]]) {
      const state = see(...witnesses)
      assert.equal(statusOfUpdate(state, update.sequence), 'failed')
      assert.equal(csvPayout(state)?.value, 900_000n)
    }
    const state = see(forged)
    assert.equal(statusOfUpdate(state, update.sequence), 'unknown')
    assert.equal(csvPayout(state)?.value, 900_000n, 'it is ours, whatever a witness says')
  })

  it('of a state that leaves the payer all, and one that gives it more than there is, from a coin of the payee', () => {
    const { client, server } = new World({ capacity: 1_000_000n }).open().paid(1_000n)
    const channel = client.established
    const seen = (value: bigint): unknown => {
      const t = stateTemplate(channel, satoshi(1_000_000n), 0)
      const own = payerOutput(t) ?? assert.fail()
      const theirs = client.channelKey.sign(stateDigest(channel, satoshi(1_000_000n)))
      const bare = withSignatures(
        fundingSpend(t.funding, 3, 0, [{ ...own, value: satoshi(value) }]),
        t.funding,
        toDer(theirs, SIGHASH.SINGLE | SIGHASH.ANYONECANPAY),
        toDer(theirs, SIGHASH.ALL)
      )
      const tx = Transaction.fromBuffer(Uint8Array.from(bare.raw))
      const [empty, payer, , script] = tx.ins[0]?.witness ?? []
      assert.ok(empty !== undefined && payer !== undefined && script !== undefined)
      tx.addInput(new Uint8Array(32).fill(0x99), 0, 0xfffffffd)
      tx.setWitness(1, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
      const sign = (key: Side, type: number): Uint8Array =>
        toDer(key.channelKey.sign(tx.hashForWitnessV0(0, script, 1_000_000n, type)), type)
      tx.setWitness(0, [
        empty,
        sign(client, SIGHASH.SINGLE | SIGHASH.ANYONECANPAY),
        sign(server, SIGHASH.ALL),
        script
      ])
      const spends = [{ transaction: parseTransaction(tx.toBuffer()), height: blockHeight(600) }]
      const { state } = onHistory(
        channel,
        { funding: undefined, spends, strays: [] },
        client.env({ height: blockHeight(600) })
      )
      return [state.onChain.spend?.kind, state.onChain.spend?.clientBalance]
    }
    assert.deepEqual(
      [seen(999_999n), seen(1_000_000n), seen(1_000_001n)],
      [
        ['settlement', 999_999n],
        ['settlement', 1_000_000n],
        ['unknown', undefined]
      ]
    )
  })

  it("a state of a later turn than a copy of the payer's data knows: whether what was in flight has been paid nobody knows, and nobody pays again", () => {
    const world = new World({ capacity: 1_000_000n, step: 20 }).open().paidBy('client', 10_000n)
    const [update] = sentOf(world.pay(40_000n), 'Update')
    assert.ok(update)
    const copy = world.client.channel
    world.run().paidBy('server', 5_000n).paidBy('client', 1_000n).disconnect()
    world.client.channel = copy
    world.client.restart()
    world.mineTo(660)
    assert.deepEqual(
      [world.client.established.ledger.turn, world.client.info.spend?.kind, world.payouts().client],
      [0, 'settlement', 954_000n]
    )
    assert.equal(statusOfUpdate(world.client.channel, update.sequence), 'unknown')
  })

  it("a server shows it with another sighash type, as if the gift were the payer's: nobody knows, and nobody pays again", () => {
    const { world, sequence } = published(330n, true)
    assert.equal(world.client.info.spend?.kind, 'unknown')
    assert.equal(statusOfUpdate(world.client.channel, sequence), 'unknown')
    assert.ok(
      effectsOf(world.client.effects, 'alarm').some(({ code }) => code === 'ERR_FORGED_SPEND')
    )
  })
})

describe('channel / evidence / what could not be in the next block does not count (EVID-3)', () => {
  it("the client's refund with a fortune as a fee, before its lock: the server does not bid against it, however many servers show it", () => {
    const world = new World({ capacity: 1_000_000n, blocks: 4_000 }).open().paid(900_000n)
    const raw = completed(world.client, world.client.established, 999_000n)
    assert.deepEqual(world.chain.broadcast(raw), { refused: 'non-final' })
    world.kill('client')
    show(world, shownAs(raw, 2))
    world.lookAtChain()
    assert.equal(world.server.established.publication, undefined)
  })

  it('an older state before its lock: the newest is published at its estimate', () => {
    const world = new World({ capacity: 1_000_000n, step: 36, blocks: 300 })
      .open()
      .paidBy('client', 900_000n)
    const old = world.server.established
    world.paidBy('server', 850_000n)
    show(world, shownAs(completed(world.server, old, 899_000n), 2))
    world.kill('server')
    world.mineTo(lockOf(world.client.established.terms, 1))
    assert.equal(world.client.established.publication?.fee, 362n)
  })
})

describe('channel / evidence / nobody gives up its window for what is in no block (TIME-7)', () => {
  /**
   * The server holds the newest state, of turn 2; the client that of turn 1; the server's old one
   * of turn 0 gives it nearly everything.
   */
  const phantom = (
    make: (raw: Uint8Array, world: World) => Uint8Array
  ): { world: World; cheat: Uint8Array } => {
    const world = new World({ capacity: 1_000_000n, step: 36, blocks: 300 })
      .open()
      .paidBy('client', 900_000n)
    const old = world.server.established
    world.paidBy('server', 850_000n).paidBy('client', 10_000n)
    const cheat = completed(world.server, old, 1_000n)
    const raw = make(completed(world.server, world.server.established, 40_000n), world)
    world.kill('server')
    world.mineTo(lockOf(world.client.established.terms, 1) - 1)
    show(world, shownAs(raw, 1))
    return { world, cheat }
  }

  for (const [name, make, before] of [
    [
      'with an input that exists nowhere, it is as if it were not there',
      (raw: Uint8Array, world: World) => withForeignInput(world.server, world, raw),
      36
    ],
    [
      'that could be mined, it postpones ours for two thirds of the window',
      (raw: Uint8Array) => raw,
      12
    ]
  ] as const) {
    it(`a newest state that one server makes up: ${name}, and the old one is too late`, () => {
      const { world, cheat } = phantom(make)
      const { terms } = world.client.established
      const [ours, theirs] = [lockOf(terms, 1), lockOf(terms, 0)]
      world.mineTo(theirs - before - 1)
      if (theirs - before - 1 >= ours) assert.equal(world.client.established.publication, undefined)
      world.mine()
      assert.equal(world.client.established.publication?.state, 1)
      world.mineTo(theirs)
      assert.deepEqual(world.chain.broadcast(cheat), { refused: 'missing-inputs' })
      assert.ok(world.payouts().client >= 950_000n - 1_000n)
    })
  }
})

describe('channel / evidence / how far a fee rises (EVID-4, EVID-5)', () => {
  /**
   * Both states are mature, and the old one is in the mempool before the client, who has slept,
   * looks.
   */
  const race = (servers: number, fee: bigint): World => {
    const world = new World({ step: 20 }).open().paidBy('client', 40_000n)
    const old = world.server.established
    world.paidBy('server', 15_000n).disconnect()
    world.client.dead = true
    world.mineTo(680)
    world.chain.servers = servers
    assert.ok('txid' in world.chain.broadcast(completed(world.server, old, fee)))
    world.client.dead = false
    world.server.dead = true
    world.client.feeRate = feeRate(20_000n)
    world.lookAtChain()
    return world
  }

  it('an old state that two servers show is outbid at once, by at most twice a normal bid; what one shows, up to twice the estimate', () => {
    // A normal bid is 181 vB at a quarter above 20 sat/vB: 4,525 sat.
    const [one, two] = [race(1, 6_500n), race(2, 6_500n)].map(
      (world) => world.client.established.publication?.fee ?? 0n
    )
    assert.ok(one !== undefined && one <= 7_240n, `${one} sat; 181 vB at twice 20 sat/vB are 7,240`)
    assert.ok(two !== undefined && two > (6_500n * 5n) / 4n && two <= 9_050n, `${two} sat`)
  })

  it('and with the next block by at most twice as much again, whatever the other side pays', () => {
    const world = race(2, 30_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    let before = world.client.established.publication?.fee ?? 0n
    for (let n = 0; n < 3; n++) {
      world.mine()
      const fee = world.client.established.publication?.fee ?? 0n
      assert.ok(fee <= before * 2n, `${fee} after ${before}`)
      assert.ok(fee <= 15_000n, 'never above what there is to win')
      before = fee
    }
  })

  it('stops at what there is to win over an old state, if two servers show it, it pays for the next block, and no block has passed over it (EVID-5)', () => {
    const { client } = race(2, 30_000n)
    const channel = client.established
    const [old = assert.fail()] = channel.onChain.shown
    const most = (...changes: ReadonlyArray<Partial<ShownSpend>>): bigint | undefined =>
      winnable(
        {
          ...channel,
          onChain: {
            ...channel.onChain,
            shown: changes.map((each) => ({
              ...old,
              vsize: 181,
              fee: satoshi(4_525n),
              since: blockHeight(680),
              clientBalance: satoshi(60_000n),
              ...each
            }))
          }
        },
        {
          state: 1,
          share: 75_000n,
          vsize: 181,
          height: 680,
          nextBlock: feeRate(20_000n),
          estimate: feeRate(20_000n)
        }
      )
    assert.equal(most({}), 15_000n)
    assert.equal(most({ clientBalance: satoshi(74_000n) }), 4_525n, 'a normal bid in any case')
    assert.equal(most({}, { clientBalance: satoshi(50_000n) }), 25_000n, 'the worst of them')
    for (const [what, change] of [
      ['one server shows it', { shownBy: 1 }],
      ['a block has passed over it', { since: blockHeight(679) }],
      ['it pays too little for the next block', { fee: satoshi(4_524n) }],
      ['it has an input of unknown worth', { fee: undefined }],
      ['its lock has not come', { lock: 681 }],
      ['it is our own', { state: 1 }]
    ] as const) {
      assert.equal(most(change), undefined, what)
    }
  })

  it('and below a close that pays as much, unless an older state may be why it is refused (EVID-10)', () => {
    const { client } = race(2, 30_000n)
    const channel = client.established
    const [old = assert.fail()] = channel.onChain.shown
    const paysUs = fundingSpend(
      {
        outPoint: channel.outPoint,
        value: channel.terms.capacity,
        clientKey: client.channelKey.publicKey,
        serverKey: client.channelKey.publicKey
      },
      0,
      0,
      [{ script: client.closeScript, value: satoshi(70_000n) }]
    ).raw
    const close: ShownSpend = {
      ...old,
      kind: 'close',
      state: undefined,
      txid: txid('cc'.repeat(32)),
      raw: paysUs,
      fee: satoshi(20_000n),
      vsize: 181,
      lock: 0,
      shownBy: 1,
      since: blockHeight(600)
    }
    const most = (
      shown: readonly ShownSpend[],
      { fee = 10_000n, begun = 680, share = 75_000n, passedOver = 0n } = {},
      closes = channel.closes
    ): bigint | undefined =>
      closeLimit(
        { ...channel, closes, onChain: { ...channel.onChain, shown } },
        {
          ...{ fee: satoshi(fee), txid: txid('bb'.repeat(32)), begun: blockHeight(begun) },
          passedOver: passedOver === 0n ? undefined : satoshi(passedOver)
        },
        {
          state: 1,
          share,
          vsize: 181,
          height: 680,
          nextBlock: feeRate(5_000n),
          estimate: feeRate(5_000n)
        }
      )
    const aged = { ...old, shownBy: 1 }
    // 181 vB at 20 sat/vB are 3,620 sat; it leaves us 5,000 sat less than our state.
    assert.equal(most([close]), 5_000n)
    assert.equal(most([close], { share: 70_000n }), 3_620n)
    assert.equal(
      most([close], { share: 70_000n, begun: 678 }),
      14_480n,
      'two blocks passed over it'
    )
    assert.equal(
      most([{ ...close, since: blockHeight(679) }], { share: 70_000n, begun: 600 }),
      7_240n
    )
    const completed = [675, 679].map((height, n) => ({
      asker: 'server' as const,
      fee: satoshi(20_000n),
      txid: txid(`d${n}`.repeat(32)),
      signature: new Uint8Array(64),
      raw: paysUs,
      completedAt: blockHeight(height)
    }))
    assert.equal(
      most([], { share: 70_000n, begun: 600 }, completed),
      115_840n,
      'five blocks since the first: a fresh one begins nothing anew'
    )
    assert.equal(
      most([], { share: 70_000n, begun: 600, passedOver: 8_000n }, completed),
      16_000n,
      'in the last block: twice the bid that the one before has passed over'
    )
    assert.equal(
      most([], { share: 70_000n, begun: 600, passedOver: 1_000n }, completed),
      3_620n,
      'what a refusal allows at once in any case'
    )
    assert.equal(most([], { share: 70_000n, begun: 600 }, completed.slice(1)), 7_240n)
    assert.equal(
      most([{ ...close, since: blockHeight(680) }], { share: 70_000n, begun: 600 }, completed),
      115_840n,
      'one that is shown since no more'
    )
    assert.equal(most([close], { fee: 25_000n }), 5_000n)
    assert.equal(most([close], { fee: 25_001n }), undefined, 'it pays too little to be why')
    assert.equal(most([{ ...close, lock: 681 }]), undefined, 'its lock has not come')
    assert.equal(
      most([{ ...close, fee: undefined }]),
      undefined,
      'it has an input of unknown worth'
    )
    assert.equal(most([{ ...close, txid: txid('bb'.repeat(32)) }]), undefined, 'it is our own')
    assert.equal(most([old]), undefined, 'only an older state is shown')
    assert.equal(most([close, aged]), undefined, 'as many show an older state')
    assert.equal(most([{ ...close, shownBy: 2 }, aged]), 5_000n, 'more show the close')
    assert.equal(
      most([
        { ...close, shownBy: 3 },
        { ...old, shownBy: 2 }
      ]),
      undefined,
      'two show an older state'
    )
    assert.equal(most([close, { ...aged, lock: 681 }]), 5_000n, 'the older state has not matured')
  })

  it('T2 waits for a T3 that no block takes, and then pays a few normal bids, not what the other side has put into it', () => {
    const world = new World({ capacity: 1_000_000n }).open().paid(2_000n)
    const ours = publishable(world.server.established)
    assert.ok(ours)
    const own = payerOutput(ours.template)
    assert.ok(own)
    // 9.9 kvB with a coin of the server's wallet, at 28 sat/vB where blocks take 30: ANYONECANPAY
    // lets it.
    const coin = { txid: txid('aa'.repeat(32)), vout: 0 }
    world.chain.addCoin(coin, 10_000_000n)
    const tx = Transaction.fromBuffer(fundingSpend(ours.template.funding, 3, 0, [own]).raw)
    tx.addInput(new Uint8Array(32).fill(0xaa), 0, 0xfffffffd)
    for (let n = 0; n < 307; n++) {
      tx.addOutput(scriptOf(`a${n}`), n < 306 ? 1_000n : 10_000_000n + 2_000n - 306_000n - 280_000n)
    }
    tx.setWitness(1, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
    const script = fundingWitnessScript(
      ours.template.funding.clientKey,
      ours.template.funding.serverKey
    )
    const theirs = world.server.channelKey.sign(
      tx.hashForWitnessV0(0, script, world.capacity, SIGHASH.ALL)
    )
    tx.setWitness(0, [
      new Uint8Array(0),
      toDer(ours.signature, SIGHASH.SINGLE | SIGHASH.ANYONECANPAY),
      toDer(theirs, SIGHASH.ALL),
      script
    ])
    world.kill('server')
    world.chain.lowestFeeRate = 30_000n
    world.client.feeRate = feeRate(30_000n)
    assert.ok('txid' in world.chain.broadcast(tx.toBuffer()))
    const fee = (): bigint => world.client.established.publication?.fee ?? 0n
    world.mineTo(700 + 143)
    assert.equal(fee(), 0n)
    // 138 vB at a quarter above 30 sat/vB: 5,175 sat, and twice that with each day.
    world.mineTo(700 + 287)
    assert.ok(fee() > 0n && fee() <= 5_175n, `${fee()} sat`)
    world.mineTo(700 + 431)
    assert.ok(fee() <= 10_350n, `${fee()} sat`)
  })
})
