/** A T1 that waits too long is paid for by a child, never replaced. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { fundingFee } from '../../src/channel/funding-depth.js'
import type { Established } from '../../src/channel/state.js'
import { blockDelta, blockHeight, feeRate } from '../../src/types/units.js'
import { effectsOf } from './asserts.js'
import { World } from './world.js'

describe('channel / the fee of T1', () => {
  /** The client's channel, whose T1 was built at a height and is in the mempool. */
  function waiting(builtAt: number, patience?: number): { channel: Established; world: World } {
    const world = new World()
    world.asked = { patience: patience === undefined ? undefined : blockDelta(patience) }
    world.offer().run()
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mine()
    const channel = world.client.established
    const tx = Transaction.fromBuffer(Uint8Array.from(channel.fundingTx))
    tx.locktime = builtAt
    return { channel: { ...channel, fundingTx: tx.toBuffer() }, world }
  }

  const bumps = (channel: Established, world: World, height: number): unknown[] =>
    fundingFee(channel, world.client.env({ height: blockHeight(height), feeRate: feeRate(9_000n) }))

  it('is left alone for six blocks (FUND-5)', () => {
    const { channel, world } = waiting(600)
    assert.deepEqual(bumps(channel, world, 605), [])
    assert.deepEqual(
      bumps(channel, world, 606),
      [
        {
          type: 'bump-funding',
          funding: channel.outPoint.txid,
          fundingTx: channel.fundingTx,
          feeRate: 9_000n,
          most: 5_000n,
          isLate: false
        }
      ],
      'at most 5 % of 100,000 sat'
    )
  })

  it('is late once a day of blocks has passed over it, or as many as were asked for (EVID-7)', () => {
    const isLate = (patience: number | undefined, blocks: number): unknown => {
      const { channel, world } = waiting(100, patience)
      const [bump] = bumps(channel, world, 100 + blocks) as Array<{ isLate: boolean }>
      return bump?.isLate
    }
    assert.deepEqual(
      [isLate(undefined, 143), isLate(undefined, 144), isLate(200, 199), isLate(200, 200)],
      [false, true, undefined, true]
    )
  })

  it('is left alone for as long as was asked for (FUND-5)', () => {
    const { channel, world } = waiting(500, 36)
    assert.deepEqual(bumps(channel, world, 535), [])
    assert.equal(bumps(channel, world, 536).length, 1)
  })

  it("is the client's business while T1 is in no block, whether or not a server shows it (FUND-5, EVID-7)", () => {
    const { channel, world } = waiting(0)
    assert.equal(bumps(channel, world, 700).length, 1)
    assert.deepEqual(bumps({ ...channel, role: 'server' }, world, 700), [])
    const unseen = { ...channel, onChain: { ...channel.onChain, fundingSeen: false } }
    assert.equal(bumps(unseen, world, 700).length, 1)
    assert.deepEqual(
      bumps(
        { ...channel, onChain: { ...channel.onChain, fundingHeight: blockHeight(699) } },
        world,
        700
      ),
      []
    )
  })

  it('is looked at with every block, and T1 itself goes out unchanged (FUND-5)', () => {
    const { world } = waiting(0)
    const { effects } = world.client.attempt({ type: 'tip' })
    assert.equal(effectsOf(effects, 'bump-funding').length, 1)
    assert.deepEqual(
      effectsOf(effects, 'broadcast').map(({ raw }) => raw),
      [world.client.established.fundingTx]
    )
  })
})
