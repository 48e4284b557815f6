/** What is shown of a channel; which channels without money a server lets go, and when. */
import assert from 'node:assert/strict'
import type { Env } from '../../src/channel/env.js'
import { balances, NEW_LEDGER } from '../../src/channel/ledger.js'
import { exposureOf } from '../../src/channel/risk.js'
import { heightsBefore, lockOf, payerOf } from '../../src/channel/schedule.js'
import type { Channel, ClientChannel, Established, ServerChannel } from '../../src/channel/state.js'
import { type ChannelInfo, outlineOf, summarise } from '../../src/channel/summary.js'
import {
  isUnproven,
  isVacant,
  isWorthless,
  KEPT_AFTER_L,
  KEPT_MS,
  letUnprovenGo
} from '../../src/channel/funding.js'
import { isUnwatched } from '../../src/channel/unwatched.js'
import { errorMessage, Violation } from '../../src/channel/violation.js'
import { Summaries } from '../../src/engine/holdings.js'
import { blockDelta, blockHeight, feeRate, type FeeRate, satoshi } from '../../src/types/units.js'
import { World } from './world.js'

interface Seen {
  readonly channel: Channel
  readonly env: Env
  readonly info: ChannelInfo
}

const sideOf = (side: { channel: Channel; env: () => Env; info: ChannelInfo }): Seen => ({
  channel: side.channel,
  env: side.env(),
  info: side.info
})

describe('channel / summary', () => {
  it('tells who has what, and what could be paid now', () => {
    const world = new World().open().paid(30_000n)
    world.pay(5_000n)
    const { client, server } = world
    assert.deepEqual(
      [
        client.info.ourBalance,
        client.info.theirBalance,
        client.info.inFlight,
        client.info.spendable
      ],
      [70_000n, 30_000n, 5_000n, 65_000n]
    )
    assert.deepEqual(
      [
        server.info.ourBalance,
        server.info.theirBalance,
        server.info.inFlight,
        server.info.spendable
      ],
      [30_000n, 70_000n, 0n, 0n]
    )
    assert.deepEqual(
      [client.info.payments, server.info.payments],
      [
        { sent: 1, received: 0 },
        { sent: 0, received: 1 }
      ]
    )
  })

  it("what could be paid is bounded by the server's stake, not hidden by it (UPD-11)", () => {
    const world = new World({ policy: { maxStake: satoshi(50_000n) } }).open().paid(10_000n)
    assert.equal(world.client.info.spendable, 40_000n)
  })

  it('has one word for every stage', () => {
    assert.equal(new World().offer().client.info.status, 'opening')
    assert.equal(new World().until('server', 'refund-signed').server.info.status, 'opening')
    assert.equal(new World().offer().run().client.info.status, 'confirming')
    const world = new World().open()
    assert.equal(world.client.info.status, 'open')
    assert.equal(world.paid(10_000n).disconnect().client.info.status, 'offline')
    assert.equal(new World().open().mineTo(653).client.info.status, 'stopped')
    world.connect().run().client.post({ type: 'close' })
    assert.equal(world.client.info.status, 'closing')
    assert.equal(world.run().mine().client.info.status, 'closed')
    assert.equal(new World().open().kill('server').mineTo(700).client.info.status, 'refunding')
    assert.equal(
      new World().open().paid(10_000n).kill('client').mineTo(664).server.info.status,
      'settling'
    )
  })

  it('has an outline for whoever adds up all channels: no risk, but what is at stake, and until when', () => {
    const world = new World().open().paid(40_000n)
    for (const { channel, env, info } of [sideOf(world.client), sideOf(world.server)]) {
      const { deadline, ...outline } = outlineOf(channel, env)
      assert.deepEqual({ ...outline, risk: info.risk }, info)
      assert.equal(deadline === undefined, outline.stake === 0n)
    }
    const { channel, env } = sideOf(world.server)
    const { stake, deadline } = outlineOf(channel, env)
    assert.deepEqual(stake, exposureOf(world.server.established, env)?.stake)
    assert.ok(stake > 39_000n && stake <= 40_000n, `${stake} sat`)
    assert.equal(deadline, 700, 'L: T2 gives all of it back to the client')
    const offered = new World().offer().client
    assert.equal(outlineOf(offered.channel, offered.env()).deadline, undefined)
  })

  it('is reckoned once for a state and what is known of the chain, and anew when either is another', () => {
    let reckoned = 0
    const kept = new Summaries((...given) => {
      reckoned += 1
      return summarise(...given)
    })
    const world = new World().open()
    const look = (): unknown => {
      const { channel, env } = sideOf(world.server)
      const shown = kept.of(channel, { ...env, feeHistory, feeRate: rate, nextBlockRate: rate })
      const anew = summarise(channel, { ...env, feeHistory, feeRate: rate, nextBlockRate: rate })
      assert.deepEqual(shown, anew)
      return shown
    }
    let rate = feeRate(2_000n)
    let feeHistory: readonly FeeRate[] = []
    for (const happen of [
      () => world.paid(10_000n),
      () => world.paid(20_000n),
      () => world.mine(),
      () => (feeHistory = [rate, ...Array<FeeRate>(60).fill(feeRate(90_000_000n))]),
      () => (rate = feeRate(200_000n)),
      () => world.disconnect(),
      () => world.mineTo(660)
    ]) {
      const before = look()
      happen()
      const [, had] = [look(), reckoned]
      for (let n = 0; n < 10; n++) look()
      assert.equal(reckoned, had, 'nothing is new')
      assert.notDeepEqual(look(), before)
    }
    assert.ok(reckoned >= 8)
  })

  it('says what the peer can pay, also of a one-way channel, in which only one side pays', () => {
    const { client, server } = new World().open().paid(10_000n)
    assert.deepEqual(
      [client.info.spendable, client.info.receivable, server.info.spendable],
      [90_000n, 0n, 0n]
    )
    assert.equal(server.info.receivable, 90_000n)
  })

  it('says by what our share comes home without the peer, and from when on', () => {
    const world = new World().open()
    assert.deepEqual(
      [world.client.info.alone, world.server.info.alone],
      [
        { by: 'refund', from: 700 },
        { by: 'settlement', from: 664 }
      ]
    )
    const twoWay = new World({ step: 20 })
      .open()
      .paidBy('client', 40_000n)
      .paidBy('server', 15_000n)
    assert.deepEqual(
      [twoWay.client.info.alone, twoWay.server.info.alone],
      [
        { by: 'settlement', from: 660 },
        { by: 'settlement', from: 680 }
      ]
    )
    world.client.post({ type: 'close' })
    world.run().mine()
    assert.deepEqual([world.client.info.alone, world.server.info.alone], [undefined, undefined])
  })

  it('says for how many blocks it renews itself, to the side that pays for that (TIME-5)', () => {
    const world = new World()
    world.asked = { renewFor: blockDelta(150) }
    const { client, server } = world.open()
    assert.deepEqual([client.info.renewFor, server.info.renewFor], [150, undefined])
  })

  it("shows the money of an opening as nobody's yet, and its heights", () => {
    const { info } = new World().offer().client
    assert.deepEqual(
      [info.capacity, info.ourBalance, info.refundHeight, info.funding],
      [100_000n, 0n, 700, undefined]
    )
    const abandoned = new World().offer().client
    abandoned.post({ type: 'timeout' })
    assert.deepEqual(
      [abandoned.info.capacity, abandoned.info.refundHeight, abandoned.info.status],
      [100_000n, 700, 'abandoned']
    )
    assert.match(abandoned.info.reason ?? '', /took too long/)
  })
})

describe('channel / schedule', () => {
  it('the client pays in turn 0, then each in turn', () => {
    assert.deepEqual([0, 1, 2, 3].map(payerOf), ['client', 'server', 'client', 'server'])
  })

  it('one-way: T2 at L, T3 at any time', () => {
    const terms = { mode: 'one-way', refundHeight: blockHeight(700), step: 0 } as const
    assert.deepEqual([lockOf(terms, 'refund'), lockOf(terms, 0)], [700, 0])
  })

  it('two-way: every turn matures a step before the one before it', () => {
    const terms = { mode: 'two-way', refundHeight: blockHeight(1_000), step: 144 } as const
    assert.deepEqual(
      (['refund', 0, 1, 2] as const).map((state) => lockOf(terms, state)),
      [1_000, 856, 712, 568]
    )
  })

  it('the settlement and the last payment before it (TIME-1, UPD-12)', () => {
    assert.deepEqual(heightsBefore(blockHeight(700), blockDelta(36)), {
      settleHeight: 664,
      lastPaymentHeight: 652
    })
  })
})

describe('channel / ledger', () => {
  it('gives everything to the client before the first update', () => {
    assert.deepEqual(balances({ capacity: satoshi(5n), serverBalance: satoshi(0n) }, NEW_LEDGER), {
      client: 5n,
      server: 0n
    })
  })

  it('knows the payer of an odd turn to be the server', () => {
    const ledger = {
      ...NEW_LEDGER,
      turn: 1,
      held: { sequence: 0, payerBalance: satoshi(2n), paymentCount: 0, signature: undefined }
    }
    assert.deepEqual(balances({ capacity: satoshi(5n), serverBalance: satoshi(0n) }, ledger), {
      client: 3n,
      server: 2n
    })
  })
})

describe('channel / violation', () => {
  it('is told to the peer with its rule, in at most 1,000 bytes of one line (ERR-1)', () => {
    const message = errorMessage(
      new Violation('UPD-4', 'ERR_BAD_SIGNATURE', `two\n${'€'.repeat(500)}`),
      true
    )
    assert.deepEqual(
      [message.rule, message.code, message.text, message.fatal],
      ['UPD-4', 'ERR_BAD_SIGNATURE', `two ${'€'.repeat(332)}`, true]
    )
  })
})

describe('channel / unwatched', () => {
  it('matters from the first block of T1 to the last of its spend, and not where a server tells', () => {
    const statuses = ['opening', 'confirming', 'open', 'closing', 'closed', 'abandoned'] as const
    const mattering = (watched: boolean): string[] =>
      statuses.filter((status) => isUnwatched({ watched, status }))
    assert.deepEqual(mattering(false), ['confirming', 'open', 'closing'])
    assert.deepEqual(mattering(true), [])
  })
})

const { client, server } = new World().until('server', 'established')
const T0 = 1_700_000_000_000

/** Handed back to a server by its peer; no server shows T1. */
const unproven: ServerChannel = {
  ...server.established,
  restored: true,
  openedAt: T0,
  fundingAccepted: false,
  onChain: { fundingSeen: false, fundingHeight: undefined, spend: undefined, shown: [] }
}
const L = unproven.terms.refundHeight

describe('channel / unfunded / handed back by its peer, and in no block', () => {
  const goes = (
    changes: Partial<ServerChannel> = {},
    height: number | undefined = L + KEPT_AFTER_L,
    age = KEPT_MS
  ): boolean =>
    letUnprovenGo(
      { ...unproven, ...changes },
      {
        now: T0 + age,
        height: height === undefined ? undefined : blockHeight(height)
      }
    ).state.stage === 'abandoned'

  it('is let go a day of blocks after L, and a day after it came: not a block, not a millisecond before (RESTORE-7)', () => {
    assert.equal(goes(), true)
    assert.equal(goes({}, L + KEPT_AFTER_L - 1), false)
    assert.equal(goes({}, L + KEPT_AFTER_L, KEPT_MS - 1), false)
    assert.equal(goes({}, L + KEPT_AFTER_L + 1, KEPT_MS + 1), true)
  })

  it('stays while the tip is not known, a server shows T1, or it is no such channel', () => {
    const env = { now: T0 + KEPT_MS, height: undefined }
    assert.equal(letUnprovenGo(unproven, env).state, unproven)
    assert.equal(goes({ onChain: { ...unproven.onChain, fundingSeen: true } }), false)
    assert.equal(goes({ restored: undefined }), false)
    const mined = { ...unproven.onChain, fundingHeight: blockHeight(501) }
    assert.equal(goes({ onChain: mined }), false)
  })

  it('is worthless until T1 was in a block, and nothing of it is under way', () => {
    const is = (changes: Partial<ServerChannel>): readonly boolean[] => {
      const channel = { ...unproven, ...changes } as Established
      return [isWorthless(channel), isUnproven(channel), isVacant(channel)]
    }
    const [no, yes] = [
      [false, false, false],
      [true, true, true]
    ]
    assert.deepEqual(is({}), yes)
    assert.deepEqual(is({ reorged: true }), no)
    assert.deepEqual(is({ onChain: { ...unproven.onChain, fundingHeight: blockHeight(501) } }), no)
    assert.deepEqual(is({ ready: { ours: true, theirs: true } }), yes, 'its peer has said so')
    assert.deepEqual(isWorthless({ ...client.established, restored: true }), false)
  })
})

describe('channel / state', () => {
  it('a side has no field of the other one, and the types let nobody ask for it', () => {
    const { client, server } = new World().open()
    const [ours, theirs]: [ClientChannel, ServerChannel] = [client.established, server.established]
    // @ts-expect-error only a server sees T1 accepted by itself
    assert.equal(ours.fundingAccepted, undefined)
    // @ts-expect-error only a client hears that the server has T1
    assert.equal(theirs.fundingAcknowledged, undefined)
    // @ts-expect-error only a client has T2's signature from its peer
    assert.equal(theirs.refundSignature, undefined)
    // @ts-expect-error only a client has a T1 of an outside wallet
    assert.equal(theirs.outside, undefined)
    // @ts-expect-error only a client waits for the server's signature of T1
    assert.equal(theirs.renewal, undefined)
    // @ts-expect-error only a client renews
    assert.equal(theirs.renewFor, undefined)
    for (const field of ['renewFor', 'patience', 'outside', 'renewal', 'refundSignature']) {
      assert.ok(!(field in theirs), `a server's record has no place for ${field}`)
    }
  })
})
