import assert from 'node:assert/strict'
import type { ChannelInfo } from '../../../src/node/api.js'
import { isAtRest, isDue, isHalfDone } from '../../../src/sim/real/real-node.js'
import { blockHeight, satoshi } from '../../../src/types/units.js'

/** What is looked at of an open one-way channel of a client. */
const OPEN = {
  role: 'client',
  status: 'open',
  mode: 'one-way',
  ourBalance: satoshi(1_000n),
  lastPaymentHeight: blockHeight(1_100),
  confirmations: 9,
  minDepth: 1
}

const channel = (change: object = {}): ChannelInfo =>
  ({ ...OPEN, ...change }) as unknown as ChannelInfo

describe('sim / real: what a channel still does by itself', () => {
  it('is nothing in an empty block, as long as it takes payments', () => {
    assert.equal(isAtRest(channel(), 1_099), true)
    assert.equal(isAtRest(channel(), 1_100), false)
    assert.equal(isAtRest(channel({ renewFor: 144 }), 1_099), false, 'it renews itself before')
    assert.equal(isAtRest(channel({ mode: 'two-way' }), 1_050), false, 'a turn may be given up')
    for (const status of [
      'opening',
      'confirming',
      'offline',
      'stopped',
      'closing',
      'settling',
      'refunding'
    ]) {
      assert.equal(isAtRest(channel({ status }), 1_050), false, status)
    }
  })

  it('is nothing after a close, and a sweep after all that pays out with a lock', () => {
    assert.equal(isAtRest(channel({ status: 'closed', spend: { kind: 'close' } }), 1_200), true)
    for (const kind of ['settlement', 'refund']) {
      assert.equal(isAtRest(channel({ status: 'closed', spend: { kind } }), 1_200), false, kind)
    }
  })

  it('is a close, some blocks after the last payment, by whoever has something in it', () => {
    assert.deepEqual(
      [1_105, 1_106, 1_107].map((height) => isDue(channel({ status: 'stopped' }), height)),
      [false, true, false]
    )
    assert.equal(isDue(channel({ role: 'server', status: 'stopped' }), 1_103), true)
    assert.equal(isDue(channel({ status: 'stopped', ourBalance: satoshi(0n) }), 1_106), false)
  })

  it('is half done while it needs no block', () => {
    assert.deepEqual(
      ['opening', 'offline', 'open', 'closed'].map((status) => isHalfDone(channel({ status }))),
      [true, true, false, false]
    )
    assert.equal(isHalfDone(channel({ status: 'confirming', confirmations: 0 })), false)
    assert.equal(isHalfDone(channel({ status: 'confirming' })), true)
    assert.deepEqual(
      [undefined, { kind: 'close' }].map((spend) =>
        isHalfDone(channel({ status: 'closing', spend }))
      ),
      [true, false]
    )
  })
})
