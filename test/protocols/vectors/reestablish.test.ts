/** The cases of reestablish.json, replayed by the state machine. */
import assert from 'node:assert/strict'
import { transition } from '../../../src/channel/transition.js'
import { effectsOf, eventOf, sentOf } from '../../channel/asserts.js'
import type { Channel } from '../../../src/channel/state.js'
import { REESTABLISH_CASES, senderOutcome } from './reestablish-cases.js'
import { messageOf, outcomeOf, overTheWire, receiverOf, senderOf } from './reestablish-world.js'

describe('vectors / reestablish', () => {
  for (const each of REESTABLISH_CASES) {
    it(`${each.receiver} / ${each.name}`, () => {
      const { side, channel } = receiverOf(each)
      const { state, effects } = transition(
        channel,
        { type: 'message', message: overTheWire(messageOf(each)) },
        side.env()
      )
      assert.ok(state.stage === 'established')
      const { held } = state.ledger
      assert.deepEqual(outcomeOf(state, effects), { outcome: each.outcome, code: each.code })
      assert.deepEqual(
        held === undefined
          ? null
          : { sequence: held.sequence, payerBalance: Number(held.payerBalance) },
        each.heldAfter
      )
      assert.deepEqual(state.epochs, each.epochsAfter)
      assert.deepEqual(
        sentOf(effects, 'Update').map(({ sequence }) => sequence),
        each.resent ?? []
      )
      const other = senderOf(each)
      let heard: Channel = other.channel
      for (const { message } of effectsOf(effects, 'send')) {
        heard = transition(heard, eventOf(message), other.side.env()).state
      }
      assert.ok(heard.stage === 'established')
      assert.equal(outcomeOf(heard, []).outcome, senderOutcome(each), 'of the sender')
      if (each.receiver === 'payee' && held !== undefined) {
        assert.ok(held.signature !== undefined, 'what it holds it can publish')
      }
    })
  }
})
