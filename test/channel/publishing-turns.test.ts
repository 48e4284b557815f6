/** Two-way channels on the chain: the newest state wins (TIME-6). */
import assert from 'node:assert/strict'
import { completeState } from '../../src/bitcoin/template.js'
import { publishable } from '../../src/channel/publishable.js'
import type { Established, Publication } from '../../src/channel/state.js'
import { checkAcceptance } from '../../src/channel/opening-terms.js'
import { satoshi } from '../../src/types/units.js'
import { Violation } from '../../src/channel/violation.js'
import { effectsOf, take } from './asserts.js'
import type { Side } from './side.js'
import { World } from './world.js'

/** L = 700, turns 20 apart: turn 0 matures at 680, turn 1 at 660, turn 2 at 640. */
const open = (): World => new World({ step: 20 }).open()

function published(side: Side): Publication {
  const { publication } = side.established
  assert.ok(publication, `the ${side.role} has published nothing`)
  return publication
}

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
