/** The cases of reestablish.json about turns, replayed by the state machine. */
import assert from 'node:assert/strict'
import { transition } from '../../../src/channel/transition.js'
import { sentOf } from '../../channel/asserts.js'
import { outcomeOf, overTheWire } from './reestablish-world.js'
import { senderOutcome } from './reestablish-cases.js'
import { TURNS_CASES } from './reestablish-turns-cases.js'
import { turnsMessageOf, turnsReceiverOf } from './reestablish-turns-world.js'

describe('vectors / reestablish / turns', () => {
  for (const each of TURNS_CASES) {
    it(`${each.receiver} in turn ${each.before.turn} / ${each.name}`, () => {
      const { side, channel } = turnsReceiverOf(each)
      const { state, effects } = transition(
        channel,
        { type: 'message', message: overTheWire(turnsMessageOf(each)) },
        side.env()
      )
      assert.ok(state.stage === 'established')
      assert.deepEqual(outcomeOf(state, effects), { outcome: each.outcome, code: each.code })
      const { turn, held } = state.ledger
      assert.deepEqual(
        { turn, state: { sequence: held?.sequence, payerBalance: Number(held?.payerBalance) } },
        each.after
      )
      assert.deepEqual(
        sentOf(effects, 'Update').map(({ sequence }) => sequence),
        each.resent ?? []
      )
      const said = sentOf(effects, 'Error').map(({ rule, fatal }) =>
        fatal ? (rule === 'REEST-4' ? 'only closes' : 'ends') : 'goes on'
      )
      assert.equal(
        said[0] ?? 'goes on',
        senderOutcome(each),
        'of the sender, which has compared before it answered'
      )
      assert.equal(state.wishes.asked, undefined, 'what was asked for is answered, or lost')
    })
  }
})
