/** The cases of refusals.json, judged by the state machine. */
import assert from 'node:assert/strict'
import { decode, encode } from '../../../protocols/paychan/1.0/index.js'
import { REFUSAL_CASES, STAGES } from './refusal-cases.js'

describe('vectors / refusals', () => {
  for (const { stage, name, change, verdict } of REFUSAL_CASES) {
    it(`${stage} / ${name}${verdict === undefined ? '' : ` (${verdict.rule})`}`, () => {
      const { world, honest } = STAGES[stage].due()
      assert.deepEqual(STAGES[stage].judge(world, decode(encode(change(honest, world)))), verdict)
    })
  }
})
