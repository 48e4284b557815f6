/** What a side publishes, and when, in channels of one way (TIME-1) and of two (TIME-6). */
import assert from 'node:assert/strict'
import { completeState } from '../../src/bitcoin/template.js'
import type { BroadcastPurpose } from '../../src/channel/events.js'
import { checkAcceptance } from '../../src/channel/opening-terms.js'
import { publishable } from '../../src/channel/publishable.js'
import type { Established, Publication } from '../../src/channel/state.js'
import { Violation } from '../../src/channel/violation.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { assertRefused, effectsOf, take } from './asserts.js'
import { faultOfSpend, type Side } from './side.js'
import { World } from './world.js'

const paid = (amount = 40_000n, options: ConstructorParameters<typeof World>[0] = {}): World =>
  new World(options).open().paid(amount)
const published = (side: Side): Publication => {
  const { publication } = side.established
  assert.ok(publication, `the ${side.role} has published nothing`)
  return publication
}

/** Mines blocks that leave our transaction out; returns the fee after each. */
function fees(world: World, side: Side, blocks: number): bigint[] {
  world.chain.lowestFeeRate = 1_000_000_000n
  return Array.from({ length: blocks }, () => {
    world.mine()
    return published(side).fee
  })
}

describe('server / publishing / T3', () => {
  it('is published at the settlement height, not one block before (TIME-1)', () => {
    const world = paid().kill('client').mineTo(663)
    assert.equal(world.server.established.publication, undefined)
    world.mine()
    assert.equal(published(world.server).kind, 'settlement')
    assert.equal(faultOfSpend(published(world.server).raw, world.funding), undefined)
  })

  it("pays its fee out of the server's share, at the estimate", () => {
    const world = paid().kill('client').mineTo(665)
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server, fee], [60_000n, 40_000n - fee, 362n], '181 vB at 2 sat/vB')
  })

  it('is published although an unconfirmed close waits in the mempool (CLOSE-8)', () => {
    const world = paid()
    world.chain.lowestFeeRate = 10_000n
    world.client.post({ type: 'close' })
    world.run().kill('client').mineTo(663)
    assert.equal(world.server.info.spend?.kind, 'close')
    world.mine()
    assert.equal(world.server.info.spend?.kind, 'settlement')
    world.chain.lowestFeeRate = 0n
    world.mine()
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [60_000n, 40_000n - fee])
  })

  it('is not published when the share is not worth it; the share is shown as at risk', () => {
    const world = paid(300n, { policy: { minFirstPayment: satoshi(1n) } })
    assert.equal(world.server.info.atRisk, 300n)
    world.kill('client').mineTo(664)
    assert.equal(world.server.established.publication, undefined)
    assert.deepEqual(
      effectsOf(world.server.effects, 'broadcast').filter(
        ({ purpose }) => purpose === 'publication'
      ),
      []
    )
  })

  it('is published for less than the estimate when that is more than the share can pay: a quarter of it at the most until the last third', () => {
    const world = paid(1_000n).kill('client')
    world.server.feeRate = feeRate(50_000n)
    assert.equal(world.server.info.atRisk, 1_000n)
    world.mineTo(665)
    assert.deepEqual([world.payouts().server, world.payouts().fee], [819n, 181n])
  })

  it("pays what the server's mempool asks for, when that is more than the estimate", () => {
    const world = paid().kill('client')
    world.server.relay = { minimum: feeRate(7_000n), incremental: feeRate(1_000n) }
    assert.equal(world.mineTo(665).payouts().fee, 1_267n, '181 vB at 7 sat/vB')
  })

  it('pays 1 sat/vB at least where it has a deadline, whatever less our servers would take: miners may be behind nodes that do not', () => {
    const world = paid().kill('client')
    world.server.relay = { minimum: feeRate(100n), incremental: feeRate(100n) }
    world.server.feeRate = feeRate(150n)
    assert.equal(world.mineTo(665).payouts().fee, 181n)
  })

  it('is published below 1 sat/vB when the share has no more, and our servers take that', () => {
    const poor = (minimum: bigint): Publication | undefined => {
      const world = paid(450n, { policy: { minFirstPayment: satoshi(1n) } }).kill('client')
      world.server.relay = { minimum: feeRate(minimum), incremental: feeRate(minimum) }
      world.mineTo(664)
      return world.server.established.publication
    }
    assert.equal(poor(1_000n), undefined)
    assert.equal(poor(100n)?.fee, 156n, 'what the share has above dust')
  })

  it("is replaced by one that pays the server's incremental relay fee more, for all of its size (BIP125)", () => {
    const raises = [1_000n, 5_000n].map((rate) => {
      const world = paid().kill('client')
      world.server.relay = { minimum: feeRate(1_000n), incremental: feeRate(rate) }
      world.mineTo(664)
      const bids = [published(world.server).fee, ...fees(world, world.server, 30)]
      const steps = bids
        .slice(1)
        .map((fee, i) => fee - (bids[i] ?? 0n))
        .filter((step) => step > 0n)
      assert.ok(
        steps.length > 3 && steps.every((step) => step >= (rate * 181n) / 1_000n),
        `${rate}: ${steps.join()}`
      )
      return steps.length
    })
    assert.ok((raises[1] ?? 0) < (raises[0] ?? 0), 'fewer and larger ones')
  })

  it('a share that is worth its T3 is not at risk', () => {
    assert.equal(paid(656n).server.info.atRisk, 0n)
    assert.equal(paid(40_000n).client.info.atRisk, 0n)
  })

  it("nothing is at risk on the client's side, nor once the channel is spent", () => {
    const world = paid(1_000n)
    for (const side of [world.client, world.server]) side.feeRate = feeRate(1_000_000n)
    assert.deepEqual([world.client.info.atRisk, world.server.info.atRisk], [0n, 1_000n])
    world.server.feeRate = feeRate(1_000n)
    world.kill('client').mineTo(665)
    world.server.feeRate = feeRate(1_000_000n)
    assert.equal(world.server.info.atRisk, 0n)
  })

  it('gives the server a client balance that is dust', () => {
    const world = paid(99_671n).kill('client').mineTo(665)
    assert.deepEqual(
      [world.payouts().client, world.payouts().server],
      [0n, 100_000n - world.payouts().fee]
    )
  })

  it('keeps a client balance of exactly 330 sat', () => {
    assert.equal(paid(99_670n).kill('client').mineTo(665).payouts().client, 330n)
  })

  it('answers a T2 in the mempool at once, with a higher fee (contested)', () => {
    const world = paid()
    world.server.blind = true
    world.kill('server').chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(700)
    const theirs = published(world.client)
    world.server.dead = false
    world.server.blind = false
    world.client.dead = true
    world.lookAtChain()
    assert.ok(published(world.server).fee > theirs.fee)
    assert.equal(world.server.info.spend?.kind, 'settlement')
  })

  it('is published again with the next block when T1 was not there yet', () => {
    const world = paid()
    world.server.post({ type: 'settle' })
    const [first] = effectsOf(world.server.effects, 'broadcast').filter(
      ({ purpose }) => purpose === 'publication'
    )
    world.server.post({
      type: 'broadcast-failed',
      purpose: 'publication',
      txid: published(world.server).txid,
      kind: 'missing-inputs',
      reason: 'missing'
    })
    assert.equal(published(world.server).raw, first?.raw)
  })
})

describe('client / publishing / T2', () => {
  it('is published at L, not one block before: no mempool would take it (TIME-2, TIME-3)', () => {
    const world = paid().kill('server').mineTo(699)
    assert.equal(world.client.established.publication, undefined)
    world.mine()
    assert.equal(published(world.client).kind, 'refund')
    assert.equal(faultOfSpend(published(world.client).raw, world.funding), undefined)
  })

  it('gives everything back, fee aside', () => {
    const world = paid().kill('server').mineTo(701)
    assert.equal(world.payouts().client, 100_000n - world.payouts().fee)
  })

  it('is published although an unconfirmed close waits in the mempool (CLOSE-8)', () => {
    const world = new World().open()
    world.chain.lowestFeeRate = 10_000n
    world.client.post({ type: 'close' })
    world.run().kill('server').mineTo(700)
    assert.equal(world.client.info.spend?.kind, 'refund')
  })

  it('is not published while T1 has never been seen', () => {
    const world = new World().until('client', 'established')
    world.chain.reorg(0, [world.client.established.outPoint.txid])
    const state = {
      ...world.client.established,
      onChain: { fundingSeen: false, fundingHeight: undefined, spend: undefined, shown: [] }
    }
    world.client.channel = state
    world.client.blind = true
    const { effects } = world.client.attempt(
      { type: 'tip' },
      { height: world.client.established.terms.refundHeight }
    )
    assert.deepEqual(
      effectsOf(effects, 'broadcast').map(({ purpose }): BroadcastPurpose => purpose),
      ['funding']
    )
  })

  it('does not compete with a T3 in the mempool, which is what both have agreed on; only if that is stuck for a day of blocks (TIME-7)', () => {
    const world = paid(1_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.server.post({ type: 'settle' })
    world.kill('server').mineTo(843)
    assert.equal(world.client.established.publication, undefined)
    world.mine()
    assert.equal(published(world.client).kind, 'refund')
  })
})

describe('channel / publishing / raises the fee (BIP125)', () => {
  it('along the curve: half of the stake six blocks before L, three quarters of it in the last; each bid 1 sat/vB above the one before', () => {
    const world = paid().kill('client').mineTo(664)
    const rising = [published(world.server).fee, ...fees(world, world.server, 35)]
    rising.slice(1).forEach((fee, i) => {
      const before = rising[i] ?? 0n
      assert.ok(fee === before || fee >= before + 181n, `${before} -> ${fee}`)
    })
    const [half, all] = [rising[30] ?? 0n, rising[35]]
    assert.ok(half > 19_000n && half <= 20_000n, `${half} at 694`)
    assert.equal(all, 29_780n, 'of 40,000 less 294 at 699')
  })

  it('once for each block, however often the tip is told: then the same goes out again, as after a restart', () => {
    const world = paid().kill('client').mineTo(664)
    const { state, effects } = world.server.attempt({ type: 'tip' })
    assert.ok(state === world.server.channel)
    assert.deepEqual(
      effectsOf(effects, 'broadcast').map(({ raw }) => raw),
      [published(world.server).raw]
    )
  })

  it('follows the estimate when that rises faster, and never falls with it', () => {
    const world = paid().kill('client').mineTo(664)
    world.server.feeRate = feeRate(20_000n)
    const [high] = fees(world, world.server, 1)
    assert.equal(high, 3_620n)
    world.server.feeRate = feeRate(1000n)
    assert.ok((fees(world, world.server, 8).at(-1) ?? 0n) >= 3_620n)
  })

  it('up to three quarters of the share while nobody competes, and no further: then the same goes out again', () => {
    const world = paid(5_000n).kill('client').mineTo(664)
    const all = fees(world, world.server, 37)
    assert.ok(all.every((fee) => fee <= 5_000n - 294n))
    assert.deepEqual([all.at(-1), all.at(-2)], [3_530n, 3_530n])
    assert.deepEqual(
      effectsOf(world.server.effects, 'broadcast').at(-1)?.raw,
      published(world.server).raw
    )
    world.chain.lowestFeeRate = 0n
    assert.equal(world.mine().payouts().client, 95_000n, 'the client is not touched')
  })

  it('every bid is one that a mempool takes', () => {
    const world = paid(20_000n).kill('client').mineTo(664)
    fees(world, world.server, 20)
    assert.equal(
      world.chain.spendOf(world.funding.outPoint)?.parsed.txid,
      published(world.server).txid
    )
    assert.deepEqual(
      world.server.effects.filter(
        (effect) => effect.type === 'notify' && effect.news.kind === 'publication-refused'
      ),
      []
    )
  })

  it('at once when a mempool says that it is too low', () => {
    const world = paid().kill('client')
    world.server.feeRate = feeRate(100n)
    world.mineTo(664)
    const { fee } = published(world.server)
    assert.ok(fee >= 181n, 'the first bid was below 1 sat/vB')
    assert.equal(world.chain.spendOf(world.funding.outPoint)?.fee, fee)
  })

  it('not for other refusals', () => {
    const world = paid().kill('client').mineTo(664)
    const before = published(world.server)
    world.server.post({
      type: 'broadcast-failed',
      purpose: 'publication',
      txid: published(world.server).txid,
      kind: 'other',
      reason: 'no'
    })
    assert.deepEqual(published(world.server), { ...before, refusedFor: 'other' })
  })

  it('not any more once it is in a block', () => {
    const world = paid().kill('client').mineTo(665)
    const before = published(world.server)
    world.mine(3)
    assert.equal(published(world.server), before)
  })

  it('again from where it was after a restart', () => {
    const world = paid().kill('client').mineTo(664)
    const [before] = fees(world, world.server, 1)
    const race = published(world.server).since
    world.restart('server').mine(3)
    assert.ok(published(world.server).fee > (before ?? 0n))
    assert.deepEqual(published(world.server).since, race)
  })

  it('after a reorg that took it out of its block: it goes out again (TIME-4)', () => {
    const world = paid().kill('client').mineTo(665)
    assert.equal(world.server.info.status, 'closed')
    world.reorg(1, [published(world.server).txid])
    assert.equal(world.server.info.status, 'settling')
    world.mine()
    assert.equal(world.server.info.status, 'closed')
    assert.equal(world.payouts().server, 40_000n - world.payouts().fee)
  })
})

describe('channel / publishing / on settle', () => {
  it('the server publishes T3 at once, and takes no updates any more', () => {
    const world = paid()
    world.server.post({ type: 'settle' })
    assert.equal(world.server.info.spend?.kind, 'settlement')
    assert.deepEqual(
      effectsOf(world.server.effects, 'close-done').map(({ kind }) => kind),
      ['settlement']
    )
    world.mine()
    assert.deepEqual([world.payouts().client, world.client.info.status], [60_000n, 'closed'])
  })

  it('asked again, the same goes out again', () => {
    const world = paid()
    world.server.post({ type: 'settle' })
    world.server.channel = {
      ...world.server.established,
      onChain: { ...world.server.established.onChain, spend: undefined, shown: [] }
    }
    const { state, effects } = world.server.attempt({ type: 'settle' })
    assert.deepEqual(
      [state === world.server.channel, effectsOf(effects, 'broadcast').map(({ raw }) => raw)],
      [true, [published(world.server).raw]]
    )
  })

  it('refuses a share that is not worth a transaction, and does not move', () => {
    const world = paid(300n, { policy: { minFirstPayment: satoshi(1n) } })
    assertRefused(world.server, world.server.attempt({ type: 'settle' }), 'ERR_NOTHING_TO_SETTLE')
  })

  it('refuses to the client, which has only its refund at L', () => {
    const world = paid()
    assert.match(
      assertRefused(world.client, world.client.attempt({ type: 'settle' }), 'ERR_NOTHING_TO_SETTLE')
        .message,
      /height 700/
    )
  })

  it('refuses during the opening, and once the channel is being closed', () => {
    const opening = new World().offer()
    assertRefused(
      opening.client,
      opening.client.attempt({ type: 'settle' }),
      'ERR_NOTHING_TO_SETTLE'
    )
    const world = paid()
    world.client.post({ type: 'close' })
    world.run().mine()
    assertRefused(world.server, world.server.attempt({ type: 'settle' }), 'ERR_CHANNEL_CLOSED')
  })
})

/*
 * Two-way: the newest state comes back to the mempool when older ones have matured as well (TIME-4,
 * TIME-7).
 */

/**
 * L = 700, turns 1 apart. The client was paid 15,000 last and published that at 698; it is in no
 * block, and so T2 has matured, too.
 */
function undone(lost: boolean): World {
  const world = new World({ step: 1 })
    .open()
    .paidBy('client', 40_000n)
    .paidBy('server', 15_000n)
    .disconnect()
    .mineTo(699)
  const { publication } = world.client.established
  assert.deepEqual([publication?.state, world.client.info.spend?.height], [1, 699])
  world.mine()
  assert.equal(world.server.established.publication, undefined, 'the newer one is in a block')
  assert.ok(publication)
  return world.reorg(2, lost ? [publication.txid] : [])
}

/** News go back and forth until nobody has an answer. */
function settled(world: World): World {
  for (let n = 0; n < 40; n++) world.lookAtChain()
  return world
}

describe('channel / publishing / two-way, after a reorganisation', () => {
  for (const lost of [true, false]) {
    it(`a normal bid is all that a newer state has to stand, if it pays what the next block takes, although T2 has matured (TIME-7, EVID-5); ${lost ? 'lost with its block' : 'back in the mempool'}`, () => {
      const world = settled(undone(lost))
      const { client, server, fee } = world.mine().payouts()
      assert.deepEqual([client, server], [75_000n - fee, 25_000n])
      assert.ok(fee < 3_620n, `nobody has outbid anybody, and ${fee} sat are gone`)
    })
  }

  it('publishes what it holds when the newer one pays less than that', () => {
    const world = undone(false)
    world.server.feeRate = feeRate(50_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.client.dead = true
    world.mine()
    assert.equal(world.server.established.publication?.state, 0)
    assert.equal(world.server.established.onChain.shown[0]?.state, 0)
  })

  it('publishes what it holds when the newer one is in sight no more', () => {
    const world = settled(undone(true))
    world.server.post({
      type: 'history',
      history: { ...world.chain.history(world.funding.outPoint), spends: [] }
    })
    assert.equal(world.server.established.publication?.state, 0)
  })

  it('publishes what it holds, whatever a newer one pays that two servers show: for a normal bid until a block has passed over that, and then for what it takes (EVID-5)', () => {
    const world = undone(false)
    world.chain.servers = 2
    world.chain.lowestFeeRate = 1_000_000_000n
    world.client.dead = true
    const fees = [843, 844, 850].map((height) => {
      world.mineTo(height)
      return world.server.established.publication?.fee ?? 0n
    })
    assert.equal(world.server.established.publication?.state, 0)
    assert.ok(
      fees.every((fee) => fee > 0n && fee <= 30_000n),
      fees.join()
    )
    const shown = world.server.established.onChain.shown.find(({ state }) => state === 1)
    assert.ok(shown === undefined || (shown.since ?? 0) < world.chain.height)
  })
})

/** L = 700, turns 20 apart: turn 0 matures at 680, turn 1 at 660, turn 2 at 640. */
const open = (): World => new World({ step: 20 }).open()

/** What a side that cheats would broadcast of a state it has kept. */
function stale(side: Side, old: Established, fee: bigint): Uint8Array {
  const ours = publishable(old)
  assert.ok(ours)
  return completeState(
    ours.template,
    ours.signature,
    [{ script: side.closeScript, value: satoshi(ours.share - fee) }],
    side.channelKey.sign
  ).raw
}

describe('channel / publishing / two-way', () => {
  it('the payee of the last turn publishes its state at its lock, not one block before', () => {
    const world = open()
      .paidBy('client', 40_000n)
      .paidBy('server', 15_000n)
      .kill('server')
      .mineTo(659)
    assert.equal(world.client.established.publication, undefined)
    world.mine()
    assert.deepEqual(
      [published(world.client).kind, published(world.client).state],
      ['settlement', 1]
    )
    world.mine()
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [75_000n - fee, 25_000n])
  })

  it('the payee of the last turn stays silent: the other side publishes its state of the turn before, a step later', () => {
    const world = open()
      .paidBy('client', 40_000n)
      .paidBy('server', 15_000n)
      .kill('client')
      .mineTo(679)
    assert.equal(world.server.established.publication, undefined)
    world.mine(2)
    assert.equal(published(world.server).state, 0)
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [60_000n, 40_000n - fee])
  })

  it('nothing was paid in the last turn: its payer holds the newest state', () => {
    const world = open().paidBy('client', 40_000n)
    world.server.post({
      type: 'ask-turn',
      payments: [{ id: new Uint8Array(16), amount: 5_000n, memo: '' }]
    })
    world.run().kill('client').mineTo(680)
    assert.deepEqual([world.server.established.ledger.turn, published(world.server).state], [1, 0])
  })

  it('the client has its state of turn 1 instead of T2 at L, when the server is gone and 1 is all that it was paid', () => {
    const world = open().paidBy('client', 40_000n).paidBy('server', 15_000n)
    const copy = world.client.channel
    world.kill('server').mineTo(661)
    assert.equal(world.payouts().client, 75_000n - world.payouts().fee)
    assert.equal(copy.stage, 'established')
  })

  it('T2, if nobody was ever paid', () => {
    const world = open().kill('server').mineTo(701)
    assert.deepEqual(
      [published(world.client).kind, world.payouts().client],
      ['refund', 100_000n - world.payouts().fee]
    )
  })

  it('the payer of the turn has its output swept by its wallet', () => {
    const world = open()
      .paidBy('client', 40_000n)
      .paidBy('server', 15_000n)
      .mineTo(648)
      .disconnect()
      .mineTo(661)
    assert.deepEqual(
      effectsOf(world.server.effects, 'claim').map(({ payout }) => payout.value),
      [25_000n]
    )
    assert.deepEqual(effectsOf(world.client.effects, 'claim'), [])
  })

  it('an older state is too late: the newest has been in a block for a step', () => {
    const world = open().paidBy('client', 40_000n)
    const old = world.server.established
    world.paidBy('server', 15_000n).paidBy('client', 1_000n).paidBy('server', 2_000n).disconnect()
    const cheat = stale(world.server, old, 1_000n)
    assert.deepEqual(world.chain.broadcast(cheat), { refused: 'non-final' })
    world.mineTo(680)
    assert.deepEqual([world.client.info.spend?.height, world.client.info.status], [621, 'closed'])
  })

  it('an older state that reached the mempool first is outbid: within what we gain over it', () => {
    const world = open().paidBy('client', 40_000n)
    const old = world.server.established
    world.paidBy('server', 15_000n).disconnect()
    world.client.dead = true
    world.mineTo(680)
    const cheat = world.chain.broadcast(stale(world.server, old, 2_500n))
    assert.ok('txid' in cheat)
    world.client.dead = false
    world.server.dead = true
    world.lookAtChain()
    assert.equal(published(world.client).state, 1)
    assert.ok(
      published(world.client).fee > 2_500n && published(world.client).fee <= 3_620n,
      '20 sat/vB at once'
    )
    world.mine()
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [75_000n - fee, 25_000n])
  })

  it('bids no more at once than 20 sat/vB, however high the other side goes; and says what was lost', () => {
    const world = open().paidBy('client', 40_000n)
    const old = world.server.established
    world.paidBy('server', 15_000n).disconnect()
    world.client.dead = true
    world.mineTo(680)
    assert.ok('txid' in world.chain.broadcast(stale(world.server, old, 39_000n)))
    world.client.dead = false
    world.server.dead = true
    world.lookAtChain()
    assert.ok(
      published(world.client).fee <= 3_620n,
      'not more than 20 sat/vB before a block has passed'
    )
    world.mine()
    assert.deepEqual(
      [world.client.info.spend?.kind, world.payouts().client],
      ['settlement', 60_000n]
    )
    assert.match(
      effectsOf(world.client.effects, 'alarm')
        .map(({ code, text }) => `${code} ${text}`)
        .join(),
      /ERR_OLDER_STATE_CONFIRMED .* 15,?000/
    )
  })

  it('a rival that comes when ours is in the mempool is answered at once, not with the next block', () => {
    const world = open().paidBy('client', 40_000n)
    const old = world.server.established
    world.paidBy('server', 15_000n).disconnect()
    world.client.dead = true
    world.server.dead = true
    world.mineTo(680)
    world.client.dead = false
    world.lookAtChain()
    const first = published(world.client).fee
    assert.ok(first <= 905n, 'twice a normal bid, however late it is')
    assert.ok('txid' in world.chain.broadcast(stale(world.server, old, first + 1_000n)))
    world.lookAtChain()
    assert.ok(published(world.client).fee > first + 1_000n)
    assert.equal(world.client.info.spend?.txid, published(world.client).txid)
  })

  it('does not compete with a newer state that is in the mempool, which both have agreed on (TIME-7)', () => {
    const world = open().paidBy('client', 40_000n).paidBy('server', 15_000n).disconnect()
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(684)
    assert.equal(published(world.client).state, 1)
    assert.equal(world.server.established.publication, undefined, 'its own matured at 680')
    world.chain.lowestFeeRate = 0n
    assert.equal(world.mine().payouts().server, 25_000n)
  })

  it('unless that one is stuck until an older one comes near, which could take its place: then it publishes what it holds (TIME-7)', () => {
    const world = open().paidBy('client', 40_000n).paidBy('server', 15_000n).disconnect()
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(660).kill('client').mineTo(693)
    assert.equal(world.server.established.publication, undefined)
    world.mine()
    assert.equal(published(world.server).state, 0, 'the last third of 680 to 700')
  })

  it('is not asked for by the user before it matures', () => {
    const world = open().paidBy('client', 40_000n).paidBy('server', 15_000n).disconnect()
    world.client.post({ type: 'settle' })
    assert.deepEqual(
      effectsOf(world.client.effects, 'close-refused').map(({ error }) => error.facts),
      [{ height: 501, matures: 660 }]
    )
  })
})

describe('opening terms / client / two-way', () => {
  it('refuses heights that do not follow from the step, and a turn worth more than the channel (OPEN-10)', () => {
    const world = new World({ step: 20 }).offer()
    world.deliver('server')
    const accept = take(world, 'client', 'AcceptChannel')
    const offer =
      world.client.channel.stage === 'offered' ? world.client.channel.offer : assert.fail()
    checkAcceptance(offer, accept, world.client.env())
    assert.deepEqual([accept.settleHeight, accept.lastPaymentHeight], [680, 668])
    for (const changes of [
      { settleHeight: 681 },
      { lastPaymentHeight: 667 },
      { limits: { ...accept.limits, minTurnAmount: 100_001n } }
    ]) {
      assert.throws(
        () => {
          checkAcceptance(offer, { ...accept, ...changes }, world.client.env())
        },
        (error) => error instanceof Violation && error.rule === 'OPEN-10'
      )
    }
    assert.throws(
      () => {
        checkAcceptance({ ...offer, mode: 'one-way', step: 0 }, accept, world.client.env())
      },
      (error) => error instanceof Violation && error.rule === 'OPEN-10'
    )
  })
})
