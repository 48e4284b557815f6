/**
 * The two-way channel that the second part of reestablish.json is about, and a side of it as a case
 * begins.
 */
import type { Reestablish } from '../../../protocols/paychan/1.0/index.js'
import type { HeldState, Ledger } from '../../../src/channel/ledger.js'
import { payerOf } from '../../../src/channel/schedule.js'
import { stateDigest } from '../../../src/channel/signing.js'
import { NO_WISHES, type EndedTurn, type Established } from '../../../src/channel/state.js'
import { fromHex } from '../../../src/types/bytes.js'
import { satoshi } from '../../../src/types/units.js'
import type { Side } from '../../channel/side.js'
import { World } from '../../channel/world.js'
import { reestablishOf } from '../reestablish.js'
import type { StateCase, TurnsCase, TurnsSaid } from './reestablish-cases.js'
import { payment } from './reestablish-world.js'

export const twoWayWorld = new World({ step: 20 }).open()
const { established } = twoWayWorld.client

function signatureOf(
  { payerBalance }: StateCase,
  { by, turn }: NonNullable<TurnsSaid['signed']>
): Uint8Array {
  return twoWayWorld[by].channelKey.sign(
    stateDigest(established, satoshi(BigInt(payerBalance)), turn)
  )
}

/** The message of a case; both sides have met three times, and this is the sender's fourth. */
export function turnsMessageOf({ said, before, receiver }: TurnsCase): Reestablish {
  const { turn, state, signed, newest = 0, payments = [], paymentsAfter } = said
  const isFromPayer = payerOf(turn) !== receiver
  return reestablishOf({
    channelId: fromHex(established.id),
    derivation: established.terms.derivation,
    turn,
    sequence: state.sequence,
    payerBalance: BigInt(state.payerBalance),
    signature: signed === undefined ? new Uint8Array(0) : signatureOf(state, signed),
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
        isSigned && payer !== receiver ? signatureOf(of, { by: payer, turn: at }) : undefined
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
      signature: signatureOf(each, { by: receiver, turn })
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
