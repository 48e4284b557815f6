/** The channels, one-way and two-way, of reestablish.json, and a side as a case begins. */
import {
  decode,
  encode,
  type Payment,
  type Reestablish
} from '../../../protocols/paychan/1.0/index.js'
import type { Effect } from '../../../src/channel/effects.js'
import {
  type HeldState,
  type InFlightUpdate,
  type Ledger,
  NEW_LEDGER
} from '../../../src/channel/ledger.js'
import { payerOf } from '../../../src/channel/schedule.js'
import { stateDigest } from '../../../src/channel/signing.js'
import { type EndedTurn, type Established, NO_WISHES } from '../../../src/channel/state.js'
import { fromHex } from '../../../src/types/bytes.js'
import { satoshi } from '../../../src/types/units.js'
import { sentOf } from '../../channel/asserts.js'
import type { Side } from '../../channel/side.js'
import { World } from '../../channel/world.js'
import { reestablishOf } from '../reestablish.js'
import type {
  Outcome,
  ReestablishCase,
  SaidCase,
  StateCase,
  TurnsCase,
  TurnsSaid
} from './reestablish-cases.js'

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

/*
 * The two-way channel that the second part of reestablish.json is about, and a side of it as a case
 * begins.
 */

export const twoWayWorld = new World({ step: 20 }).open()
const twoWay = twoWayWorld.client.established

function twoWaySignature(
  { payerBalance }: StateCase,
  { by, turn }: NonNullable<TurnsSaid['signed']>
): Uint8Array {
  return twoWayWorld[by].channelKey.sign(stateDigest(twoWay, satoshi(BigInt(payerBalance)), turn))
}

/** The message of a case; both sides have met three times, and this is the sender's fourth. */
export function turnsMessageOf({ said, before, receiver }: TurnsCase): Reestablish {
  const { turn, state, signed, newest = 0, payments = [], paymentsAfter } = said
  const isFromPayer = payerOf(turn) !== receiver
  return reestablishOf({
    channelId: fromHex(twoWay.id),
    derivation: twoWay.terms.derivation,
    turn,
    sequence: state.sequence,
    payerBalance: BigInt(state.payerBalance),
    signature: signed === undefined ? new Uint8Array(0) : twoWaySignature(state, signed),
    signed: newest,
    payments: payments.map((amount, n) => payment(before.state.sequence + n + 1, amount)),
    paymentsAfter: paymentsAfter ?? (isFromPayer ? 0 : state.sequence),
    epoch: 4,
    peerEpoch: 4
  })
}

/** How the turns before ended, in every case in which there are any. */
const ENDS: readonly StateCase[] = [
  { sequence: 1, payerBalance: 90_000 },
  { sequence: 2, payerBalance: 6_000 }
]

/** The receiver before the message arrives: it has opened the stream, and this is the answer. */
export function turnsReceiverOf({
  receiver,
  before: { turn, state, asked, inFlight = [] }
}: TurnsCase): { side: Side; channel: Established } {
  const side: Side = twoWayWorld[receiver]
  const held = (of: StateCase, at: number, isSigned = true): HeldState => {
    const payer = payerOf(at)
    return {
      sequence: of.sequence,
      payerBalance: satoshi(BigInt(of.payerBalance)),
      paymentCount: of.sequence,
      signature:
        isSigned && payer !== receiver ? twoWaySignature(of, { by: payer, turn: at }) : undefined
    }
  }
  const ended: EndedTurn[] = ENDS.slice(0, turn).map((of, at) => ({ turn: at, ...held(of, at) }))
  const ledger: Ledger = {
    turn,
    held: held(state, turn, state.sequence !== ended.at(-1)?.sequence),
    inFlight: inFlight.map((each, n) => ({
      sequence: each.sequence,
      payerBalance: satoshi(BigInt(each.payerBalance)),
      payments: [
        payment(each.sequence, ([state, ...inFlight][n]?.payerBalance ?? 0) - each.payerBalance)
      ],
      signature: twoWaySignature(each, { by: receiver, turn })
    })),
    settledSequence: undefined
  }
  return {
    side,
    channel: {
      ...side.established,
      ledger,
      ended,
      wishes: { ...NO_WISHES, asked },
      epochs: { ours: 4, theirs: 3, seen: 3 },
      link: 'up'
    }
  }
}
