/**
 * What each side of a two-way channel makes of the other's `Reestablish`, by hand: the second part
 * of reestablish.json. Turn 0 ended with sequence 1, which leaves the client 90,000 of 100,000 sat;
 * turn 1, which the server pays in, with sequence 2, which leaves the server 6,000.
 */
import type { Outcome, StateCase } from './reestablish-cases.js'

/** Where the receiver stands before the message arrives. */
export interface TurnsSide {
  readonly turn: number
  /**
   * What it holds, or has acknowledged, in this turn; in one in which nothing was acknowledged,
   * what that began with (TURN-6).
   */
  readonly state: StateCase
  /** The turn that it has asked for. */
  readonly asked?: number
  readonly inFlight?: readonly StateCase[]
}

export interface TurnsSaid {
  readonly turn: number
  readonly state: StateCase
  /** By whom, and in which turn; left out where nothing was signed in the turn. */
  readonly signed?: { readonly by: 'client' | 'server'; readonly turn: number }
  /** The payer's newest sequence of its own. */
  readonly newest?: number
  readonly payments?: readonly number[]
  readonly paymentsAfter?: number
}

export interface TurnsCase {
  readonly name: string
  readonly receiver: 'client' | 'server'
  readonly before: TurnsSide
  readonly said: TurnsSaid
  readonly outcome: Outcome
  readonly code?: string
  readonly after: { readonly turn: number; readonly state: StateCase }
  /** Sequences of the updates that go out again. */
  readonly resent?: readonly number[]
}

const END_OF_0: StateCase = { sequence: 1, payerBalance: 90_000 }
const BEGIN_OF_1: StateCase = { sequence: 1, payerBalance: 10_000 }
const PAID_IN_1: StateCase = { sequence: 2, payerBalance: 6_000 }
const MORE_IN_1: StateCase = { sequence: 3, payerBalance: 5_500 }
const BEGIN_OF_2: StateCase = { sequence: 2, payerBalance: 94_000 }

const byClient0 = { by: 'client', turn: 0 } as const
const byServer1 = { by: 'server', turn: 1 } as const
const goesOn = { outcome: 'goes on' } as const
const closes = { outcome: 'only closes' } as const
const ends = { outcome: 'ends' } as const

const server = { receiver: 'server' } as const
const client = { receiver: 'client' } as const

export const TURNS_CASES: readonly TurnsCase[] = [
  {
    ...server,
    ...goesOn,
    name: 'the grant was lost with the stream: who has asked takes the turn (TURN-2)',
    before: { turn: 0, state: END_OF_0, asked: 1 },
    said: { turn: 1, state: BEGIN_OF_1 },
    after: { turn: 1, state: BEGIN_OF_1 }
  },
  {
    ...server,
    ...goesOn,
    name: 'the request was lost with the stream: it may ask again',
    before: { turn: 0, state: END_OF_0, asked: 1 },
    said: { turn: 0, state: END_OF_0, signed: byClient0, newest: 1 },
    after: { turn: 0, state: END_OF_0 }
  },
  {
    ...server,
    ...closes,
    name: 'a turn that was not asked for (REEST-4)',
    code: 'ERR_STATE_FORGOTTEN',
    before: { turn: 0, state: END_OF_0 },
    said: { turn: 1, state: BEGIN_OF_1 },
    after: { turn: 0, state: END_OF_0 }
  },
  {
    ...server,
    ...closes,
    name: 'a turn that begins with another state than the one that is held (REEST-4)',
    code: 'ERR_STATE_FORGOTTEN',
    before: { turn: 0, state: END_OF_0, asked: 1 },
    said: { turn: 1, state: { sequence: 1, payerBalance: 9_000 } },
    after: { turn: 0, state: END_OF_0 }
  },
  {
    ...server,
    ...closes,
    name: 'a turn that begins with a sequence that was never seen (REEST-4)',
    code: 'ERR_STATE_FORGOTTEN',
    before: { turn: 0, state: END_OF_0, asked: 1 },
    said: { turn: 1, state: { sequence: 2, payerBalance: 10_000 } },
    after: { turn: 0, state: END_OF_0 }
  },
  {
    ...client,
    ...goesOn,
    name: 'the requester does not know of the grant yet (TURN-2)',
    before: { turn: 1, state: BEGIN_OF_1 },
    said: { turn: 0, state: END_OF_0, signed: byClient0 },
    after: { turn: 1, state: BEGIN_OF_1 }
  },
  {
    ...client,
    ...closes,
    name: 'the requester has paid in the turn, and does not know of it any more (REEST-4)',
    code: 'ERR_PEER_FORGOT',
    before: { turn: 1, state: PAID_IN_1 },
    said: { turn: 0, state: END_OF_0, signed: byClient0 },
    after: { turn: 1, state: PAID_IN_1 }
  },
  {
    ...server,
    ...closes,
    name: 'the one that granted the turn does not know of it any more (REEST-4)',
    code: 'ERR_PEER_FORGOT',
    before: { turn: 1, state: PAID_IN_1 },
    said: { turn: 0, state: END_OF_0, signed: byClient0, newest: 1 },
    after: { turn: 1, state: PAID_IN_1 }
  },
  {
    ...server,
    ...goesOn,
    name: 'both are in a turn in which nothing was paid: nobody has a signature (TURN-6)',
    before: { turn: 1, state: BEGIN_OF_1 },
    said: { turn: 1, state: BEGIN_OF_1 },
    after: { turn: 1, state: BEGIN_OF_1 }
  },
  {
    ...client,
    ...goesOn,
    name: 'both are in a turn in which nothing was paid, seen by the payee',
    before: { turn: 1, state: BEGIN_OF_1 },
    said: { turn: 1, state: BEGIN_OF_1, newest: 1 },
    after: { turn: 1, state: BEGIN_OF_1 }
  },
  {
    ...server,
    ...goesOn,
    name: 'the first update of the turn was lost: it is sent again (REEST-2)',
    before: { turn: 1, state: BEGIN_OF_1, inFlight: [PAID_IN_1] },
    said: { turn: 1, state: BEGIN_OF_1 },
    after: { turn: 1, state: BEGIN_OF_1 },
    resent: [2]
  },
  {
    ...server,
    ...goesOn,
    name: 'its acknowledgement was lost (REEST-2)',
    before: { turn: 1, state: BEGIN_OF_1, inFlight: [PAID_IN_1, MORE_IN_1] },
    said: { turn: 1, state: PAID_IN_1, signed: byServer1 },
    after: { turn: 1, state: PAID_IN_1 },
    resent: [3]
  },
  {
    ...client,
    ...goesOn,
    name: 'the payer has signed in the turn, and knows of no acknowledgement',
    before: { turn: 1, state: PAID_IN_1 },
    said: { turn: 1, state: BEGIN_OF_1, newest: 2 },
    after: { turn: 1, state: PAID_IN_1 }
  },
  {
    ...client,
    ...closes,
    name: 'the payee of the turn is given back what it had acknowledged and forgotten (REEST-9)',
    code: 'ERR_STATE_FORGOTTEN',
    before: { turn: 1, state: BEGIN_OF_1 },
    said: { turn: 1, state: PAID_IN_1, signed: byServer1, newest: 2 },
    after: { turn: 1, state: PAID_IN_1 }
  },
  {
    ...server,
    ...goesOn,
    name: 'the payer has lost its writes in the turn, and the payee lists them (REEST-8)',
    before: { turn: 1, state: BEGIN_OF_1 },
    said: {
      turn: 1,
      state: MORE_IN_1,
      signed: byServer1,
      payments: [4_000, 500],
      paymentsAfter: 1
    },
    after: { turn: 1, state: MORE_IN_1 }
  },
  {
    ...server,
    ...closes,
    name: 'the payee has forgotten what was paid in the turn (REEST-4)',
    code: 'ERR_PEER_FORGOT',
    before: { turn: 1, state: PAID_IN_1 },
    said: { turn: 1, state: BEGIN_OF_1 },
    after: { turn: 1, state: PAID_IN_1 }
  },
  {
    ...server,
    ...closes,
    name: 'the payee says that the turn began with less (REEST-4)',
    code: 'ERR_PEER_FORGOT',
    before: { turn: 1, state: BEGIN_OF_1 },
    said: { turn: 1, state: { sequence: 1, payerBalance: 9_000 } },
    after: { turn: 1, state: BEGIN_OF_1 }
  },
  {
    ...client,
    ...ends,
    name: 'a signature of the payer for another turn, whose lock is another one (REEST-9)',
    code: 'ERR_BAD_SIGNATURE',
    before: { turn: 1, state: BEGIN_OF_1 },
    said: { turn: 1, state: PAID_IN_1, signed: { by: 'server', turn: 3 }, newest: 2 },
    after: { turn: 1, state: BEGIN_OF_1 }
  },
  {
    ...client,
    ...ends,
    name: 'a signature of the side that does not pay in the turn (REEST-9)',
    code: 'ERR_BAD_SIGNATURE',
    before: { turn: 1, state: BEGIN_OF_1 },
    said: { turn: 1, state: PAID_IN_1, signed: { by: 'client', turn: 1 }, newest: 2 },
    after: { turn: 1, state: BEGIN_OF_1 }
  },
  {
    ...client,
    ...ends,
    name: 'a state that leaves the payer of the turn more than it began with (REEST-9)',
    code: 'ERR_BALANCE_MISMATCH',
    before: { turn: 1, state: BEGIN_OF_1 },
    said: { turn: 1, state: { sequence: 2, payerBalance: 11_000 }, signed: byServer1, newest: 2 },
    after: { turn: 1, state: BEGIN_OF_1 }
  },
  {
    ...client,
    ...goesOn,
    name: 'the grant of turn 2 was lost: the client takes it (TURN-2)',
    before: { turn: 1, state: PAID_IN_1, asked: 2 },
    said: { turn: 2, state: BEGIN_OF_2 },
    after: { turn: 2, state: BEGIN_OF_2 }
  },
  {
    ...server,
    ...goesOn,
    name: 'the client does not know of the grant of turn 2 yet (TURN-2)',
    before: { turn: 2, state: BEGIN_OF_2 },
    said: { turn: 1, state: PAID_IN_1, signed: byServer1 },
    after: { turn: 2, state: BEGIN_OF_2 }
  },
  {
    ...server,
    ...closes,
    name: 'two turns behind: nobody can be (REEST-4)',
    code: 'ERR_PEER_FORGOT',
    before: { turn: 2, state: BEGIN_OF_2 },
    said: { turn: 0, state: END_OF_0, signed: byClient0, newest: 1 },
    after: { turn: 2, state: BEGIN_OF_2 }
  }
]
