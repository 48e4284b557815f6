/** The limits of bids, each from both of its sides. */
import assert from 'node:assert/strict'
import type { Env } from '../../src/channel/env.js'
import { baseOf, bid, budgetsOf, isLastCall, outbidding } from '../../src/channel/bidding.js'
import { publishable } from '../../src/channel/publishable.js'
import { onPublicationAccepted, onPublicationRefused } from '../../src/channel/publishing.js'
import type { Established, Publication, ShownSpend } from '../../src/channel/state.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { eventOf } from './asserts.js'
import type { Side } from './side.js'
import { World } from './world.js'

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
