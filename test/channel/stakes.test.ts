import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NEVER, nextDue } from '../../src/channel/due.js'
import { exposureOf, exposureOfPayee, riskOf } from '../../src/channel/risk.js'
import { payeeOf, type StateRef } from '../../src/channel/schedule.js'
import { patientBudget, refundedToServer, stakeOf } from '../../src/channel/stakes.js'
import type { ClientChannel, Established } from '../../src/channel/state.js'
import { blockDelta, blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { assertRefused, effectsOf, sentOf } from './asserts.js'
import { copyOf } from './reestablish-stories.js'
import { asServer, type Side } from './side.js'
import { solvedStake } from './silence-game.js'
import { anyStormStory, anyTurnCommand, Storm, TurnStorm } from './storm.js'
import { payment, World, type WorldOptions } from './world.js'

const FEE = 18_000n

/**
 * Our shares as server: T2's, then those of turns 0, 1, ... of which each gives us `up` or takes
 * `down`.
 */
function lopsided(turns: number, up: bigint, down: bigint): bigint[] {
  const shares = [0n]
  for (let turn = 0; turn < turns; turn++) {
    shares.push((shares.at(-1) ?? 0n) + (turn % 2 === 0 ? up : -down))
  }
  return shares
}

describe('channel / stakes', () => {
  it('the server of a one-way channel: all of its share, since T2 leaves it nothing', () => {
    assert.equal(
      stakeOf({ shares: [0n, 40_000n], state: 0, role: 'server', fee: 200n, slot: 0 }),
      40_000n
    )
  })

  it('the client in turn 1: what was paid to it in that turn; turn 0 is the worst that can follow', () => {
    assert.equal(
      stakeOf({
        shares: [100_000n, 60_000n, 75_000n],
        state: 1,
        role: 'client',
        fee: 200n,
        slot: 1
      }),
      15_000n
    )
  })

  it('nothing when an older state gives us more: nobody pays for less', () => {
    assert.equal(
      stakeOf({
        shares: [10_000n, 50_000n, 10_000n, 10_001n],
        state: 2,
        role: 'server',
        fee: 200n,
        slot: 2
      }),
      1n
    )
    assert.equal(
      stakeOf({
        shares: [100_000n, 90_000n, 80_000n],
        state: 1,
        role: 'client',
        fee: 200n,
        slot: 1
      }),
      0n
    )
  })

  it('what can follow only after further locks is worth a normal publication', () => {
    assert.equal(
      stakeOf({
        shares: [0n, 50_000n, 10_000n, 10_001n],
        state: 2,
        role: 'server',
        fee: 200n,
        slot: 2
      }),
      200n
    )
  })

  it('27 turns of 17,000 against 1 sat at a fee of 18,000: each difference is below the fee, and together they are 237,987 sat', () => {
    const shares = lopsided(27, 17_000n, 1n)
    assert.equal(shares.at(-1), 237_987n)
    const stakes = Array.from({ length: 14 }, (_, i) =>
      stakeOf({ shares, state: 2 * i, role: 'server', fee: FEE, slot: 2 * i })
    )
    assert.ok(
      (shares[27] ?? 0n) - (shares[26] ?? 0n) < FEE,
      'the last difference alone is not worth the fee'
    )
    assert.equal(stakes.at(-1), FEE, 'what would follow is')
  })

  it('a side that publishes whenever the stake is worth the fee loses less than two fees against having everything, over any turns', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt(0n, 20_000n), { minLength: 1, maxLength: 40 }),
        fc.bigInt(100n, 20_000n),
        (amounts, fee) => {
          const shares = [0n]
          for (const [turn, amount] of amounts.entries()) {
            shares.push(
              turn % 2 === 0
                ? (shares.at(-1) ?? 0n) + amount
                : bounded((shares.at(-1) ?? 0n) - amount)
            )
          }
          const newest = amounts.length % 2 === 1 ? amounts.length - 1 : amounts.length - 2
          // The worst opponent publishes the state that hurts us most as soon as we were silent at
          // its lock.
          let worst = shares[newest + 1] ?? 0n
          for (let slot = newest; slot >= 0; slot -= 2) {
            const stake = stakeOf({ shares, state: newest, role: 'server', fee, slot })
            if (stake >= fee) {
              worst = (shares[newest + 1] ?? 0n) - fee
              break
            }
            worst = bounded(worst < (shares[slot] ?? 0n) ? worst : (shares[slot] ?? 0n))
            assert.ok(
              (shares[newest + 1] ?? 0n) - (shares[slot] ?? 0n) <= 2n * fee,
              `silent at ${slot} costs more than two fees`
            )
          }
          assert.ok((shares[newest + 1] ?? 0n) - worst <= 2n * fee)
        }
      )
    )
  })

  it("once the locks of older states have passed, the least of the other side's counts", () => {
    const shares = [0n, 50_000n, 20_000n, 60_000n, 55_000n, 70_000n]
    const at = (slot: number): bigint =>
      stakeOf({ shares, state: 4, role: 'server', fee: 1_000n, slot })
    assert.deepEqual([at(4), at(2), at(0)], [15_000n, 50_000n, 70_000n])
  })

  it('when even T2 has matured, what the server could still publish; of T2 nothing, for nothing can come in its place', () => {
    assert.equal(
      stakeOf({
        shares: [100_000n, 60_000n, 60_001n],
        state: 1,
        role: 'client',
        fee: 200n,
        slot: 'refund'
      }),
      1n
    )
    assert.equal(
      stakeOf({ shares: [100_000n], state: 'refund', role: 'client', fee: 200n, slot: 'refund' }),
      0n
    )
  })

  it('T2 leaves the server what it brought along, and nothing of dust: 330 sat at the least for its P2WSH (RENEW-2)', () => {
    const { terms } = new World().open().server.established
    assert.deepEqual(
      [0n, 329n, 330n].map((sats) => refundedToServer({ ...terms, serverBalance: satoshi(sats) })),
      [0n, 0n, 330n]
    )
  })

  it('what the server brought along is not: T2 leaves it that, and where no T2 comes nothing presses (STAKE-2)', () => {
    assert.equal(
      stakeOf({ shares: [400_000n, 402_000n], state: 0, role: 'server', fee: 5_000n, slot: 0 }),
      2_000n
    )
  })

  it('is never more than a solver finds that plays both sides with every state, fee and close (STAKE-1, CLOSE-8)', () => {
    const story = fc.record({
      capacity: fc.integer({ min: 4, max: 24 }),
      parts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }),
      brought: fc.double({ min: 0, max: 1, noNaN: true }),
      fee: fc.integer({ min: 1, max: 6 }),
      role: fc.constantFrom('client' as const, 'server' as const),
      isRestored: fc.boolean(),
      closes: fc.array(
        fc.record({
          asker: fc.constantFrom('client' as const, 'server' as const),
          fee: fc.integer({ min: 1, max: 12 })
        }),
        { maxLength: 2 }
      )
    })
    fc.assert(
      fc.property(story, ({ capacity, parts, brought, fee, role, isRestored, closes }) => {
        const known = sharesOf(capacity, parts, brought, role)
        // RESTORE-6: on a channel that the peer has handed back, its own states may leave us
        // nothing.
        const shares = isRestored
          ? known.map((share, age) => (age === 0 || payeeOf(age - 1) === role ? share : 0))
          : known
        const newest = newestTurn(parts.length, role)
        for (let slot = newest; slot >= (role === 'client' ? -1 : 0); slot -= 2) {
          const stake = Number(
            stakeOf({
              shares: shares.map(BigInt),
              state: stateAt(newest),
              role,
              fee: BigInt(fee),
              slot: stateAt(slot)
            })
          )
          const solved = solvedStake({ capacity, shares, role, fee, closes }, newest, slot)
          // CLOSE-8: a close in no block postpones nothing. One that the other side has asked for
          // would have brought all of ours for nothing, and a normal publication goes out all the
          // same.
          const most = closes.some(({ asker }) => asker !== role) ? Math.max(solved, fee) : solved
          assert.ok(
            stake <= most,
            `slot ${slot} of ${shares.join()}: ${stake}, the solver finds ${solved}`
          )
        }
      }),
      { numRuns: 1_000 }
    )
  })

  it('what nothing presses costs a quarter of the share on the first day, half on the second, then all (STAKE-3)', () => {
    assert.deepEqual(
      [0, 143, 144, 288, 10_000].map((blocks) => patientBudget(40_000n, blocks)),
      [10_000n, 10_000n, 20_000n, 40_000n, 40_000n]
    )
  })
})

/** In turn k its payer, the client when k is even, pays a part of what it has. */
function sharesOf(
  capacity: number,
  parts: readonly number[],
  brought: number,
  role: 'client' | 'server'
): number[] {
  let server = Math.floor(capacity * brought)
  const servers = [server]
  for (const [turn, part] of parts.entries()) {
    server += turn % 2 === 0 ? Math.floor((capacity - server) * part) : -Math.floor(server * part)
    servers.push(server)
  }
  return role === 'server' ? servers : servers.map((share) => capacity - share)
}

/** -1 stands for T2. */
const stateAt = (turn: number): StateRef => (turn < 0 ? 'refund' : turn)

function newestTurn(turns: number, role: 'client' | 'server'): number {
  const last = turns - 1
  return (last % 2 === 0) === (role === 'server') ? last : last - 1
}

function bounded(share: bigint): bigint {
  return share < 0n ? 0n : share
}

const flat = (rate: bigint, blocks: number): bigint[] => Array.from({ length: blocks }, () => rate)
/** A month in which every tenth day the rate is twentyfold for a day. */
const bursts = (): bigint[] =>
  Array.from({ length: 30 * 144 }, (_, i) => (Math.floor(i / 144) % 10 === 9 ? 40_000n : 2_000n))

describe('channel / risk', () => {
  it('is small where fees never moved, and never nothing', () => {
    assert.equal(
      riskOf({ history: flat(2_000n, 1_000), now: 2_000n, bids: flat(2_000n, 36) }),
      1 / 965
    )
  })

  it('is everything when there is no block left', () => {
    assert.equal(riskOf({ history: flat(2_000n, 1_000), now: 2_000n, bids: [] }), 1)
    assert.equal(riskOf({ history: [], now: 2_000n, bids: [] }), 1, 'whatever is known of the past')
  })

  it('counts the stretches of the history in which no bid would have been enough', () => {
    const quiet = riskOf({ history: bursts(), now: 2_000n, bids: flat(3_000n, 12) })
    // Three days of 144 blocks; a stretch that begins in one is at its level, one that ends in it
    // still has a block before.
    assert.ok(quiet < 0.01, `${quiet}`)
    const step1 = riskOf({
      history: bursts().map((rate, i) => (i % 7 === 0 ? rate * 3n : rate)),
      now: 2_000n,
      bids: flat(2_000n, 1)
    })
    assert.ok(step1 > 0.1 && step1 < 0.2, `${step1}`)
    const risen = riskOf({
      history: Array.from({ length: 500 }, (_, i) => BigInt(1_000 + i * 50)),
      now: 2_000n,
      bids: flat(2_000n, 10).map((bid, i) => (i === 0 ? bid - 1n : bid))
    })
    assert.ok(risen > 0.9, 'a rise that never ended')
  })

  it('knows little at first: half of what was not seen rises tenfold', () => {
    assert.equal(riskOf({ history: [], now: 2_000n, bids: flat(2_000n, 36) }), 73 / 145)
    assert.equal(
      riskOf({ history: [], now: 2_000n, bids: [...flat(2_000n, 35), 20_000n] }),
      1 / 145
    )
  })

  it('never grows with higher bids or more blocks; between 0 and 1', () => {
    const rates = fc.array(fc.bigInt(1_000n, 500_000n), { maxLength: 300 })
    const bids = fc.array(fc.bigInt(1_000n, 500_000n), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(
        rates,
        fc.bigInt(1_000n, 100_000n),
        bids,
        fc.bigInt(0n, 50_000n),
        (history, now, bids, more) => {
          const risk = riskOf({ history, now, bids })
          assert.ok(risk > 0 && risk <= 1)
          assert.ok(riskOf({ history, now, bids: bids.map((bid) => bid + more) }) <= risk)
        }
      )
    )
  })

  it('is shown for what is at stake: the server of a one-way channel, the payee of a turn; not for who has nothing to lose', () => {
    const oneWay = new World().open().paid(40_000n)
    assert.deepEqual(
      [oneWay.client.info.risk, (oneWay.server.info.risk ?? 1) < 0.01],
      [undefined, true]
    )
    const world = new World({ step: 20 }).open().paidBy('client', 40_000n).paidBy('server', 15_000n)
    assert.ok((world.client.info.risk ?? 1) < 0.01)
    const narrow = new World({ step: 1 }).open().paidBy('client', 40_000n).paidBy('server', 15_000n)
    assert.ok((narrow.client.info.risk ?? 0) > 0.3, 'one block, and no history')
  })

  it('is not known before a tip is, and is none of a channel that is spent', () => {
    const { server } = new World().open().paid(40_000n)
    const env = server.env()
    assert.ok(exposureOf(server.established, env) !== undefined)
    assert.equal(exposureOf(server.established, { ...env, height: undefined }), undefined)
    const spend = {
      kind: 'settlement' as const,
      state: 0,
      txid: server.established.outPoint.txid,
      raw: new Uint8Array(),
      clientBalance: undefined,
      height: blockHeight(502)
    }
    assert.equal(
      exposureOf({ ...server.established, onChain: { ...server.established.onChain, spend } }, env),
      undefined
    )
  })

  it('is higher when the next block takes more than the stake can pay', () => {
    const world = new World().open().paid(8_000n)
    const calm = world.server.info.risk ?? 0
    world.server.feeRate = feeRate(8_000n)
    assert.ok((world.server.info.risk ?? 0) > calm)
  })

  describe('of the payee, which the payer reckons before it signs (UPD-19)', () => {
    const limited = (maxRisk: number): World => new World({ policy: { maxRisk } }).open()

    it('is what the payee will reckon itself', () => {
      for (const world of [new World().open(), new World({ step: 20 }).open()]) {
        const { client } = world
        const before = exposureOfPayee(client.established, satoshi(60_000n), client.env())
        world.paid(40_000n)
        assert.equal(before?.risk, world.server.info.risk)
      }
    })

    it('above what the payee takes: nothing is signed; below, it is', () => {
      const world = limited(40)
      const error = assertRefused(
        world.client,
        world.client.attempt({ type: 'pay', payments: [payment(1_500n)] }),
        'ERR_STAKE_TOO_HIGH'
      )
      assert.equal(error.facts['mostRisk'], 0.4)
      assert.equal(world.paid(40_000n).server.info.ourBalance, 40_000n)
    })

    it('does not count where the payee takes every risk', () => {
      assert.equal(limited(100).paid(1_500n).server.info.ourBalance, 1_500n)
    })
  })
})

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
