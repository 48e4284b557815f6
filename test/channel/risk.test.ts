import assert from 'node:assert/strict'
import fc from 'fast-check'
import { exposureOf, exposureOfPayee, riskOf } from '../../src/channel/risk.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { assertRefused } from './asserts.js'
import { payment, World } from './world.js'

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
      turn: 0,
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
