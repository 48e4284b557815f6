/**
 * Writes protocols/paychan/1.0/vectors/*.json, all but messages.json. Run from the root of the
 * repository, it always writes the same bytes; a test checks that they are what is committed.
 *
 *   npm run build && node dist/test/protocols/vectors/generate.js
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { encode } from '../../../protocols/paychan/1.0/index.js'
import type { Established } from '../../../src/channel/state.js'
import { toHex } from '../../../src/types/bytes.js'
import { fundingVectors, keyVectors, scriptVectors, signatureVectors } from './generate-basics.js'
import { closeVectors, evidenceVectors, refundVectors, stateVectors } from './generate-spends.js'
import { renewalVectors } from './generate-renewal.js'
import { REESTABLISH_CASES, senderOutcome, TURNS_CASES } from './reestablish-cases.js'
import { messageOf, turnsMessageOf, twoWayWorld, world } from './reestablish-world.js'
import { REFUSAL_CASES, STAGES } from './refusal-cases.js'
import { type VectorFile, VECTORS_FOLDER } from './schema.js'

const GENERATORS: { [F in VectorFile | 'reestablish.json' | 'refusals.json']: () => object } = {
  'keys.json': keyVectors,
  'scripts.json': scriptVectors,
  'signatures.json': signatureVectors,
  'funding.json': fundingVectors,
  'refund.json': refundVectors,
  'state.json': stateVectors,
  'close.json': closeVectors,
  'renewal.json': renewalVectors,
  'spends.json': evidenceVectors,
  'reestablish.json': reestablishVectors,
  'refusals.json': refusalVectors
}

/** The name and the text of every file. */
export function vectorTexts(): [file: string, text: string][] {
  return Object.entries(GENERATORS).map(([file, generate]) => [
    file,
    JSON.stringify(generate(), null, 2) + '\n'
  ])
}

const [, main] = process.argv
if (main !== undefined && import.meta.url === pathToFileURL(main).href) {
  for (const [file, text] of vectorTexts()) writeFileSync(join(VECTORS_FOLDER, file), text)
}

/**
 * What refusals.json holds: messages in order that a side refuses for what they say, beside honest
 * ones.
 */
function refusalVectors(): object {
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

/*
 * What reestablish.json holds: the cases, with the channel that they are about and each message as
 * bytes.
 */

/** What there is to know of a channel to judge a signature of it. */
function channelJson({ id, outPoint, terms }: Established): object {
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

function reestablishVectors(): object {
  return {
    description:
      "What a side makes of the other's Reestablish (spec.md, section 9). The client is the payer. heldAfter: what the payee holds, or the payer takes as acknowledged, afterwards. resent: the updates that the payer sends again. epochs: ours, theirs, and how far the other is known to have seen ours; a side that answers counts one up. message: the Envelope that arrives. outcome: what becomes of the channel on the receiver's side; sender: on the other, once it has heard what the receiver answers. goes on: payments may follow; only closes: REEST-4; ends: a rule was broken; asks again: the receiver ends this stream and opens one itself.",
    channel: channelJson(world.client.established),
    cases: REESTABLISH_CASES.map((each) => {
      const {
        name,
        receiver,
        isAnswer,
        held,
        inFlight = [],
        epochs,
        outcome,
        code = null,
        heldAfter,
        epochsAfter,
        resent = []
      } = each
      return {
        name,
        receiver,
        isAnswer,
        held,
        inFlight,
        epochs,
        message: toHex(encode(messageOf(each))),
        outcome,
        sender: senderOutcome(each),
        code,
        heldAfter,
        epochsAfter,
        resent
      }
    }),
    twoWay: {
      description:
        'The same in a two-way channel: the client pays in turn 0, which ended with sequence 1, the server in turn 1, which ended with sequence 2. The receiver has opened the stream, and message is the answer. before, after: its turn and the state that it holds or takes as acknowledged there; asked: the turn that it has asked for.',
      channel: {
        ...channelJson(twoWayWorld.client.established),
        refundHeight: twoWayWorld.client.established.terms.refundHeight,
        step: twoWayWorld.client.established.terms.step,
        serverPayoutKey: toHex(twoWayWorld.client.established.terms.server.payoutKey)
      },
      cases: TURNS_CASES.map((each) => {
        const {
          name,
          receiver,
          before: { turn, state, asked = null, inFlight = [] },
          outcome,
          code = null,
          after,
          resent = []
        } = each
        return {
          name,
          receiver,
          before: { turn, state, asked, inFlight },
          message: toHex(encode(turnsMessageOf(each))),
          outcome,
          sender: senderOutcome(each),
          code,
          after,
          resent
        }
      })
    }
  }
}
