import assert from 'node:assert/strict'
import { checkRenewal, planRenewal } from '../../src/channel/renewed.js'
import { afterRenewalFailed, blocksToRenewFor } from '../../src/channel/self-renewal.js'
import type { ClientChannel } from '../../src/channel/state.js'
import { Violation } from '../../src/channel/violation.js'
import { codeOf } from '../../src/types/errors.js'
import { blockDelta, blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { World } from './world.js'

/* Which channels a server lets its client renew, and as what (RENEW-1, RENEW-8 to RENEW-10). */

/** Open, the client has paid 40,000 of 100,000 sat. */
function paidWorld(): World {
  return new World().open().paid(40_000n)
}

describe('channel / renewal / server / on OpenChannel', () => {
  const refusal = (
    old: World,
    change: (offer: Parameters<typeof checkRenewal>[0]) => Parameters<typeof checkRenewal>[0] = (
      offer
    ) => offer
  ): string => {
    const plan = planRenewal(old.client.channel, satoshi(0n), old.client.env())
    const offer = {
      type: 'OpenChannel' as const,
      network: 'regtest' as const,
      channelKey: old.client.channelKey.publicKey,
      payoutKey: old.client.payoutKey.publicKey,
      closeScript: old.client.closeScript,
      capacity: plan.capacity,
      refundHeight: 900,
      mode: 'one-way' as const,
      step: 0,
      txVersion: 3,
      renews: plan.renews,
      derivation: new Uint8Array(8)
    }
    try {
      checkRenewal(change(offer), old.server.channel, old.server.env())
      return 'taken'
    } catch (error) {
      assert.ok(error instanceof Violation)
      assert.equal(error.rule, 'RENEW-1')
      return error.code
    }
  }
  const renews =
    (changes: object) =>
    (offer: Parameters<typeof checkRenewal>[0]): Parameters<typeof checkRenewal>[0] => ({
      ...offer,
      renews: { ...(offer.renews ?? assert.fail()), ...changes }
    })

  it('takes the newest state of an open channel, and refuses every other (RENEW-1)', () => {
    const old = paidWorld()
    assert.equal(refusal(old), 'taken')
    assert.equal(refusal(old, renews({ sequence: 0 })), 'ERR_LATER_UPDATES')
    assert.equal(refusal(old, renews({ turn: 1 })), 'ERR_LATER_UPDATES')
    assert.equal(refusal(old, renews({ serverBalance: 39_999n })), 'ERR_BALANCE_MISMATCH')
    assert.equal(
      refusal(old, (offer) => ({ ...offer, capacity: 39_999n })),
      'ERR_BALANCE_MISMATCH'
    )
  })

  it('neither side renews a channel whose funding output no server tells of (UPD-20)', () => {
    const old = paidWorld()
    old.server.unwatched = true
    assert.equal(refusal(old), 'ERR_NOT_READY')
    assert.throws(
      () => planRenewal(old.client.channel, satoshi(0n), old.client.env({ isWatched: false })),
      { code: 'ERR_NOT_WATCHED' }
    )
  })

  it('refuses a channel that it does not serve, or that is closing, stopped, not buried, or at its end (RENEW-1)', () => {
    assert.throws(
      () => {
        checkRenewal(
          {
            ...open(),
            renews: { channelId: new Uint8Array(32), turn: 0, sequence: 0, serverBalance: 0n }
          },
          undefined,
          paidWorld().server.env()
        )
      },
      { code: 'ERR_UNKNOWN_CHANNEL' }
    )
    const closing = paidWorld()
    const plan = planRenewal(closing.client.channel, satoshi(0n), closing.client.env())
    const judge = (world: World): string => {
      try {
        checkRenewal(
          { ...open(), capacity: plan.capacity, renews: plan.renews },
          world.server.channel,
          world.server.env()
        )
        return 'taken'
      } catch (error) {
        return error instanceof Violation ? error.code : String(error)
      }
    }
    closing.client.post({ type: 'close' })
    closing.run()
    assert.equal(judge(closing), 'ERR_CHANNEL_CLOSED')
    const stopped = paidWorld()
    stopped.server.post({
      type: 'message',
      message: { type: 'Error', code: 'ERR_X', rule: '', text: '', fatal: true }
    })
    assert.equal(judge(stopped), 'ERR_CHANNEL_STOPPED')
    assert.equal(judge(paidWorld().reorg(3)), 'ERR_CHANNEL_NOT_OPEN')
    const late = paidWorld()
    late.server.blind = true
    late.chain.mine(200)
    late.server.blind = false
    assert.equal(judge(late), 'ERR_CHANNEL_EXPIRED')
  })

  const open = (): Parameters<typeof checkRenewal>[0] => ({
    type: 'OpenChannel',
    network: 'regtest',
    channelKey: new Uint8Array(33),
    payoutKey: new Uint8Array(33),
    closeScript: new Uint8Array(22),
    capacity: 99_700n,
    refundHeight: 900,
    mode: 'one-way',
    step: 0,
    txVersion: 3,
    derivation: new Uint8Array(8)
  })
})

describe('channel / renewal / server / what the new channel may be', () => {
  type Offer = Parameters<typeof checkRenewal>[0]
  /** What a server says to the renewal that an honest client asks for, with something changed. */
  const refusal = (
    old: World,
    changes: Partial<Offer>,
    env = old.server.env()
  ): { rule: string; code: string; message: string } | 'taken' => {
    const { capacity, renews } = planRenewal(old.client.channel, satoshi(0n), old.client.env())
    const { mode, step } = old.client.established.terms
    const { channelKey, payoutKey, closeScript } = old.client
    const offer: Offer = {
      type: 'OpenChannel',
      network: 'regtest',
      channelKey: channelKey.publicKey,
      payoutKey: payoutKey.publicKey,
      closeScript,
      capacity,
      refundHeight: 900,
      mode,
      step,
      txVersion: 3,
      renews,
      derivation: new Uint8Array(8),
      ...changes
    }
    try {
      checkRenewal(offer, old.server.channel, env)
      return 'taken'
    } catch (error) {
      assert.ok(error instanceof Violation)
      return { rule: error.rule, code: error.code, message: error.message }
    }
  }
  const ruleOf = (...given: Parameters<typeof refusal>): string => {
    const said = refusal(...given)
    return said === 'taken' ? said : `${said.rule} ${said.code}`
  }
  /** Turns 20 apart, L 1,500; the client has paid 40,000 of 100,000 sat. */
  const twoWay = (): World =>
    new World({ step: 20, blocks: 1_000 }).open().paidBy('client', 40_000n)

  it('the same kind of channel: money that can be settled today does not go into one that locks it (RENEW-8)', () => {
    assert.equal(ruleOf(paidWorld(), {}), 'taken')
    assert.equal(ruleOf(paidWorld(), { mode: 'two-way', step: 36 }), 'RENEW-8 ERR_RENEWAL_KIND')
    assert.equal(ruleOf(twoWay(), {}), 'taken')
    assert.equal(ruleOf(twoWay(), { mode: 'one-way', step: 0 }), 'RENEW-8 ERR_RENEWAL_KIND')
    for (const step of [19, 21]) {
      assert.equal(ruleOf(twoWay(), { step }), 'RENEW-8 ERR_RENEWAL_KIND')
    }
    const said = refusal(twoWay(), { mode: 'one-way', step: 0 })
    assert.match(
      said === 'taken' ? said : said.message,
      /: two-way with turns 20 blocks apart, not one-way\./
    )
  })

  it('the client asks for no other kind (RENEW-8)', () => {
    for (const [old, step] of [
      [paidWorld(), undefined],
      [twoWay(), 20]
    ] as const) {
      assert.equal(planRenewal(old.client.channel, satoshi(0n), old.client.env()).step, step)
    }
  })

  it('of a two-way channel locks what the server has for as long as it is locked anyhow, or as the policy says from now on (RENEW-9)', () => {
    // Its state of turn 0 matures at 1,480 without a renewal, and with one to L at L - 20.
    const old = twoWay()
    const wait = (blocks: number) =>
      old.server.env({
        height: blockHeight(600),
        policy: { ...old.server.policy, maxRenewalWait: blockDelta(blocks) }
      })
    assert.equal(ruleOf(old, { refundHeight: 1_500 }, wait(0)), 'taken')
    const said = refusal(old, { refundHeight: 1_501 }, wait(0))
    assert.ok(said !== 'taken')
    assert.equal(said.rule, 'RENEW-9')
    assert.match(said.message, /0\.00040000|40,000 sat/)
    assert.match(
      said.message,
      /until height 1481, .* until 1480 at the most \(its policy maxRenewalWait\)\. Ask for a refund height of 1500 at the most\./
    )
    assert.equal(ruleOf(old, { refundHeight: 600 + 1_008 + 20 }, wait(1_008)), 'taken')
    assert.equal(
      ruleOf(old, { refundHeight: 600 + 1_008 + 21 }, wait(1_008)),
      'RENEW-9 ERR_REFUND_HEIGHT_REFUSED'
    )
  })

  it('does not let a row of renewals lock it further and further: the bound counts from the tip (RENEW-9)', () => {
    const old = twoWay()
    const wait = { policy: { ...old.server.policy, maxRenewalWait: blockDelta(1_008) } }
    const next = new World({ renews: { world: old }, step: 20, blocks: 1_028 }).open()
    const farthest = next.chain.height + 1_008 + 20
    assert.equal(ruleOf(next, { refundHeight: farthest }, next.server.env(wait)), 'taken')
    assert.equal(
      ruleOf(next, { refundHeight: farthest + 1 }, next.server.env(wait)),
      'RENEW-9 ERR_REFUND_HEIGHT_REFUSED'
    )
  })

  it('a later turn counts by its own lock (RENEW-9)', () => {
    // After turns 1 and 2 the server holds the state of turn 2, which matures at 1,500 - 3 x 20.
    const old = twoWay().paidBy('server', 5_000n).paidBy('client', 5_000n)
    const none = old.server.env({ policy: { ...old.server.policy, maxRenewalWait: blockDelta(0) } })
    assert.equal(ruleOf(old, { refundHeight: 1_460 }, none), 'taken')
    assert.equal(ruleOf(old, { refundHeight: 1_461 }, none), 'RENEW-9 ERR_REFUND_HEIGHT_REFUSED')
  })

  it('is free to end when it may where the server can settle at any time, or has nothing in it (RENEW-9)', () => {
    const none = (old: World): ReturnType<World['server']['env']> =>
      old.server.env({ policy: { ...old.server.policy, maxRenewalWait: blockDelta(0) } })
    const oneWay = paidWorld()
    assert.equal(ruleOf(oneWay, { refundHeight: 8_000 }, none(oneWay)), 'taken')
    const unused = new World({ step: 20, blocks: 1_000 }).open()
    assert.equal(ruleOf(unused, { refundHeight: 8_000 }, none(unused)), 'taken')
  })

  it('leaves the client what is worth a refund, by which the server is paid too (RENEW-10)', () => {
    // T2 of 181 vB at 2 sat/vB, and an output above dust.
    const least = 181n * 2n + 294n
    const old = paidWorld()
    const env = old.server.env({ feeRate: feeRate(2_000n) })
    assert.equal(ruleOf(old, { capacity: 40_000n + least }, env), 'taken')
    assert.equal(
      ruleOf(old, { capacity: 40_000n + least - 1n }, env),
      'RENEW-10 ERR_RENEWAL_TOO_POOR'
    )
  })

  it('the client does not ask for one that leaves it less, and says what helps (RENEW-10)', () => {
    // At 2 sat/vB by its own estimate it counts 2.2: T1 alone costs 330, and least is 181 x 2.2 +
    // 294 = 693.
    const poor = new World().open().paid(100_000n - 330n - 692n)
    assert.throws(() => planRenewal(poor.client.channel, satoshi(0n), poor.client.env()), {
      code: 'ERR_INSUFFICIENT_BALANCE',
      message: /paychan topup/
    })
    assert.doesNotThrow(() => planRenewal(poor.client.channel, satoshi(1_000n), poor.client.env()))
    const enough = new World().open().paid(100_000n - 330n - 693n)
    assert.doesNotThrow(() => planRenewal(enough.client.channel, satoshi(0n), enough.client.env()))
  })
})

/* Channels that renew themselves: how often, for how long, at what cost (RENEW-12). */

describe('channel / renewal / by itself', () => {
  /** T1 is in block 501; the client has 60,000 of 100,000 sat. */
  function paidWorld(options: ConstructorParameters<typeof World>[0] = {}): World {
    return new World({ blocks: 1_000, ...options }).open().paid(40_000n)
  }

  const asked = (old: World, life: number, asked?: number, byItself = true): string => {
    try {
      planRenewal(
        old.client.channel,
        satoshi(0n),
        old.client.env({ height: blockHeight(501 + life) }),
        { asked: asked === undefined ? undefined : feeRate(BigInt(asked)), byItself }
      )
      return 'renewed'
    } catch (error) {
      return codeOf(error)
    }
  }

  it('not before the channel has lasted 36 blocks: a row of renewals would eat it (RENEW-12)', () => {
    const old = paidWorld({ capacity: 1_000_000n })
    assert.equal(asked(old, 35), 'ERR_RENEWAL_TOO_SOON')
    assert.equal(asked(old, 36), 'renewed')
  })

  it('for a hundredth of the share a day at the most, and of five days (RENEW-12)', () => {
    // 150 vB at 4 sat/vB are a hundredth of 60,000 sat.
    const old = paidWorld()
    assert.equal(asked(old, 143, 4_000), 'ERR_RENEWAL_TOO_DEAR')
    assert.equal(asked(old, 144, 4_000), 'renewed')
    assert.equal(asked(old, 720, 20_000), 'renewed')
    assert.equal(asked(old, 900, 20_000 - 100), 'renewed')
    assert.equal(asked(paidWorld({ capacity: 99_900n }), 900, 20_000), 'ERR_RENEWAL_TOO_DEAR')
  })

  it('a person may do both (RENEW-12)', () => {
    const old = paidWorld()
    assert.equal(asked(old, 1, undefined, false), 'renewed')
    assert.equal(asked(old, 143, 20_000, false), 'renewed')
  })

  it('is made once: a channel that is renewed already is not renewed again', () => {
    const { client } = paidWorld()
    const open = client.established
    const close = {
      asker: 'client',
      fee: satoshi(200n),
      txid: open.outPoint.txid,
      signature: new Uint8Array(64),
      raw: undefined,
      renewedAs: open.id
    } as const
    assert.throws(() => planRenewal({ ...open, closes: [close] }, satoshi(0n), client.env()), {
      code: 'ERR_CHANNEL_CLOSED',
      message: /renewed already, as channel [0-9a-f]{8}/
    })
  })

  it('what failed is said to be tried again only as long as it is', () => {
    const { client } = paidWorld()
    const open = client.established
    const last = open.terms.lastPaymentHeight
    const close = {
      asker: 'client',
      fee: satoshi(200n),
      txid: open.outPoint.txid,
      signature: new Uint8Array(64),
      raw: undefined
    } as const
    const text = (channel: ClientChannel, height: number = last): string =>
      afterRenewalFailed(
        { ...channel, renewFor: blockDelta(1_000) },
        { height: blockHeight(height) }
      )
    assert.match(text(open), /^It is tried again with every block/)
    assert.match(
      text({ ...open, closes: [close] }),
      /^A close of the channel is signed: it is closed, and not renewed/
    )
    assert.match(
      text({ ...open, closes: [{ ...close, renewedAs: open.id }] }),
      /^It is signed already, as channel [0-9a-f]{8}, and goes on once the peer is back/
    )
    assert.match(text(open, last - 7), /^It is not tried again/)
  })

  it('for as many blocks again; with money of the server in a two-way channel for no more than this node would let (RENEW-9)', () => {
    const policy = { policy: { ...paidWorld().client.policy, maxRenewalWait: blockDelta(500) } }
    const blocks = (old: World): number =>
      blocksToRenewFor(old.client.established, blockDelta(1_000), policy)
    assert.equal(blocks(paidWorld()), 1_000)
    assert.equal(blocks(new World({ blocks: 1_000, step: 20 }).open()), 1_000)
    assert.equal(
      blocks(new World({ blocks: 1_000, step: 20 }).open().paidBy('client', 40_000n)),
      500
    )
  })
})
