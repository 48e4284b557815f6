/** The cases of reestablish.json, replayed by the state machine. */
import assert from 'node:assert/strict'
import { transition } from '../../../src/channel/transition.js'
import { sentOf } from '../../channel/asserts.js'
import { REESTABLISH_CASES } from './reestablish-cases.js'
import { messageOf, outcomeOf, overTheWire, receiverOf } from './reestablish-world.js'

describe('vectors / reestablish', () => {
  for (const each of REESTABLISH_CASES) {
    it(`${each.receiver} / ${each.name}`, () => {
      const { side, channel } = receiverOf(each)
      const { state, effects } = transition(channel, { type: 'message', message: overTheWire(messageOf(each)) }, side.env())
      assert.ok(state.stage === 'established')
      const { held } = state.ledger
      assert.deepEqual(outcomeOf(state, effects), { outcome: each.outcome, code: each.code })
      assert.deepEqual(held === undefined ? null : { sequence: held.sequence, payerBalance: Number(held.payerBalance) }, each.heldAfter)
      assert.deepEqual(state.epochs, each.epochsAfter)
      assert.deepEqual(sentOf(effects, 'Update').map(({ sequence }) => sequence), each.resent ?? [])
      if (each.receiver === 'payee' && held !== undefined) assert.ok(held.signature !== undefined, 'what it holds it can publish')
    })
  }
})
