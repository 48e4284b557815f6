/** What a renewal may change (RENEW-1 to RENEW-6), and what its T1 may cost (RENEW-4, EVID-10). */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import {
  completeRenewal,
  mostRenewalFee,
  renewalSighash,
  renewalVsize
} from '../../src/bitcoin/renewal.js'
import { channelIdOf } from '../../src/bitcoin/scripts.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { lowerMedian, nextBlockOf } from '../../src/chain/waiting.js'
import type { Env } from '../../src/channel/env.js'
import { balances } from '../../src/channel/ledger.js'
import { renewalBounds, usualRenewalRate } from '../../src/channel/renewal-terms.js'
import {
  checkRenewal,
  onCompleteRenewal,
  onSignRenewal,
  planRenewal
} from '../../src/channel/renewed.js'
import { afterRenewalFailed, blocksToRenewFor } from '../../src/channel/self-renewal.js'
import type { ClientChannel } from '../../src/channel/state.js'
import { Violation } from '../../src/channel/violation.js'
import { hashFromTxid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import {
  blockDelta,
  blockHeight,
  feeFor,
  feeRate,
  type FeeRate,
  satoshi
} from '../../src/types/units.js'
import { effectsOf, sentOf } from './asserts.js'
import { scriptOf } from './side.js'
import { originOf, World } from './world.js'

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

  it('neither side renews a channel of a copy of its data before the peer has said where it stands (RESTORE-10)', () => {
    const old = paidWorld()
    old.server.channel = { ...old.server.established, copied: { dueSince: undefined } }
    assert.equal(refusal(old), 'ERR_NOT_READY')
    old.client.channel = { ...old.client.established, copied: { dueSince: undefined } }
    assert.throws(() => planRenewal(old.client.channel, satoshi(0n), old.client.env()), {
      code: 'ERR_BACKUP_MAY_BE_OLD'
    })
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

const CAPACITY = 1_300_000n
const PAID = 1_200_000n

/** One-way; the server has been paid nearly all. */
function wideWorld(paid = PAID): World {
  const policy = { maxStake: satoshi(CAPACITY) }
  return new World({ capacity: CAPACITY, policy }).open().paid(paid)
}

/** sat/vB */
const rate = (satPerVByte: number): FeeRate => feeRate(BigInt(Math.round(satPerVByte * 1000)))

/** The estimates of a side whose one server of two lies as much as it likes about both. */
const lied = (honest: FeeRate): Pick<Env, 'feeRate' | 'nextBlockRate'> => {
  const told = [honest, rate(1_000)]
  return {
    feeRate: lowerMedian(told) ?? assert.fail(),
    nextBlockRate: nextBlockOf(told) ?? assert.fail()
  }
}

/** A T1 that its client has made by hand, with so many coins beside the old output. */
function made(old: World, fee: bigint, coins = 1): Parameters<typeof onCompleteRenewal>[1] {
  const origin = originOf(scriptOf('coin'))
  const tx = new Transaction()
  tx.version = 3
  tx.locktime = 500
  const { txid, vout } = old.funding.outPoint
  tx.addInput(hashFromTxid(txid), vout, 0xfffffffd)
  tx.addOutput(old.fundingScript, CAPACITY - (coins === 0 ? fee : 0n))
  if (coins > 0) {
    tx.addInput(origin.getHash(), 0, 0xfffffffd)
    tx.addOutput(scriptOf('change'), (origin.outs[0]?.value ?? 0n) - fee)
    tx.setWitness(1, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
    old.chain.addCoin({ txid: parseTransaction(origin.toBuffer()).txid, vout: 0 }, 10_000_000n)
  }
  const { terms, ledger } = old.server.established
  return {
    by: channelIdOf(scriptOf('new')),
    fundingTx: parseTransaction(tx.toBuffer()),
    previous: coins > 0 ? [origin.toBuffer()] : [],
    fee: satoshi(fee),
    turn: 0,
    sequence: ledger.held?.sequence ?? assert.fail(),
    serverBalance: balances(terms, ledger).server
  }
}

/** What a side of the old channel says to it. */
function judged(
  old: World,
  side: 'client' | 'server',
  draft: ReturnType<typeof made>,
  changes: Partial<Env> = {}
): string {
  const { client, server } = old
  const { effects } =
    side === 'client'
      ? onSignRenewal(client.established, draft, client.env(changes))
      : onCompleteRenewal(
          server.established,
          draft,
          client.channelKey.sign(renewalSighash(draft.fundingTx, old.funding)),
          server.env(changes)
        )
  const told = effectsOf(effects, 'tell')[0]?.event
  return told?.type === 'renewal-refused' ? told.error.code : (told?.type ?? 'nothing')
}

describe('channel / renewal / the fee of T1 (RENEW-4)', () => {
  it('is at most what 600 vB cost at a quarter above the estimate for an hour, whatever the next block takes', () => {
    const old = wideWorld()
    for (const side of ['client', 'server'] as const) {
      const answer = (fee: bigint, env: Partial<Env>): string =>
        judged(old, side, made(old, fee), env)
      const signed = side === 'client' ? 'renewal-signed' : 'renewal-completed'
      for (const env of [lied(rate(100)), { feeRate: rate(100), nextBlockRate: rate(100) }]) {
        assert.equal(answer(75_000n, env), signed)
        assert.equal(answer(75_001n, env), 'ERR_RENEWAL_FEE')
      }
      assert.equal(answer(12_000n, lied(rate(1))), signed, 'always let through')
      assert.equal(answer(12_001n, lied(rate(1))), 'ERR_RENEWAL_FEE')
    }
  })

  it('is a tenth above the estimate for an hour, and one lying server of two does not raise it', () => {
    const { client } = wideWorld(10_000n)
    for (const [market, fee] of [
      [0.2, 150n],
      [5, 825n],
      [20, 3_300n],
      [100, 16_500n]
    ] as const) {
      const { capacity } = planRenewal(client.channel, satoshi(0n), client.env(lied(rate(market))))
      assert.equal(CAPACITY - capacity, fee)
    }
  })

  it('two honest sides whose estimates differ by up to twice agree on it, without coins and with two of them', () => {
    const old = wideWorld()
    const script = scriptOf('change')
    for (const server of [1, 5, 20, 100, 400]) {
      const { leastRate, mostRate } = renewalBounds(
        old.server.established,
        { feeRate: rate(server) },
        blockHeight(510)
      )
      for (const client of [server / 2, server, server * 2]) {
        for (const coins of [0, 1, 2]) {
          const scripts = coins === 0 ? [old.fundingScript] : [old.fundingScript, script]
          const vsize = renewalVsize(coins, scripts)
          const fee = feeFor(usualRenewalRate({ feeRate: rate(client) }), vsize)
          const isWithin = fee >= feeFor(leastRate, vsize) && fee <= mostRenewalFee(mostRate)
          assert.ok(isWithin, `${server} and ${client} sat/vB, ${coins} coins: ${fee} sat`)
        }
      }
    }
  })

  for (const [who, client, server] of [
    ['the client half of what the server does', 50, 100],
    ['the client twice what the server does', 100, 50]
  ] as const) {
    it(`the whole renewal goes through where ${who} takes blocks to cost`, () => {
      const old = wideWorld(40_000n)
      old.client.feeRate = rate(client)
      old.server.feeRate = rate(server)
      const renewal = new World({ renews: { world: old } })
      renewal.client.feeRate = rate(client)
      renewal.server.feeRate = rate(server)
      renewal.open()
      assert.equal(renewal.capacity, CAPACITY - feeFor(rate(client * 1.1), 150))
      assert.equal(old.server.info.status, 'closed')
    })
  }

  it('is refused at the OpenChannel when it is too low: the client has signed nothing, and is told what is let through', () => {
    const old = wideWorld(40_000n)
    const renewal = new World({ renews: { world: old } })
    renewal.server.feeRate = rate(50)
    // 2.2 sat/vB, where the server signs from 25 sat/vB on.
    const offer = renewal.offer().queues.server[0]
    assert.ok(offer !== 'end' && offer?.type === 'OpenChannel')
    assert.throws(
      () => {
        renewal.accept(offer)
      },
      {
        code: 'ERR_RENEWAL_FEE',
        rule: 'RENEW-4',
        message:
          'The renewal leaves 330 sat for the fee of its transaction, and this node signs none below 3,750 sat (25 sat/vB at 150 vB). Ask for it again with a higher feerate.',
        facts: { rule: 'RENEW-4', paid: 330n, least: 3_750n }
      }
    )
    renewal.accept({ ...offer, capacity: satoshi(CAPACITY - 3_750n) })
    assert.deepEqual(old.client.established.closes, [])
  })

  it('is not looked at in an OpenChannel that takes none out of the channel', () => {
    const old = wideWorld(40_000n)
    const renewal = new World({ renews: { world: old, topUp: 50_000n } })
    const offer = renewal.offer().queues.server[0]
    assert.ok(offer !== 'end' && offer?.type === 'OpenChannel')
    renewal.accept({ ...offer, capacity: satoshi(CAPACITY) })
  })
})

describe('channel / renewal / coins beside the old output (RENEW-4)', () => {
  it('are spent by no T1 from the last height for payments on; a T1 without coins is signed until the end', () => {
    const old = wideWorld()
    const { lastPaymentHeight, settleHeight } = old.server.established.terms
    const answers = (height: number, coins: number): string[] =>
      (['client', 'server'] as const).map((side) =>
        judged(old, side, made(old, 1_000n, coins), { height: blockHeight(height) })
      )
    const signed = ['renewal-signed', 'renewal-completed']
    assert.deepEqual(answers(lastPaymentHeight - 1, 1), signed)
    for (const height of [lastPaymentHeight, settleHeight - 1]) {
      assert.deepEqual(answers(height, 1), ['ERR_RENEWAL_INPUT', 'ERR_RENEWAL_INPUT'])
      assert.deepEqual(answers(height, 0), signed)
    }
  })

  it('are not asked for 2 blocks before that: the server may have seen a later tip', () => {
    const { client } = wideWorld(40_000n)
    const { lastPaymentHeight } = client.established.terms
    const plan = (amount: bigint, height: number): string => {
      try {
        planRenewal(client.channel, satoshi(amount), client.env({ height: blockHeight(height) }))
        return 'planned'
      } catch (error) {
        return codeOf(error)
      }
    }
    assert.deepEqual(
      [
        plan(50_000n, lastPaymentHeight - 3),
        plan(50_000n, lastPaymentHeight - 2),
        plan(0n, lastPaymentHeight + 3)
      ],
      ['planned', 'ERR_CHANNEL_EXPIRED', 'planned']
    )
  })
})

describe('channel / renewal / a T1 that is in no block costs its server', () => {
  it('less than four normal bids, when it hangs on a parent that no block takes, and one server of two lies', () => {
    const old = wideWorld().kill('client')
    const market = rate(50)
    const env = lied(market)
    const dearest = [240_000n, 120_000n, 60_000n, 37_500n].find(
      (fee) => judged(old, 'server', made(old, fee), env) === 'renewal-completed'
    )
    const draft = made(old, dearest ?? assert.fail('none is signed'))
    const sign = renewalSighash(draft.fundingTx, old.funding)
    const { state } = onCompleteRenewal(
      old.server.established,
      draft,
      old.client.channelKey.sign(sign),
      old.server.env(env)
    )
    old.server.channel = state
    old.server.feeRate = market
    // Every mempool has T1. No block takes it, as if a parent of 10,000 vB held it back.
    old.chain.servers = 2
    old.chain.lowestFeeRate = 1_000_000n
    const [ours, theirs] = [old.server, old.client].map(({ channelKey }) => channelKey.sign(sign))
    const t1 = completeRenewal(
      draft.fundingTx,
      old.funding,
      theirs ?? assert.fail(),
      ours ?? assert.fail()
    )
    assert.ok('txid' in old.chain.broadcast(t1.raw))
    const { settleHeight, refundHeight } = old.server.established.terms
    const isOut = (): boolean => old.chain.spendOf(old.funding.outPoint)?.parsed.txid !== t1.txid
    old.mineTo(settleHeight)
    while (!isOut() && old.chain.height < refundHeight - 1) old.mine()
    assert.ok(isOut(), 'T3 is in the mempools')
    const normal = feeFor(feeRate((market * 5n) / 4n), 181)
    const paid = old.chain.spendOf(old.funding.outPoint)?.fee ?? assert.fail()
    assert.ok(paid <= normal * 4n, `${paid} sat, ${Number(paid) / Number(normal)} normal bids`)
  })

  /** T1 spends nothing else, and pays nearly all that the server lets it: 79.2 sat/vB. */
  function dear(): World {
    const old = wideWorld(PAID)
    old.client.feeRate = rate(72)
    const renewal = new World({ renews: { world: old } })
    renewal.client.feeRate = rate(72)
    old.chain.lowestFeeRate = 1_000_000n
    renewal.offer().run()
    assert.equal(sentOf(renewal.server.effects, 'FundingBroadcast').length, 1)
    const { fee, parsed } = old.chain.spendOf(old.funding.outPoint) ?? assert.fail()
    assert.deepEqual(
      [fee, parsed.txid],
      [11_880n, renewal.server.established.outPoint.txid],
      'T1 is in the mempools'
    )
    old.kill('client')
    return old
  }

  for (const shown of [true, false]) {
    it(`what a refusal costs in the last block before L, for it gives the server all that it has (EVID-10); T1 is ${shown ? 'shown' : 'not shown yet'}`, () => {
      const old = dear()
      const { server } = old
      const { refundHeight } = server.established.terms
      server.blind = true
      while (old.chain.height < refundHeight - 1) old.mine()
      server.blind = false
      if (shown) old.lookAtChain()
      else {
        server.post({
          type: 'history',
          history: { ...old.chain.history(old.funding.outPoint), spends: [] }
        })
        server.post({ type: 'tip' })
      }
      // 181 vB at 20 sat/vB; T1 pays 11,880 sat, and is what the next block takes.
      const bid = server.established.publication?.fee ?? 0n
      assert.ok(bid > 0n && bid <= 3_620n, `${bid} sat`)
    })
  }

  it('more with each block that passes over it, so that T3 is in a block in time', () => {
    const old = dear()
    const { settleHeight, refundHeight } = old.server.established.terms
    old.mineTo(settleHeight)
    old.chain.lowestFeeRate = 90_000n
    const mined = (): string | undefined => old.server.established.onChain.spend?.kind
    while (mined() === undefined && old.chain.height < refundHeight - 1) old.mine()
    assert.equal(mined(), 'settlement')
  })
})
