/** What a publication bids, block by block, and the limits of bids, each from both of its sides. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { baseOf, bid, budgetsOf, isLastCall, outbidding } from '../../src/channel/bidding.js'
import type { Transition } from '../../src/channel/effects.js'
import type { Env } from '../../src/channel/env.js'
import { type CurveInput, curveRate, patientRate } from '../../src/channel/fee-curve.js'
import { publishable } from '../../src/channel/publishable.js'
import {
  onPublicationAccepted,
  onPublicationRefused,
  raisedTo
} from '../../src/channel/publishing.js'
import type { Established, Publication, ShownSpend } from '../../src/channel/state.js'
import { transition } from '../../src/channel/transition.js'
import { txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight, type BlockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, eventOf } from './asserts.js'
import type { Side } from './side.js'
import { World } from './world.js'

/**
 * The bids of all heights from the first on; against a rival, or where nothing presses when there
 * is no deadline.
 */
function bids(
  { deadline, ...input }: Pick<CurveInput, 'since' | 'budget'> & { deadline: number | undefined },
  estimates: readonly bigint[],
  from: number = input.since.height
): bigint[] {
  let previous = input.since.feeRate
  return estimates.map((each, i) => {
    const [height, estimate] = [from + i, feeRate(each)]
    previous =
      deadline === undefined
        ? patientRate({ ...input, height, previous, estimate })
        : curveRate({
            ...input,
            deadline,
            isContested: true,
            height,
            previous,
            passedOver: i === 0 ? undefined : previous,
            estimate,
            nextBlock: estimate
          })
    return previous
  })
}

const since = { height: blockHeight(100), feeRate: feeRate(2_000n) }

describe('channel / fee curve', () => {
  it('begins with the estimate, grows by the same factor, reaches half of the budget before the last six blocks, and all of it in the last', () => {
    const all = bids(
      { since, deadline: 136, budget: feeRate(200_000n) },
      Array.from({ length: 36 }, () => 2_000n)
    )
    assert.deepEqual(
      [all[0], all[15], all[29], all[30], all[33], all[35]],
      [2_000n, 14_142n, 87_774n, 100_000n, 151_572n, 200_000n]
    )
  })

  it('follows an estimate that rises faster, to a quarter of the budget until the last third; then to all of it (STAKE-4)', () => {
    assert.deepEqual(
      bids({ since, deadline: 136, budget: feeRate(30_000n) }, [2_000n, 7_000n, 900_000n]),
      [2_000n, 7_000n, 7_500n]
    )
    assert.deepEqual(
      bids({ since, deadline: 136, budget: feeRate(30_000n) }, [2_000n, 900_000n], 124),
      [10_025n, 30_000n]
    )
  })

  it('never falls, whatever the estimate does; never passes the budget; is the same after a restart at any block', () => {
    const story = fc.record({
      blocks: fc.integer({ min: 1, max: 200 }),
      budget: fc.bigInt(2_000n, 10_000_000n),
      estimates: fc.array(fc.bigInt(1_000n, 1_000_000n), { minLength: 1, maxLength: 220 }),
      restart: fc.nat(219)
    })
    fc.assert(
      fc.property(story, ({ blocks, budget, estimates, restart }) => {
        const input = { since, deadline: 100 + blocks, budget: feeRate(budget) }
        const all = bids(input, estimates)
        all.forEach((rate, i) => {
          assert.ok(rate <= budget && rate >= (all[i - 1] ?? 0n), `${all[i - 1]} -> ${rate}`)
        })
        // What a restart has is the last bid and where the race began.
        const at = Math.min(restart, estimates.length - 1)
        const previous = at === 0 ? since.feeRate : feeRate(all[at - 1] ?? 0n)
        assert.equal(
          curveRate({
            ...input,
            height: 100 + at,
            previous,
            passedOver: at === 0 ? undefined : previous,
            isContested: true,
            estimate: feeRate(estimates[at] ?? 0n),
            nextBlock: feeRate(estimates[at] ?? 0n)
          }),
          all[at]
        )
      })
    )
  })

  it('is in a block before the deadline whenever a rate within the budget would have been enough in the last block', () => {
    const story = fc.record({
      blocks: fc.integer({ min: 6, max: 200 }),
      budget: fc.bigInt(2_000n, 1_000_000n),
      needed: fc.array(fc.bigInt(1_000n, 1_000_000n), { minLength: 200, maxLength: 200 })
    })
    fc.assert(
      fc.property(story, ({ blocks, budget, needed }) => {
        const input = { since, deadline: 100 + blocks, budget: feeRate(budget) }
        const all = bids(
          input,
          Array.from({ length: blocks }, () => 1_000n)
        )
        const wouldHave = (needed[blocks - 1] ?? 0n) <= budget
        assert.ok(!wouldHave || all.some((rate, i) => rate >= (needed[i] ?? 0n)))
      })
    )
  })

  it('in the last third bids a quarter more than the next block takes, which is mostly far less than the budget', () => {
    const rate = (height: number): bigint =>
      curveRate({
        since,
        height,
        deadline: 136,
        previous: feeRate(5_000n),
        passedOver: feeRate(5_000n),
        isContested: false,
        estimate: feeRate(2_000n),
        nextBlock: feeRate(40_000n),
        budget: feeRate(80_000n)
      })
    assert.deepEqual([rate(123), rate(124)], [19_883n, 50_000n])
  })

  describe('to the block', () => {
    const input = {
      since,
      deadline: 136,
      previous: feeRate(5_000n),
      passedOver: feeRate(5_000n),
      isContested: false,
      estimate: feeRate(2_000n),
      nextBlock: feeRate(40_000n),
      budget: feeRate(80_000n)
    }

    it('the last three blocks of a short race are its last third as well', () => {
      const short = { ...input, since: { ...since, height: blockHeight(134) }, deadline: 138 }
      assert.deepEqual(
        [134, 135, 136].map((height) => curveRate({ ...short, height })),
        [5_000n, 50_000n, 50_000n]
      )
    })

    it('a normal bid is made although it takes more than three quarters of the budget, and no other is (STAKE-4)', () => {
      assert.deepEqual(
        [60_000n, 50_000n, 49_000n].map((budget) =>
          curveRate({ ...input, height: 130, budget: feeRate(budget) })
        ),
        [50_000n, 50_000n, 49_000n]
      )
      assert.equal(curveRate({ ...input, height: 135 }), 60_000n)
    })

    it('all of the budget is bid in the last block of a contested race, however short; half of it before the last sixth', () => {
      const bid = (height: number, from: number, deadline: number): bigint =>
        curveRate({
          ...input,
          since: { ...since, height: blockHeight(from) },
          deadline,
          height,
          nextBlock: feeRate(2_000n),
          previous: feeRate(0n),
          isContested: true
        })
      assert.deepEqual(
        [135, 136, 137].map((height) => bid(height, 134, 138)),
        [4_229n, 8_944n, 80_000n]
      )
      assert.deepEqual(
        [109, 110, 111].map((height) => bid(height, 100, 112)),
        [29_645n, 40_000n, 80_000n]
      )
    })

    it('the first bid in the last block is ten times what the next block takes, and 20 sat/vB at least, up to a 32nd of the stake: no block will tell (STAKE-4)', () => {
      const bid = (nextBlock: bigint, budget: bigint, passedOver?: bigint): bigint =>
        curveRate({
          ...input,
          deadline: 138,
          height: 137,
          previous: feeRate(passedOver ?? 0n),
          nextBlock: feeRate(nextBlock),
          estimate: feeRate(nextBlock),
          budget: feeRate(budget),
          passedOver: passedOver === undefined ? undefined : feeRate(passedOver)
        })
      const stake = 3_200_000n
      assert.deepEqual(
        [bid(1_000n, stake), bid(9_000n, stake), bid(30_000n, stake), bid(80_000n, stake)],
        [20_000n, 90_000n, 100_000n, 200_000n]
      )
      assert.equal(bid(1_000n, 32_000n), 2_500n, 'of a small stake it is a normal bid')
      assert.equal(bid(1_000n, stake, 1_500n), 3_000n, 'a block has told')
    })

    it('a budget that is next to nothing gives a bid of nothing', () => {
      assert.equal(
        curveRate({ ...input, height: 110, budget: feeRate(3n), previous: feeRate(0n) }),
        0n
      )
    })
  })

  it('after the deadline, and where nothing presses, a quarter more with each block; the latter up to ten times the estimate on the first day, twice as much with each further one', () => {
    const budget = feeRate(1_000_000n)
    assert.deepEqual(bids({ since, deadline: 90, budget }, [2_000n, 2_000n, 2_000n]), [
      2_000n,
      3_000n,
      4_000n
    ])
    const calm = bids(
      { since, deadline: undefined, budget },
      Array.from({ length: 30 }, () => 2_000n)
    )
    assert.equal(calm.at(-1), 20_000n)
    const days = bids(
      { since, deadline: undefined, budget },
      Array.from({ length: 3 * 144 }, () => 2_000n)
    )
    assert.deepEqual(
      [143, 287, 431].map((at) => days[at]),
      [20_000n, 40_000n, 80_000n]
    )
  })
})

/* What becomes of a bid when servers answer, and when the user raises it. */

/** The server has published T3 at 664, and no block takes it. */
function publishing(): { world: World; channel: Established; publication: Publication } {
  const world = new World().open().paid(40_000n).kill('client')
  world.chain.lowestFeeRate = 1_000_000_000n
  const channel = world.mineTo(664).server.established
  return { world, channel, publication: channel.publication ?? assert.fail() }
}

describe('channel / bids / in no block', () => {
  it('is shown, and not told to be in a block before it is', () => {
    const world = new World().open().paid(40_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    const told = (): Set<string> =>
      new Set(
        effectsOf(world.client.effects, 'notify').flatMap(({ news }) =>
          news.kind === 'spend-shown' || news.kind === 'spend-mined' ? [news.kind] : []
        )
      )
    world.mineTo(664)
    assert.deepEqual([...told()], ['spend-shown'])
    world.chain.lowestFeeRate = 0n
    world.mine()
    assert.deepEqual([...told()], ['spend-shown', 'spend-mined'])
  })
})

describe('channel / bids / taken by a server', () => {
  const { world, channel, publication } = publishing()
  const env = world.server.env()
  const refused: Established = {
    ...channel,
    publication: { ...publication, refusedFor: 'non-final' }
  }

  it('is no longer a refused one; only its own txid says so', () => {
    assert.equal(
      onPublicationAccepted(refused, publication.txid, false, env).state.publication?.refusedFor,
      undefined
    )
    for (const state of [refused, { ...channel, publication: undefined }]) {
      assert.deepEqual(onPublicationAccepted(state, txid('ab'.repeat(32)), true, env), {
        state,
        log: [],
        effects: []
      })
    }
  })

  it('and refused by another for its fee: in the last third the next bid goes out at once, higher; where none may, that is kept', () => {
    const late = { ...env, height: blockHeight(channel.terms.refundHeight - 12) }
    const hurried = onPublicationAccepted(channel, publication.txid, true, late)
    assert.ok((hurried.state.publication?.feeRate ?? 0n) >= 3_000n)
    assert.deepEqual(
      hurried.effects.map(({ type }) => type),
      ['broadcast', 'notify']
    )
    const early = onPublicationAccepted(channel, publication.txid, true, env)
    assert.deepEqual(
      [early.state.publication, early.effects],
      [{ ...publication, isUnderpaid: true }, []]
    )
    const blind = onPublicationAccepted(channel, publication.txid, true, {
      ...env,
      height: undefined
    })
    assert.deepEqual(
      [blind.state.publication, blind.effects],
      [{ ...publication, isUnderpaid: true }, []]
    )
    assert.equal(
      onPublicationAccepted(blind.state, publication.txid, true, { ...env, height: undefined })
        .state,
      blind.state,
      'known already'
    )
    assert.deepEqual(
      onPublicationAccepted(channel, publication.txid, false, env),
      { state: channel, log: [], effects: [] },
      'nothing new'
    )
  })
})

/** L is 700: whatever is in no block by then has T2 against it. */
describe('channel / bids / in the last block, where one is refused for its fee', () => {
  const world = new World().open().paid(40_000n).kill('client')
  world.chain.lowestFeeRate = 1_000_000_000n
  const channel = world.mineTo(698).server.established
  const publication = channel.publication ?? assert.fail()
  const env = world.server.env({ height: blockHeight(699) })
  /** Far above twice the estimate, and above 20 sat/vB. */
  const high = { ...publication, feeRate: feeRate(60_000n), fee: satoshi(10_860n) }
  const begun = [blockHeight(664), blockHeight(699)] as const

  it('the next one is half as much again, at once, whatever the estimate (EVID-4)', () => {
    const next = (at: number, height: BlockHeight): bigint | undefined =>
      onPublicationRefused(
        { ...channel, publication: { ...high, begun: height } },
        { txid: publication.txid, kind: 'insufficient-fee', reason: 'too low' },
        world.server.env({ height: blockHeight(at) })
      ).state.publication?.feeRate
    assert.deepEqual(
      begun.flatMap((height) => [next(698, height), next(699, height), next(700, height)]),
      [60_000n, 90_000n, 60_000n, 60_000n, 90_000n, 60_000n]
    )
  })

  it('and another server has taken it: the same, if something is in its way; no further than at other heights in a race that began in that block', () => {
    const inTheWay: ShownSpend = {
      kind: 'unknown',
      state: undefined,
      height: undefined,
      txid: txid('ee'.repeat(32)),
      raw: new Uint8Array(0),
      clientBalance: undefined,
      fee: undefined,
      vsize: 200,
      lock: 0,
      shownBy: 1,
      since: blockHeight(690)
    }
    const next = (height: BlockHeight, shown: readonly ShownSpend[]): bigint | undefined =>
      onPublicationAccepted(
        {
          ...channel,
          onChain: { ...channel.onChain, shown },
          publication: { ...high, begun: height }
        },
        publication.txid,
        true,
        env
      ).state.publication?.feeRate
    assert.deepEqual(
      begun.flatMap((height) => [next(height, [inTheWay]), next(height, [])]),
      [90_000n, 60_000n, 60_000n, 60_000n]
    )
  })
})

describe('channel / bids / raised by the user', () => {
  const { world, channel, publication } = publishing()
  const raised = (
    rate?: bigint,
    state = channel,
    changes: Partial<Env> = {}
  ): Publication | string => {
    const next = raisedTo(
      state,
      rate === undefined ? undefined : feeRate(rate),
      world.server.env(changes)
    )
    return next instanceof PaychanError ? next.code : next
  }
  const rateOf = (bid: Publication | string): bigint | string =>
    typeof bid === 'string' ? bid : bid.feeRate

  it('only while something waits for a block, and the tip is known', () => {
    assert.equal(raised(undefined, { ...channel, publication: undefined }), 'ERR_CANNOT_BUMP')
    assert.equal(raised(undefined, channel, { height: undefined }), 'ERR_CANNOT_BUMP')
    const spend = {
      kind: 'settlement' as const,
      state: 0,
      txid: publication.txid,
      raw: publication.raw,
      clientBalance: undefined,
      height: blockHeight(664)
    }
    const error = raisedTo(
      { ...channel, onChain: { ...channel.onChain, spend } },
      undefined,
      world.server.env()
    )
    assert.ok(error instanceof PaychanError)
    assert.deepEqual([error.code, error.facts], ['ERR_ALREADY_CONFIRMED', { height: 664 }])
  })

  it('to the rate that is asked for; without one to a quarter above what the next block takes', () => {
    assert.equal(publication.feeRate, 2_000n)
    assert.deepEqual(
      [
        rateOf(raised(10_000n)),
        rateOf(raised(undefined, channel, { nextBlockRate: feeRate(8_000n) }))
      ],
      [10_000n, 10_000n]
    )
  })

  it('goes out at once; a rate that cannot be had, and a channel that is not open yet, change nothing', () => {
    const bump = (rate: bigint): Transition =>
      transition(channel, { type: 'bump', feeRate: feeRate(rate) }, world.server.env())
    const { state, effects } = bump(10_000n)
    assert.ok(state.stage === 'established')
    assert.equal(state.publication?.feeRate, 10_000n)
    assert.deepEqual(
      effectsOf(effects, 'broadcast').map(({ raw }) => raw),
      [state.publication.raw]
    )
    assert.deepEqual(bump(1n), { state: channel, log: [], effects: [] })
    const opening = new World().offer().client
    const none = opening.attempt({ type: 'bump', feeRate: feeRate(10_000n) })
    assert.deepEqual(none, { state: opening.channel, log: [], effects: [] })
  })

  it('by 1 sat/vB at least, and with no more than the share', () => {
    assert.deepEqual(
      [rateOf(raised(1n)), rateOf(raised(2_900n)), rateOf(raised(3_000n))],
      ['ERR_CANNOT_BUMP', 'ERR_CANNOT_BUMP', 3_000n]
    )
    // 40,000 sat less an output of 294, on 181 vB.
    assert.deepEqual(
      [rateOf(raised(219_380n)), rateOf(raised(219_381n))],
      [219_370n, 'ERR_CANNOT_BUMP']
    )
  })
})

/** A spend that a server shows: unknown unless it has a turn. */
function spend(changes: Partial<ShownSpend> = {}): ShownSpend {
  return {
    kind: 'unknown',
    state: undefined,
    height: undefined,
    txid: txid('ee'.repeat(32)),
    raw: new Uint8Array(0),
    clientBalance: undefined,
    fee: satoshi(1_000n),
    vsize: 200,
    lock: 0,
    shownBy: 1,
    since: blockHeight(500),
    ...changes
  }
}

const showing = (channel: Established, ...shown: readonly ShownSpend[]): Established => ({
  ...channel,
  onChain: { ...channel.onChain, shown }
})

/** The state that a side holds, bid for at a height. */
function firstBid(side: Side, height: number, changes: Partial<Env> = {}): Publication | undefined {
  const channel = side.established
  const ours = publishable(channel) ?? assert.fail()
  return bid(channel, ours, side.env({ height: blockHeight(height), ...changes }))
}

describe('channel / bidding / the last call', () => {
  // L is 700; T3 is out since 664.
  const world = new World().open().paid(40_000n).kill('client')
  world.chain.lowestFeeRate = 1_000_000_000n
  const channel = world.mineTo(698).server.established
  const last = channel.publication ?? assert.fail()
  const underpaid: Publication = { ...last, isUnderpaid: true }

  it('is the last block before the deadline, when every server refuses the bid for its fee', () => {
    const refused = { ...last, refusedFor: 'insufficient-fee' }
    assert.deepEqual(
      [698, 699, 700].map((height) => isLastCall(channel, 0, refused, height)),
      [false, true, false]
    )
    assert.equal(isLastCall(channel, 0, { ...last, refusedFor: 'other' }, 699), false)
    assert.equal(isLastCall(channel, 'refund', refused, 699), false, 'T2 has no deadline')
  })

  it('and when only one does, if something that could be in the next block is in the way of the bid', () => {
    const isLast = (...shown: readonly ShownSpend[]): boolean =>
      isLastCall(showing(channel, ...shown), 0, underpaid, 699)
    assert.equal(isLast(), false)
    assert.deepEqual(
      [isLast(spend({ lock: 699 })), isLast(spend({ lock: 700 }))],
      [true, false],
      'by its lock'
    )
    assert.equal(
      isLast(spend({ kind: 'refund', state: 'refund' })),
      true,
      'a state of the other side'
    )
    assert.equal(isLast(spend({ kind: 'settlement', state: 0 })), false, 'a bid of our own')
    assert.equal(isLastCall(showing(channel, spend()), 0, last, 699), false, 'none refuses it')
  })

  /** The next bid in the last block, after one of 100 sat/vB, by the answer of the servers. */
  const next = (isTaken: boolean, changes: Partial<Env> = {}): Publication | undefined => {
    const state: Established = {
      ...showing(channel, spend()),
      publication: { ...last, feeRate: feeRate(100_000n), fee: satoshi(18_100n) }
    }
    const env = world.server.env({ height: blockHeight(699), ...changes })
    return isTaken
      ? onPublicationAccepted(state, last.txid, true, env).state.publication
      : onPublicationRefused(
          state,
          { txid: last.txid, kind: 'insufficient-fee', reason: 'too low' },
          env
        ).state.publication
  }

  it('raises the bid by half, or to a quarter above the next block, whichever is more', () => {
    assert.equal(next(false)?.feeRate, 150_000n)
    assert.equal(next(false, { nextBlockRate: feeRate(119_000n) })?.feeRate, 150_000n)
    assert.equal(next(false, { nextBlockRate: feeRate(132_000n) })?.feeRate, 165_000n)
  })

  it('costs no more than half of the stake where one server takes the bid and one refuses it: which of them lies cannot be told', () => {
    // 150 sat/vB of 181 vB are 27,150 sat; the stake is 40,000 less 294.
    assert.deepEqual([next(false)?.fee, next(true)?.fee], [27_150n, 19_853n])
  })
})

describe('channel / bidding / races', () => {
  it("outbid what it pays by a quarter, and by the server's own step for our size (BIP125)", () => {
    const relay = { minimum: feeRate(1_000n), incremental: feeRate(2_000n) }
    assert.equal(outbidding(spend({ fee: satoshi(1_000n) }), 181, { relay }), 1_612n)
    assert.equal(outbidding(spend({ fee: undefined }), 181, { relay }), 362n)
  })

  it('begin from the bid that stood when the tip came; with a new block the last one counts (EVID-4)', () => {
    const old = { height: blockHeight(680), fee: satoshi(9_000n) }
    const bid = { ...old, base: satoshi(4_000n) }
    const base = (publication: object, height: number): bigint =>
      baseOf(publication as Publication, height)
    assert.deepEqual(
      [base(bid, 680), base(bid, 681), base(old, 680), base(old, 681)],
      [4_000n, 9_000n, 9_000n, 9_000n]
    )
  })
})

describe('channel / bidding / rates', () => {
  it('T2 has no deadline, and pays what our servers relay, below 1 sat/vB as well; T3 has one, and does not', () => {
    const low: Partial<Env> = {
      relay: { minimum: feeRate(100n), incremental: feeRate(100n) },
      feeRate: feeRate(150n),
      nextBlockRate: feeRate(150n)
    }
    const world = new World().open().paid(40_000n).mineTo(663)
    assert.deepEqual(
      [firstBid(world.client, 700, low)?.feeRate, firstBid(world.server, 664, low)?.feeRate],
      [152n, 1_000n]
    )
  })
})

describe('channel / bidding / budgets', () => {
  // The states of the client mature at 660, those of the server at 680, T2 at 700.
  const world = new World({ step: 20 }).open().paidBy('client', 40_000n).paidBy('server', 15_000n)
  const { client } = world
  const channel = client.established
  const ours = publishable(channel) ?? assert.fail()
  const budgets = (state: Established, height: number, since = 660): ReturnType<typeof budgetsOf> =>
    budgetsOf(state, ours, client.env(), height, since)

  it('there is no pressure once the other side could have published all it holds; from the beginning for a user who wants it now (STAKE-3)', () => {
    const settled: Established = {
      ...channel,
      stopped: { code: 'ERR_CHANNEL_SETTLED', reason: '', rule: '', settleNow: true }
    }
    assert.deepEqual(
      [
        budgets(channel, 679).patientFrom,
        budgets(settled, 679).patientFrom,
        budgets(settled, 690, 690).patientFrom
      ],
      [680, 660, 680]
    )
    assert.deepEqual(
      [budgets(channel, 679).patient, budgets(channel, 680).patient],
      [0n, 75_000n / 4n]
    )
  })

  it('the word of the other side that it was settled is not that of the user (STAKE-3)', () => {
    const { state } = client.attempt(
      eventOf({
        type: 'Error',
        code: 'ERR_CHANNEL_SETTLED',
        rule: '',
        text: 'settled',
        fatal: true
      })
    )
    assert.ok(state.stage === 'established' && state.stopped?.code === 'ERR_PEER_STOPPED')
    assert.deepEqual(budgets(state, 679), budgets(channel, 679))
  })

  it('an older state of the other side that could be mined is given a day; no other spend is', () => {
    const older = spend({ kind: 'settlement', state: 0, lock: 680 })
    const from = (state: ShownSpend): number => budgets(showing(channel, state), 690).patientFrom
    assert.deepEqual(
      [
        from(older),
        from({ ...older, lock: 691 }),
        from({ ...older, fee: undefined }),
        from({ ...older, state: 2 }),
        from({ ...older, state: 1 }),
        from({ ...older, state: undefined })
      ],
      [824, 680, 680, 680, 680, 680]
    )
  })

  it('a bid that every server has refused for its fee is worth what it can win; any other one the whole stake (EVID-5)', () => {
    const bidden = firstBid(client, 680) ?? assert.fail()
    const rival = spend({
      kind: 'settlement',
      state: 0,
      clientBalance: satoshi(74_000n),
      fee: satoshi(5_000n),
      shownBy: 2,
      since: blockHeight(680)
    })
    const race = (refusedFor: string | undefined): bigint =>
      budgets(showing({ ...channel, publication: { ...bidden, refusedFor } }, rival), 680).race
    // T2 gives the client all; the state of turn 0 gives it 60,000 of the 75,000 of turn 1.
    assert.deepEqual(
      [race(undefined), race('non-final'), race('insufficient-fee')],
      [15_000n, 15_000n, 1_000n]
    )
  })

  it('T2 pays no more than what it can win over a newer state, however patiently', () => {
    const { client } = new World().open().paid(40_000n)
    const refund = publishable(client.established) ?? assert.fail()
    const newer = spend({ kind: 'settlement', state: 0, clientBalance: satoshi(60_000n) })
    assert.deepEqual(
      [client.established, showing(client.established, newer)].map(
        (state) => budgetsOf(state, refund, client.env(), 844, 700).patient
      ),
      [50_000n, 40_000n]
    )
  })
})
