/** What a side bids when nobody competes: too late a start, an early end, and money that the other side leaves lying (STAKE-3, TIME-10). */
import assert from 'node:assert/strict'
import { isUnaffordable } from '../../src/channel/publishing.js'
import type { Env } from '../../src/channel/env.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, eventOf } from './asserts.js'
import { World } from './world.js'

/** A server with 400,000 sat out of a channel before; its client is gone. */
function renewed (...paid: bigint[]): World {
  const old = new World({ capacity: 1_000_000n, blocks: 200 }).open().paid(400_000n)
  const world = new World({ renews: { world: old }, blocks: 200 }).open()
  for (const amount of paid) world.paid(amount)
  old.kill('client')
  return world.kill('client')
}

function mineUntilSpent (world: World, most: number): number {
  const { outPoint } = world.server.established
  for (let blocks = 0; blocks < most; blocks++) {
    if (world.chain.spendOf(outPoint)?.height !== undefined) return blocks
    world.mine()
  }
  throw new Error(`not spent after ${most} blocks`)
}

describe('channel / patience / what the server brought along by a renewal', () => {
  for (const [name, paid] of [['without a payment since', []], ['after payments of 1 sat and 1,999 sat', [1n, 1_999n]]] as const) {
    it(`${name}: comes home once the client has let L go by, and costs what blocks take (STAKE-3)`, () => {
      const world = renewed(...paid)
      const { refundHeight } = world.server.established.terms
      world.server.feeRate = feeRate(20_000n)
      world.chain.lowestFeeRate = 20_000n
      world.mineTo(refundHeight)
      assert.ok(mineUntilSpent(world, 10) <= 10)
      const { server, fee } = world.payouts()
      assert.ok(fee <= 181n * 25n && server === 400_000n + paid.reduce((sum, each) => sum + each, 0n) - fee, `${server} at a fee of ${fee}`)
    })
  }

  it('is left to the client\'s T2 before: nobody pays a fee for what comes without one (STAKE-1)', () => {
    const world = renewed(1n)
    world.mineTo(world.server.established.terms.refundHeight - 1)
    assert.equal(world.server.established.publication, undefined)
  })

  it('is settled when its user says so, at any height', () => {
    const world = renewed()
    world.server.post({ type: 'settle' })
    assert.equal(world.server.established.publication?.kind, 'settlement')
    assert.equal(mineUntilSpent(world, 3), 1)
  })

  it('waits where a block takes more than a quarter of it, and is fetched for more with each day', () => {
    const world = renewed()
    const { refundHeight } = world.server.established.terms
    world.server.feeRate = feeRate(800_000n)
    world.chain.lowestFeeRate = 800_000n
    world.mineTo(refundHeight + 143)
    assert.ok((world.server.established.publication?.fee ?? 0n) <= 100_000n)
    assert.equal(world.server.established.onChain.spend, undefined)
    assert.ok(mineUntilSpent(world, 4) <= 4)
  })
})

describe('channel / patience / a race that begins late', () => {
  /** A server that comes back some blocks before L, where the next block takes 40 sat/vB and one within six blocks 10. */
  function backAt (before: number): World {
    const world = new World({ capacity: 1_000_000n, blocks: 200 }).open().paid(600_000n)
    const env = world.server.env.bind(world.server)
    world.server.env = (changes: Partial<Env> = {}) => ({ ...env(changes), nextBlockRate: feeRate(40_000n) })
    world.server.dead = true
    world.kill('client').mineTo(world.server.established.terms.refundHeight - before)
    world.server.feeRate = feeRate(10_000n)
    world.chain.lowestFeeRate = 40_000n
    world.restart('server')
    return world
  }

  for (const before of [1, 2, 3]) {
    it(`${before} blocks before L: bids more than the next block takes at once, and not more than twice a normal bid`, () => {
      const world = backAt(before)
      const { publication } = world.server.established
      const normal = 181n * 50n
      assert.ok(publication !== undefined && publication.fee >= normal && publication.fee <= normal * 2n, `${publication?.fee} sat; a normal bid is ${normal}`)
      assert.equal(mineUntilSpent(world, 2), 1)
    })
  }

  it('doubles with each block that passes over it, whatever servers say of prices', () => {
    const world = backAt(3)
    world.chain.lowestFeeRate = 1_000_000_000n
    const fees = [0, 1, 2].map(() => { const { fee = 0n } = world.server.established.publication ?? {}; world.mine(); return fee })
    assert.ok(fees.slice(1).every((fee, i) => fee > (fees[i] ?? 0n) && fee <= (fees[i] ?? 0n) * 2n + 362n), fees.join())
  })

  it('keeps a quarter of what is at stake while nobody competes (STAKE-4)', () => {
    const world = new World().open().paid(40_000n).kill('client').mineTo(664)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(699)
    assert.equal(world.server.established.publication?.fee, (40_000n - 294n) * 3n / 4n + 1n)
  })

  it('does not take all of a share 36 blocks early because of an estimate', () => {
    const world = new World().open().paid(20_000n).kill('client')
    world.server.feeRate = feeRate(150_000n)
    world.mineTo(664)
    assert.ok((world.server.established.publication?.fee ?? 0n) <= 5_000n)
  })
})

describe('channel / patience / a client that breaks a rule', () => {
  const broken = (world: World): World => {
    world.server.post(eventOf({ type: 'RefundSignature', signature: new Uint8Array(64) }))
    assert.equal(world.server.established.stopped?.settleNow, true)
    return world
  }
  const broadcasts = (world: World): string[] => effectsOf(world.server.effects, 'broadcast').map(({ purpose }) => purpose)

  it('after a close that pays the server in full: the server does not compete with it before the settlement height (TIME-10)', () => {
    const world = new World({ capacity: 1_000_000n }).open().paid(60_000n)
    for (const side of [world.client, world.server]) side.feeRate = feeRate(100_000n)
    world.client.post({ type: 'close' })
    world.deliverAll('server')
    broken(world).mine()
    assert.equal(broadcasts(world).includes('publication'), false)
    assert.equal(world.payouts().server, 60_000n)
  })

  it('while fees are high: a sixteenth of the share is all that a settlement may cost before its height', () => {
    const world = new World().open().paid(20_000n)
    world.server.feeRate = feeRate(8_000n)
    broken(world)
    const fee = (): bigint | undefined => world.server.established.publication?.fee
    assert.equal(fee(), undefined, '181 vB at 8 sat/vB are 1,448 of 20,000 sat')
    world.server.feeRate = feeRate(6_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mine()
    assert.equal(fee(), 1_086n)
    world.server.feeRate = feeRate(60_000n)
    world.mineTo(663)
    assert.equal(fee(), 1_086n)
    world.mineTo(664)
    assert.ok((fee() ?? 0n) > 1_250n)
  })
})

describe('channel / patience / what is due and cannot be bid for', () => {
  it('is known, until blocks are cheaper; what is not worth an output is not worth a word', () => {
    const stuck = (amount: bigint): boolean[] => {
      const world = new World({ policy: { minFirstPayment: satoshi(1n) } }).open().paid(amount).kill('client')
      const isStuck = (): boolean => isUnaffordable(world.server.established, world.server.env())
      world.mineTo(663)
      const before = isStuck()
      world.mine()
      return [before, isStuck()]
    }
    // 181 vB at 1 sat/vB, and an output of 294 sat.
    assert.deepEqual([stuck(100n), stuck(400n), stuck(700n)], [[false, false], [false, true], [false, false]])
  })
})
