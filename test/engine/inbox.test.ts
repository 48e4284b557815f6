import assert from 'node:assert/strict'
import type { Payment, Update } from '../../protocols/paychan/1.0/index.js'
import { Inbox } from '../../src/engine/channel-actor.js'
import type { Abandoned } from '../../src/channel/state.js'
import { channelId } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'

/** Any channel will do that is not established: there the window is no matter. */
const channel: Abandoned = {
  stage: 'abandoned',
  id: channelId('00'.repeat(32)),
  peer: 'bob',
  address: 'bob',
  role: 'client',
  keys: { high: 1, low: 2 },
  openedAt: 0,
  capacity: satoshi(0n),
  refundHeight: blockHeight(1),
  code: 'ERR_CANCELLED',
  facts: {},
  reason: '',
  outPoint: undefined,
  theirKey: undefined
}

function update(sequence: number): Update {
  return {
    type: 'Update',
    turn: 0,
    sequence,
    payerBalance: 0n,
    payments: [],
    signature: new Uint8Array(64)
  }
}

function payment(id: number): Payment {
  return { id: new Uint8Array(16).fill(id), amount: 1n, memo: '' }
}

describe('engine / inbox', () => {
  it('hands over what has happened together and in order, updates in a row as one event', () => {
    const inbox = new Inbox()
    inbox.post({ type: 'updates', updates: [update(1)] })
    inbox.post({ type: 'updates', updates: [update(2)] })
    inbox.post({ type: 'disconnected', reason: '' })
    inbox.post({ type: 'updates', updates: [update(3)] })
    assert.deepEqual(inbox.take(channel), [
      { type: 'updates', updates: [update(1), update(2)] },
      { type: 'disconnected', reason: '' },
      { type: 'updates', updates: [update(3)] }
    ])
    assert.deepEqual(inbox.take(channel), [])
  })

  it('keeps what comes after a look apart from what was handed over', () => {
    const inbox = new Inbox()
    inbox.post({ type: 'updates', updates: [update(1)] })
    const first = inbox.take(channel)
    inbox.post({ type: 'updates', updates: [update(2)] })
    assert.deepEqual(first, [{ type: 'updates', updates: [update(1)] }])
    assert.deepEqual(inbox.take(channel), [{ type: 'updates', updates: [update(2)] }])
  })

  it('hands over payments after what has happened, and a close after the payments', () => {
    const inbox = new Inbox()
    inbox.post({ type: 'close' })
    inbox.post({ type: 'pay', payments: [payment(1)] })
    inbox.post({ type: 'tip' })
    inbox.post({ type: 'pay', payments: [payment(2)] })
    assert.deepEqual(
      [inbox.take(channel), inbox.take(channel), inbox.take(channel), inbox.take(channel)],
      [
        [{ type: 'tip' }],
        [{ type: 'pay', payments: [payment(1), payment(2)] }],
        [{ type: 'close' }],
        []
      ]
    )
  })

  it('is full from the 33rd message on, until it is looked at', () => {
    const inbox = new Inbox()
    for (let n = 0; n < 32; n++) inbox.post({ type: 'updates', updates: [update(n)] })
    assert.equal(inbox.isFull, false)
    inbox.post({ type: 'updates', updates: [update(33)] })
    assert.equal(inbox.isFull, true)
    inbox.take(channel)
    assert.equal(inbox.isFull, false)
  })
})
