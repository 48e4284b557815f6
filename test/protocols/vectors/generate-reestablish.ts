/** What reestablish.json holds: the cases, with the channel that they are about and each message as bytes. */
import { encode } from '../../../protocols/paychan/1.0/index.js'
import type { Established } from '../../../src/channel/state.js'
import { toHex } from '../../../src/types/bytes.js'
import { REESTABLISH_CASES } from './reestablish-cases.js'
import { messageOf, world } from './reestablish-world.js'

/** What there is to know of a channel to judge a signature of it. */
export function channelJson ({ id, outPoint, terms }: Established): object {
  return {
    channelId: id,
    derivation: toHex(terms.derivation),
    version: terms.txVersion,
    sat: Number(terms.capacity),
    outPoint,
    clientKey: toHex(terms.client.channelKey),
    serverKey: toHex(terms.server.channelKey),
    clientPayoutKey: toHex(terms.client.payoutKey)
  }
}

export function reestablishVectors (): object {
  return {
    description: 'What a side makes of the other\'s Reestablish (spec.md, section 9). The client is the payer. heldAfter: what the payee holds, or the payer takes as acknowledged, afterwards. resent: the updates that the payer sends again. epochs: ours, theirs, and how far the other is known to have seen ours; a side that answers counts one up. message: the Envelope that arrives.',
    channel: channelJson(world.client.established),
    cases: REESTABLISH_CASES.map((each) => {
      const { name, receiver, isAnswer, held, inFlight = [], epochs, outcome, code = null, heldAfter, epochsAfter, resent = [] } = each
      return { name, receiver, isAnswer, held, inFlight, epochs, message: toHex(encode(messageOf(each))), outcome, code, heldAfter, epochsAfter, resent }
    })
  }
}
