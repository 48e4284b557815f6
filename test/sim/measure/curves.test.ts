import assert from 'node:assert/strict'
import { dishonestReason, type Evidence, reasonOf } from '../../../src/sim/measure/accounts.js'
import { PaymentCounts, type PaymentOutcome } from '../../../src/sim/measure/payments.js'
import { Curves, type Point } from '../../../src/sim/measure/samples.js'
import { Outcomes } from '../../../src/sim/output.js'

const point = (change: Partial<Point>): Point => ({
  time: 0,
  height: 1_000,
  feeRate: 1,
  locked: 0,
  openChannels: 0,
  nodesUp: 2,
  fees: 0,
  risks: [],
  ...change
})

describe('sim / curves', () => {
  it('count payments from one point to the next', () => {
    const counts = new PaymentCounts()
    const curves = new Curves(counts)
    counts.succeeded(700, 0.1)
    curves.add(point({}))
    counts.succeeded(300, 0.1)
    counts.refused('ERR_NODE_DOWN')
    curves.add(point({ time: 600, risks: [0.1, 0.3] }))
    const { times, made, failed, volume, riskMax, riskMean } = curves.series
    assert.deepEqual(
      { times, made, failed, volume, riskMax, riskMean },
      {
        times: [0, 600],
        made: [1, 1],
        failed: [0, 1],
        volume: [700, 300],
        riskMax: [0, 0.3],
        riskMean: [0, 0.2]
      }
    )
  })

  it('tell the capital that nothing was paid with for a day from the rest', () => {
    const curves = new Curves(new PaymentCounts())
    const [busy, idle] = [600, 200].map((capacity) => ({
      capacity,
      firstSample: -1,
      balances: [] as number[]
    }))
    assert.ok(busy !== undefined && idle !== undefined)
    for (const time of [0, 86_401]) {
      curves.add(point({ time, locked: 800 }))
      curves.addIdle(busy, 60)
      curves.addIdle(idle, time)
    }
    curves.addBalance(busy, 450)
    assert.deepEqual(curves.capital, { locked: 800, idle: 200 / 1_600 })
    assert.deepEqual([busy.firstSample, busy.balances], [1, [450]])
    assert.deepEqual(
      new Curves(new PaymentCounts()).capital,
      { locked: 0, idle: 0 },
      'of no point there is none'
    )
  })
})

/** A node that was there all the time, and could have had its money for 905 sat in every block. */
const evidence: Evidence = {
  amount: 50_000,
  from: 100,
  to: 112,
  bids: [],
  thresholdAt: () => 5,
  cameAtOnce: () => false,
  inTheWayAt: () => 0,
  vsize: 181,
  absences: [],
  lostWrites: false
}

describe('sim / why money was lost', () => {
  it('is unexplained as long as nothing explains it', () => {
    assert.equal(reasonOf(evidence).why, 'unexplained')
    assert.equal(
      reasonOf({ ...evidence, absences: [{ kind: 'down', from: 90, to: 99 }] }).why,
      'unexplained',
      'it was back in time'
    )
    assert.equal(
      reasonOf({ ...evidence, bids: [{ height: 100, rate: 6 }] }).why,
      'unexplained',
      'its bid was enough for the next block'
    )
    assert.equal(
      reasonOf({
        ...evidence,
        bids: [{ height: 100, rate: 6 }],
        cameAtOnce: (height) => height > 103
      }).why,
      'unexplained',
      'and a reorganisation has left it such a block'
    )
    assert.equal(
      reasonOf({ ...evidence, bids: [{ height: 100, rate: 6 }], cameAtOnce: () => true }).why,
      'stuck',
      'a reorganisation has left it none but the last'
    )
    assert.equal(
      reasonOf({ ...evidence, cameAtOnce: () => true }).why,
      'unexplained',
      'it has not bid at all'
    )
  })

  it('economics: no block took less than what was at stake', () => {
    assert.equal(reasonOf({ ...evidence, amount: 300 }).why, 'economics')
    assert.equal(reasonOf({ ...evidence, thresholdAt: () => 300 }).why, 'economics')
    assert.equal(
      reasonOf({ ...evidence, thresholdAt: (height) => (height === 105 ? 5 : 300) }).why,
      'unexplained',
      'one block did'
    )
  })

  it('what the other side had in the mempools is in the way for as much as it pays', () => {
    assert.equal(reasonOf({ ...evidence, inTheWayAt: () => 60_000 }).why, 'economics')
    assert.equal(
      reasonOf({ ...evidence, inTheWayAt: (height) => (height < 105 ? 60_000 : 1_000) }).why,
      'unexplained',
      'and only as long as it is there'
    )
    assert.equal(
      reasonOf({
        ...evidence,
        inTheWayAt: (height) => (height > 105 ? 60_000 : 0),
        absences: [{ kind: 'down', from: 98, to: 105 }]
      }).why,
      'absence',
      'it was away as long as nothing was there'
    )
  })

  it('absence, or lies: it could not have bid in any of the blocks that were cheap enough', () => {
    assert.equal(
      reasonOf({ ...evidence, absences: [{ kind: 'down', from: 98, to: 112 }] }).why,
      'absence'
    )
    assert.equal(
      reasonOf({ ...evidence, absences: [{ kind: 'blind', from: 98, to: Infinity }] }).why,
      'lied'
    )
    assert.equal(
      reasonOf({ ...evidence, absences: [{ kind: 'down', from: 98, to: 105 }] }).why,
      'unexplained'
    )
  })

  it('stuck: none of its bids was enough for the block after it', () => {
    assert.equal(
      reasonOf({
        ...evidence,
        thresholdAt: () => 40,
        bids: [
          { height: 100, rate: 10 },
          { height: 106, rate: 30 }
        ]
      }).why,
      'stuck'
    )
  })

  it('dishonest: an adversary plays it, whatever else there is to say', () => {
    assert.deepEqual(dishonestReason(['silent'], false, reasonOf(evidence)), {
      why: 'dishonest',
      text: 'an adversary plays it, one that stops answering: it could have had 50000 sat by a block between 100 and 112, and did not'
    })
    assert.deepEqual(
      dishonestReason(
        ['publish-old', 'silent', 'silent'],
        true,
        reasonOf({ ...evidence, amount: 300 })
      ),
      {
        why: 'dishonest',
        text: 'an adversary plays it, one that publishes old states and stops answering; here it published an old state: 300 sat are dust, which no transaction can pay out'
      }
    )
  })

  it('forgot: its disk has lost what it had called safe', () => {
    assert.equal(reasonOf({ ...evidence, lostWrites: true }).why, 'forgot')
  })
})

describe('sim / output / outcomes', () => {
  it('keeps what was told of each payment, in whatever order, however many there are', () => {
    const told = Array.from({ length: 5_000 }, (_, id): PaymentOutcome =>
      id % 3 === 0
        ? { id, status: 'made', seconds: id / 8, channel: id % 70_000 }
        : id % 3 === 1
          ? { id, status: 'failed', code: `ERR_${id % 7}`, seconds: 0 }
          : { id, status: 'unknown', channel: 0 }
    )
    const outcomes = new Outcomes()
    for (const outcome of [...told].reverse()) outcomes.add(outcome)
    assert.deepEqual(
      told.map(({ id }) => outcomes.of(id)),
      told
    )
  })

  it('knows nothing of a payment of which nothing was told', () => {
    const outcomes = new Outcomes()
    outcomes.add({ id: 2, status: 'made' })
    assert.deepEqual(
      [outcomes.of(1), outcomes.of(3), outcomes.of(1_000_000)],
      [undefined, undefined, undefined]
    )
  })
})
