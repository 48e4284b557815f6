/**
 * What refusals.json holds: messages in order that a side refuses for what they say, beside honest
 * ones.
 */
import { encode } from '../../../protocols/paychan/1.0/index.js'
import { toHex } from '../../../src/types/bytes.js'
import { channelJson } from './generate-reestablish.js'
import { REFUSAL_CASES, STAGES } from './refusal-cases.js'
import { world } from './reestablish-world.js'

export function refusalVectors(): object {
  return {
    description:
      'Messages whose bytes are in order, and that are refused all the same for what they say; and the honest ones that they were made from. All are about one channel, at the stages that are described. rule and code are what the answering Error says; fatal: it ends the channel, or its opening. Each breaks one rule, and is signed for what it says unless the signature is what is wrong.',
    channel: channelJson(world.client.established),
    stages: Object.fromEntries(
      Object.entries(STAGES).map(([name, { description }]) => [name, description])
    ),
    cases: REFUSAL_CASES.map(({ name, stage, change, verdict }) => {
      const { world, honest } = STAGES[stage].due()
      const { code = null, rule = null, fatal = null } = verdict ?? {}
      return {
        stage,
        name,
        message: toHex(encode(change(honest, world))),
        accept: verdict === undefined,
        code,
        rule,
        fatal
      }
    })
  }
}
