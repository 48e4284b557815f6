/** What becomes of a bid when servers answer, and when the user raises it. */
import assert from 'node:assert/strict'
import {
  onPublicationAccepted,
  onPublicationRefused,
  raisedTo
} from '../../src/channel/publishing.js'
import type { Env } from '../../src/channel/env.js'
import type { Established, Publication, ShownSpend } from '../../src/channel/state.js'
import { txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight, feeRate, satoshi, type BlockHeight } from '../../src/types/units.js'
import { effectsOf } from './asserts.js'
import { World } from './world.js'

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

  it('and refused by another for its fee: the next bid goes out at once, a step higher; where none may, that is kept', () => {
    const hurried = onPublicationAccepted(channel, publication.txid, true, env)
    assert.deepEqual(
      [hurried.state.publication?.feeRate, hurried.effects.map(({ type }) => type)],
      [3_000n, ['broadcast', 'notify']]
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
      turn: undefined,
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
      turn: 0,
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
