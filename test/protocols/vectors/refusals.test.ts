/** The cases of refusals.json, judged by the state machine. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode, encode } from '../../../protocols/paychan/1.0/index.js'
import { isSignedByBoth } from '../../../src/bitcoin/funding-spend.js'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { countsAsRival } from '../../../src/channel/evidence.js'
import { figuresOf } from '../../../src/channel/evidence.js'
import { stateIn } from '../../../src/channel/onchain.js'
import { ageOf, heightsBefore } from '../../../src/channel/schedule.js'
import { stateDigest } from '../../../src/channel/signing.js'
import type { Channel } from '../../../src/channel/state.js'
import { transition } from '../../../src/channel/transition.js'
import { fromHex } from '../../../src/types/bytes.js'
import { blockDelta, blockHeight, satoshi } from '../../../src/types/units.js'
import { effectsOf, eventOf, sentOf } from '../../channel/asserts.js'
import { ecdsa } from '../../channel/side.js'
import { vectorTexts } from './generate.js'
import { REESTABLISH_CASES, senderOutcome, TURNS_CASES } from './reestablish-cases.js'
import {
  messageOf,
  outcomeOf,
  overTheWire,
  receiverOf,
  senderOf,
  turnsMessageOf,
  turnsReceiverOf
} from './reestablish-world.js'
import { closeDigest, REFUSAL_CASES, STAGES } from './refusal-cases.js'
import { fundingOutput } from './replay.js'
import { read, VECTORS_FOLDER } from './schema.js'

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

describe('vectors of spends', () => {
  const {
    funding,
    terms: { refundHeight: L, step },
    height,
    cases
  } = read.spends()
  const output = fundingOutput(funding)
  const refundHeight = blockHeight(L)

  for (const { name, raw, oneWay, signedByBoth, turn, clientBalance, counts } of cases) {
    it(`${name} (EVID-2, EVID-3)`, () => {
      const terms = oneWay
        ? {
            mode: 'one-way' as const,
            step: 0,
            refundHeight,
            capacity: output.value,
            ...heightsBefore(refundHeight, blockDelta(36))
          }
        : {
            mode: 'two-way' as const,
            step,
            refundHeight,
            capacity: output.value,
            ...heightsBefore(refundHeight, blockDelta(step))
          }
      const bytes = fromHex(raw)
      assert.equal(isSignedByBoth(parseTransaction(bytes), output, ecdsa.verify), signedByBoth)
      const state = stateIn(terms, output.outPoint, parseTransaction(bytes))
      assert.deepEqual(
        [
          state === undefined ? null : ageOf(state.state) - 1,
          state === undefined ? null : Number(state.clientBalance)
        ],
        [turn, clientBalance]
      )
      assert.equal(
        signedByBoth &&
          countsAsRival(
            { onChain: { fundingHeight: blockHeight(500) } },
            figuresOf(parseTransaction(bytes), output.value),
            height
          ),
        counts
      )
    })
  }
})

/* The cases of reestablish.json, replayed by the state machine. */

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

/* The cases of reestablish.json about turns, replayed by the state machine. */

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

describe('vector files', () => {
  for (const [file, text] of vectorTexts()) {
    it(`${file} is what the generator writes, byte for byte`, () => {
      assert.equal(
        readFileSync(join(process.cwd(), VECTORS_FOLDER, file), 'utf8'),
        text,
        `run the generator: ${file} is out of date`
      )
    })
  }

  it('come out the same every time', () => {
    assert.deepEqual(vectorTexts(), vectorTexts())
  })

  it('keep every amount within what JSON numbers carry exactly', () => {
    for (const [, text] of vectorTexts()) {
      for (const [, digits] of text.matchAll(/: (\d+),?\n/g)) {
        assert.ok(Number.isSafeInteger(Number(digits)))
      }
    }
  })
})
