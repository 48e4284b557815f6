import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NEVER, nextDue } from '../../src/channel/due.js'
import type { ClientChannel, Established } from '../../src/channel/state.js'
import { blockDelta, blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, sentOf } from './asserts.js'
import { copyOf } from './reestablish-stories.js'
import { asServer, type Side } from './side.js'
import { anyStormStory, Storm } from './storm.js'
import { anyTurnCommand, TurnStorm } from './turns-storm.js'
import { World, type WorldOptions } from './world.js'

/** Beyond every lock of the storms. */
const HORIZON = 700

/** No tip below the height that is named changes anything. */
function checkDue(side: Side): void {
  if (!side.has || side.dead) return
  const { channel, chain } = side
  for (const from of [
    Math.max(0, chain.height - 8),
    chain.height,
    chain.height + 1,
    chain.height + 30
  ]) {
    const due = nextDue(channel, from)
    assert.ok(due >= from)
    const last = Math.min(due - 1, HORIZON)
    for (const height of new Set([from, from + 1, Math.floor((from + last) / 2), last - 1, last])) {
      if (height < from || height > last) continue
      const { state, effects, log } = side.attempt({ type: 'tip' }, { height: blockHeight(height) })
      assert.ok(
        state === channel && effects.length === 0 && log.length === 0,
        `the ${side.role} is due at ${due}, and a tip at ${height} ${effects.length > 0 ? `has ${effects.map(({ type }) => type).join()}` : 'changes it'} (the chain is at ${chain.height})`
      )
    }
  }
}

describe('channel / due', function () {
  this.slow(20_000)
  it('one-way: through every stage and accident, a tip that is not due changes nothing and has no effect', () => {
    fc.assert(
      fc.property(anyStormStory, ({ commands }) => {
        const storm = new Storm()
        for (const command of commands) {
          storm.perform(command)
          for (const side of [storm.world.client, storm.world.server]) checkDue(side)
        }
      })
    )
  })

  it('two-way: the same', () => {
    fc.assert(
      fc.property(
        fc.array(anyTurnCommand, { minLength: 5, maxLength: 50, size: 'max' }),
        (commands) => {
          const storm = new TurnStorm()
          for (const command of commands) {
            storm.perform(command)
            for (const side of [storm.world.client, storm.world.server]) checkDue(side)
          }
        }
      )
    )
  })

  it('says something: an idle channel sleeps until its last payment, one that is final for ever', () => {
    const { client, server, chain } = new World().open()
    for (const side of [client, server]) {
      assert.ok(
        nextDue(side.channel, chain.height + 1) >= Number(side.info.lastPaymentHeight),
        `the ${side.role} is due at ${nextDue(side.channel, chain.height + 1)}`
      )
    }
    assert.equal(
      nextDue(
        {
          ...client.established,
          onChain: {
            ...client.established.onChain,
            spend: {
              kind: 'refund',
              state: 'refund',
              txid: client.established.outPoint.txid,
              raw: new Uint8Array(0),
              height: blockHeight(100),
              clientBalance: undefined
            }
          },
          ledger: { ...client.established.ledger, settledSequence: 0 }
        },
        107
      ),
      NEVER
    )
  })
})

describe('channel / due / the first height that can change something, to the block', () => {
  /** L = 700; the tip is at 503, T1 in block 501. */
  const open = (options: WorldOptions = {}): ClientChannel =>
    new World({ policy: { minDepth: 3 }, ...options }).open().client.established
  const idle = (channel: Established): number => nextDue(channel, 502)

  it('where T1 is deep enough, unless payments have ended', () => {
    const channel = { ...open(), ready: { ours: false, theirs: false } }
    const { fundingHeight } = channel.onChain
    assert.equal(fundingHeight, 501)
    assert.equal(idle(channel), 503)
    assert.equal(nextDue(channel, 504), 504)
    assert.ok(
      idle({ ...channel, stopped: { code: 'ERR_X', reason: '', rule: '', settleNow: false } }) > 503
    )
    assert.ok(idle({ ...channel, ready: { ours: true, theirs: false } }) > 503)
  })

  it('where the turn may be asked for again; never where it was refused for good, at once where no height was named (TURN-5)', () => {
    const channel = open({ step: 20 })
    const refused = (notBefore: number | undefined): number =>
      idle({
        ...channel,
        wishes: {
          ...channel.wishes,
          refused: { code: 'ERR_TURN_REFUSED', message: '', facts: {}, notBefore }
        }
      })
    assert.deepEqual([refused(510), refused(1), refused(undefined)], [510, 502, 502])
    assert.ok(refused(0) > 600)
    assert.equal(refused(0), idle(channel))
  })

  it('where it renews itself, six blocks before the last payment: as the client, until a close is signed (RENEW-12)', () => {
    const channel = { ...open(), renewFor: blockDelta(200) }
    const last = channel.terms.lastPaymentHeight
    assert.equal(idle(channel), last - 6)
    const after = idle({ ...channel, renewFor: undefined })
    assert.ok(after > last)
    assert.equal(idle(asServer(channel)), idle(asServer({ ...channel, renewFor: undefined })))
    const close = {
      asker: 'client' as const,
      fee: satoshi(400n),
      txid: channel.outPoint.txid,
      signature: new Uint8Array(64),
      raw: undefined
    }
    assert.equal(idle({ ...channel, closes: [close] }), after)
  })

  it('while it opens: never for the client, after its last payment for the server; with each block where a renewal may be lost (RENEW-7)', () => {
    const asked = new World().until('client', 'refund-requested').client.channel
    const signed = new World().until('server', 'refund-signed').server.channel
    assert.equal(nextDue(asked, 502), NEVER)
    assert.deepEqual([nextDue(signed, 502), nextDue(signed, 660)], [653, 660])
    const renewing = (): World => new World({ renews: { world: new World().open().paid(40_000n) } })
    for (const channel of [
      renewing().until('client', 'refund-requested').client.channel,
      renewing().until('server', 'refund-signed').server.channel
    ]) {
      assert.equal(nextDue(channel, 502), 502)
    }
  })

  it('with each block where it is spent and its T1 is in none, if it is a renewal: the coins may have gone elsewhere', () => {
    const spent = (channel: Established, fundingHeight: number | undefined): number =>
      nextDue(
        {
          ...channel,
          ledger: { ...channel.ledger, settledSequence: 0 },
          onChain: {
            fundingSeen: true,
            fundingHeight: fundingHeight === undefined ? undefined : blockHeight(fundingHeight),
            spend: {
              kind: 'refund',
              state: 'refund',
              txid: channel.outPoint.txid,
              raw: new Uint8Array(0),
              height: blockHeight(502),
              clientBalance: undefined
            },
            shown: []
          }
        },
        600
      )
    const first = new World().open().paid(40_000n)
    const renewal = new World({ renews: { world: first } }).open()
    assert.deepEqual(
      [first, renewal].map(({ client }) => [
        spent(client.established, undefined),
        spent(client.established, 501)
      ]),
      [
        [NEVER, NEVER],
        [600, NEVER]
      ]
    )
  })

  it('for six blocks after the spend, while its payout is handed to the wallet again; then never', () => {
    const { channel } = new World().open().paid(40_000n).kill('client').mineTo(666).server
    assert.ok(channel.stage === 'established')
    const spentAt = channel.onChain.spend?.height
    assert.equal(spentAt, 665)
    const settled = { ...channel, ledger: { ...channel.ledger, settledSequence: 1 } }
    assert.deepEqual(
      [666, 671, 672].map((from) => nextDue(settled, from)),
      [666, 671, NEVER]
    )
  })

  it('where what it holds is published, when that comes first', () => {
    const world = new World({ step: 20 }).open().paidBy('client', 40_000n).paidBy('server', 15_000n)
    // Turn 0 of the server matures at 680, turn 1 of the client at 660; its last payment is at 648.
    for (const [side, height] of [
      [world.client, 654],
      [world.server, 651]
    ] as const) {
      assert.equal(nextDue(side.channel, 502), height, side.role)
    }
    // A channel that was handed back may be settled before what the peer says is its last payment.
    const { server } = new World().open().paid(40_000n)
    assert.equal(
      nextDue(
        {
          ...server.established,
          terms: { ...server.established.terms, settleHeight: blockHeight(600) }
        },
        502
      ),
      600
    )
  })
})

/* TIME-5: a channel whose payments are over ends in peace, without anybody asking. */

/** L is 700: the last payment is at height 652, the server settles at 664. */
const LAST_PAYMENT = 652

const kinds = (world: World): Array<string | undefined> =>
  [world.client, world.server].map((side) => side.established.onChain.spend?.kind)

describe('channel / closing by height (TIME-5)', () => {
  it('the server asks three blocks after the last payment, and both get their shares', () => {
    const world = new World()
      .open()
      .paid(40_000n)
      .mineTo(LAST_PAYMENT + 2)
    assert.deepEqual([world.client.established.closes, world.server.established.closes], [[], []])
    world.mineTo(LAST_PAYMENT + 5)
    assert.deepEqual(kinds(world), ['close', 'close'])
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [60_000n, 40_000n - fee])
  })

  it('the client asks six blocks after the last payment when the server was paid nothing', () => {
    const world = new World().open().mineTo(LAST_PAYMENT + 5)
    assert.deepEqual(sentOf(world.client.effects, 'CloseRequest'), [])
    world.mineTo(LAST_PAYMENT + 8)
    assert.deepEqual(kinds(world), ['close', 'close'])
    const { client, fee } = world.payouts()
    assert.equal(client, 100_000n - fee)
  })

  it('costs at most a quarter of the share of who asks: with a small one the other side goes ahead, or both wait for cheaper blocks', () => {
    const world = new World()
      .open()
      .paid(1_000n)
      .mineTo(LAST_PAYMENT + 5)
    assert.deepEqual(
      sentOf(world.server.effects, 'CloseRequest'),
      [],
      '169 vB at 2.2 sat/vB are 371 of 1,000 sat'
    )
    for (const side of [world.client, world.server]) side.feeRate = feeRate(200_000n)
    world.mineTo(LAST_PAYMENT + 8)
    assert.deepEqual(sentOf(world.client.effects, 'CloseRequest'), [])
    for (const side of [world.client, world.server]) side.feeRate = feeRate(2_000n)
    world.mine(2)
    assert.deepEqual(kinds(world), ['close', 'close'])
    assert.equal(world.payouts().server, 1_000n)
  })

  it('is asked for once', () => {
    const world = new World().open().paid(40_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(LAST_PAYMENT + 10)
    assert.equal(
      sentOf(world.server.effects, 'CloseRequest').length +
        sentOf(world.client.effects, 'CloseRequest').length,
      1
    )
  })

  it('waits until the other side is there; nobody is frozen meanwhile', () => {
    const world = new World()
      .open()
      .paid(40_000n)
      .disconnect()
      .mineTo(LAST_PAYMENT + 5)
    assert.deepEqual([world.client.established.closes, world.server.established.closes], [[], []])
    world.connect().run().mine(2)
    assert.deepEqual(kinds(world), ['close', 'close'])
  })

  it('is not asked for while nobody sees the chain', () => {
    const world = new World().open().paid(40_000n)
    world.client.blind = world.server.blind = true
    world.mineTo(LAST_PAYMENT + 5)
    world.server.post({ type: 'tip' })
    assert.deepEqual(sentOf(world.server.effects, 'CloseRequest'), [])
  })

  it('is left out when the user has settled already', () => {
    const world = new World().open().paid(40_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.server.post({ type: 'settle' })
    world.mineTo(LAST_PAYMENT + 10)
    assert.deepEqual([world.client.established.closes, world.server.established.closes], [[], []])
  })

  it('changes nothing about the settlement when it is stuck (CLOSE-8)', () => {
    const world = new World().open().paid(40_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(664)
    assert.equal(world.server.established.publication?.kind, 'settlement')
  })
})

describe('channel / closing / asked again and again (CLOSE-7)', () => {
  it('stops at ten times the estimate: the share is not for miners', () => {
    const world = new World().open().paid(40_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    for (let n = 0; n < 30; n++) {
      world.client.post({ type: 'close' })
      world.run()
    }
    const fees = sentOf(world.client.effects, 'CloseRequest').map(({ fee }) => fee)
    const [first = 0n] = fees
    assert.ok(fees.length > 3 && fees.every((fee) => fee <= first * 10n), fees.join())
    assert.equal(
      effectsOf(world.client.effects, 'close-refused').at(-1)?.error.code,
      'ERR_CLOSE_FEE_TOO_HIGH'
    )
  })
})

describe('channel / closing / on a channel where payments have ended', () => {
  it('the payer may ask although something is in flight: it will not arrive any more (REEST-4, CLOSE-1)', () => {
    const world = new World().open().paid(40_000n)
    const { goBack } = copyOf(world, 'server')
    world.paid(2_000n).pay(1_000n)
    goBack().connect().run()
    assert.equal(world.client.info.status, 'stopped')
    world.client.post({ type: 'close' })
    world.run().mine()
    const { client, server: toServer, fee } = world.payouts()
    assert.deepEqual([client, toServer], [58_000n - fee, 42_000n])
  })
})
