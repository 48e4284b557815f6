/** Who waits for an answer hangs up in the end; nobody waits for one that cannot come (WIRE-12). */
import assert from 'node:assert/strict'
import type { Established } from '../../src/channel/state.js'
import { AckTimers } from '../../src/engine/streams.js'
import type { ChannelActor } from '../../src/engine/channel-actor.js'
import { FakeClock } from '../chain/helpers.js'
import { World } from '../channel/world.js'

describe('engine / the time that a peer has to acknowledge', () => {
  /**
   * Payments are in flight, and the peer says nothing. Returns for how many streams it was taken
   * for gone.
   */
  function hangsUp(change: (channel: Established) => Established): number {
    const world = new World().open().paid(10_000n)
    world.pay(1_000n)
    const state = change(world.client.established)
    assert.equal(state.ledger.inFlight.length, 1)
    const clock = new FakeClock()
    let late = 0
    const timers = new AckTimers(clock, 30_000, () => {
      late += 1
    })
    const actor = { state } as ChannelActor
    timers.observe(actor)
    clock.advance(31_000)
    assert.equal(clock.pending, 0)
    return late
  }

  it('ends the stream of one that does not', () => {
    assert.equal(
      hangsUp((channel) => channel),
      1
    )
  })

  it('is not waited for where payments have ended: the stream is there for a close in peace', () => {
    assert.equal(
      hangsUp((channel) => ({
        ...channel,
        stopped: {
          code: 'ERR_PEER_FORGOT',
          reason: 'it has forgotten',
          rule: 'REEST-4',
          settleNow: false
        }
      })),
      0
    )
    assert.equal(
      hangsUp((channel) => ({
        ...channel,
        closes: [
          {
            asker: 'client',
            fee: channel.terms.limits.minFirstPayment,
            txid: channel.outPoint.txid,
            signature: new Uint8Array(64),
            raw: undefined
          }
        ]
      })),
      0
    )
  })

  it('is waited for by one that has just said where it stands, whatever has become of the channel', () => {
    assert.equal(
      hangsUp((channel) => ({
        ...channel,
        link: 'up',
        stopped: {
          code: 'ERR_PEER_FORGOT',
          reason: 'it has forgotten',
          rule: 'REEST-4',
          settleNow: false
        }
      })),
      1
    )
  })
})
