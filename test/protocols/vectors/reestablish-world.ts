/** The channel that reestablish.json is about, and a side of it as a case begins. */
import {
  decode,
  encode,
  type Payment,
  type Reestablish
} from '../../../protocols/paychan/1.0/index.js'
import type { Effect } from '../../../src/channel/effects.js'
import { NEW_LEDGER, type InFlightUpdate, type Ledger } from '../../../src/channel/ledger.js'
import { stateDigest } from '../../../src/channel/signing.js'
import type { Established } from '../../../src/channel/state.js'
import { fromHex } from '../../../src/types/bytes.js'
import { satoshi } from '../../../src/types/units.js'
import { sentOf } from '../../channel/asserts.js'
import type { Side } from '../../channel/side.js'
import { World } from '../../channel/world.js'
import { reestablishOf } from '../reestablish.js'
import type { Outcome, ReestablishCase, SaidCase, StateCase } from './reestablish-cases.js'

export const world = new World().open()
const { client, server } = world
const { established } = client

/** Signed by the payer, which is the client, or by the server in its place. */
function signatureOf(payerBalance: number, by: SaidCase['signedBy'] = 'payer'): Uint8Array {
  return (by === 'payer' ? client : server).channelKey.sign(
    stateDigest(established, satoshi(BigInt(payerBalance)))
  )
}

export function payment(n: number, amount: number): Payment {
  return { id: new Uint8Array(16).fill(n), amount: BigInt(amount), memo: '' }
}

/** The message of a case. */
export function messageOf({ said }: ReestablishCase): Reestablish {
  const { state, turn = 0, signed = 0, payments = [], paymentsAfter, epoch, peerEpoch } = said
  const isFromPayee = said.signed === undefined
  return reestablishOf({
    channelId: fromHex(established.id),
    derivation:
      said.derivation === 'another' ? new Uint8Array(8).fill(9) : established.terms.derivation,
    turn,
    sequence: state?.sequence ?? 0,
    payerBalance: BigInt(state?.payerBalance ?? 0),
    signature: state === null ? new Uint8Array(0) : signatureOf(state.payerBalance, said.signedBy),
    signed,
    payments: payments.map((amount, n) => payment(n + 1, amount)),
    paymentsAfter: paymentsAfter ?? (isFromPayee ? (state?.sequence ?? 0) : 0),
    epoch,
    peerEpoch
  })
}

/** The receiver before the message arrives. */
export function receiverOf({ receiver, isAnswer, held, inFlight = [], epochs }: ReestablishCase): {
  side: Side
  channel: Established
} {
  const side = receiver === 'payer' ? client : server
  const ledger: Ledger = {
    ...NEW_LEDGER,
    held: held === null ? undefined : heldState(held, receiver),
    inFlight: inFlight.map((state, n) => updateOf(state, [held, ...inFlight][n] ?? null))
  }
  return { side, channel: { ...side.established, ledger, epochs, link: isAnswer ? 'up' : 'down' } }
}

function heldState(
  { sequence, payerBalance }: StateCase,
  receiver: ReestablishCase['receiver']
): NonNullable<Ledger['held']> {
  return {
    sequence,
    payerBalance: satoshi(BigInt(payerBalance)),
    paymentCount: sequence,
    signature: receiver === 'payee' ? signatureOf(payerBalance) : undefined
  }
}

function updateOf({ sequence, payerBalance }: StateCase, before: StateCase | null): InFlightUpdate {
  const amount = (before?.payerBalance ?? payerBalance) - payerBalance
  return {
    sequence,
    payerBalance: satoshi(BigInt(payerBalance)),
    payments: amount === 0 ? [] : [payment(sequence, amount)],
    signature: signatureOf(payerBalance)
  }
}

/** The sender, which stands where it says, as the answer arrives. */
export function senderOf({ receiver, isAnswer, held, said }: ReestablishCase): {
  side: Side
  channel: Established
} {
  const isPayer = receiver === 'payee'
  const side = isPayer ? client : server
  const { state, turn = 0, signed = 0, epoch, peerEpoch } = said
  const ledger: Ledger = {
    ...NEW_LEDGER,
    turn,
    held: state === null ? undefined : heldState(state, isPayer ? 'payer' : 'payee'),
    // What the receiver holds, the payer has signed.
    inFlight:
      isPayer && held !== null && state !== null && signed > state.sequence
        ? [updateOf(held, state)]
        : []
  }
  return {
    side,
    channel: {
      ...side.established,
      ledger,
      epochs: { ours: epoch, theirs: peerEpoch, seen: peerEpoch },
      link: isAnswer ? 'live' : 'up'
    }
  }
}

/** What has become of the channel. */
export function outcomeOf(
  { stopped }: Established,
  effects: readonly Effect[]
): { outcome: Outcome; code: string | undefined } {
  const said = sentOf(effects, 'Error').at(-1)
  const outcome =
    stopped !== undefined
      ? stopped.rule === 'REEST-4'
        ? 'only closes'
        : 'ends'
      : said === undefined
        ? 'goes on'
        : 'asks again'
  return { outcome, code: stopped?.code ?? said?.code }
}

/** As it comes off the wire. */
export function overTheWire(message: Reestablish): Reestablish {
  const decoded = decode(encode(message))
  if (decoded.type !== 'Reestablish') throw new TypeError('not a Reestablish')
  return decoded
}
