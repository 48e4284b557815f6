/** The cases of refusals.json, judged by the state machine. */
import assert from 'node:assert/strict'
import { decode, encode } from '../../../protocols/paychan/1.0/index.js'
import { stateDigest } from '../../../src/channel/signing.js'
import { satoshi } from '../../../src/types/units.js'
import { ecdsa } from '../../channel/keys.js'
import { closeDigest, REFUSAL_CASES, STAGES } from './refusal-cases.js'

describe('vectors / refusals', () => {
  for (const { stage, name, change, verdict } of REFUSAL_CASES) {
    it(`${stage} / ${name}${verdict === undefined ? '' : ` (${verdict.rule})`}`, () => {
      const { world, honest } = STAGES[stage].due()
      assert.deepEqual(STAGES[stage].judge(world, decode(encode(change(honest, world)))), verdict)
    })
  }

  it('are signed for what they say, unless that is the rule that is broken', () => {
    let looked = 0
    for (const { stage, name, change, verdict } of REFUSAL_CASES) {
      const { world, honest } = STAGES[stage].due()
      const message = change(honest, world)
      if (
        (message.type !== 'Update' && message.type !== 'CloseRequest') ||
        ['UPD-4', 'CLOSE-5', 'CLOSE-3'].includes(verdict?.rule ?? '')
      ) {
        continue
      }
      const digest =
        message.type === 'Update'
          ? stateDigest(world.client.established, satoshi(message.payerBalance))
          : closeDigest(world, message)
      assert.ok(
        ecdsa.verify(world.client.channelKey.publicKey, digest, message.signature),
        `${stage} / ${name}`
      )
      looked += 1
    }
    assert.ok(looked > 25)
  })
})
