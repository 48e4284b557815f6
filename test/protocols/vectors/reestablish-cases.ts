/**
 * What each side makes of the other's `Reestablish` (spec.md, section 9): the cases of
 * reestablish.json, by hand.
 */
import type { Epochs } from '../../../src/channel/epochs.js'

/** A state by its number, and what it leaves the payer, in satoshis. */
export interface StateCase {
  readonly sequence: number
  readonly payerBalance: number
}

/**
 * The fields of the `Reestablish` that arrives; the rest follows from the channel. `signedBy`:
 * whose signature over the state it carries.
 */
export interface SaidCase {
  readonly state: StateCase | null
  readonly signedBy?: 'payer' | 'somebody else'
  readonly turn?: number
  readonly derivation?: 'another'
  readonly signed?: number
  readonly payments?: readonly number[]
  readonly paymentsAfter?: number
  readonly epoch: number
  readonly peerEpoch: number
}

/**
 * `goes on`: payments may follow. `only closes`: REEST-4. `ends`: the sender broke a rule.
 * `asks again`: the stream ends, and another is opened.
 */
export type Outcome = 'goes on' | 'only closes' | 'ends' | 'asks again'

/** What becomes of the channel on the side of the sender. */
export function senderOutcome({
  sender,
  outcome
}: {
  readonly sender?: Outcome
  readonly outcome: Outcome
}): Outcome {
  return sender ?? (outcome === 'asks again' ? 'goes on' : outcome)
}

export interface ReestablishCase {
  readonly name: string
  readonly receiver: 'payer' | 'payee'
  /** The receiver has opened the stream, and this is the answer. */
  readonly isAnswer: boolean
  readonly held: StateCase | null
  readonly inFlight?: readonly StateCase[]
  readonly epochs: Epochs
  readonly said: SaidCase
  readonly outcome: Outcome
  /**
   * What becomes of the channel on the other side, once it has heard the answer; left out when it
   * is the same, or `goes on` where the receiver asks again.
   */
  readonly sender?: Outcome
  readonly code?: string
  /** What the receiver holds, or has acknowledged, afterwards. */
  readonly heldAfter: StateCase | null
  readonly epochsAfter: Epochs
  /** Sequences of the updates that the payer sends again. */
  readonly resent?: readonly number[]
}

const ONE: StateCase = { sequence: 1, payerBalance: 90_000 }
const TWO: StateCase = { sequence: 2, payerBalance: 85_000 }
const THREE: StateCase = { sequence: 3, payerBalance: 80_000 }
/** Both have met three times. */
const MET: Epochs = { ours: 3, theirs: 3, seen: 3 }
/**
 * After an answer to the fourth `Reestablish` of the receiver, and after a fourth one that it
 * answered with its own.
 */
const ANSWERED: Epochs = { ours: 4, theirs: 4, seen: 4 }
const OPENED: Epochs = { ours: 4, theirs: 3, seen: 3 }

/** The payer opened the stream: its fourth. The payee answers with its fourth. */
const answer = (state: StateCase | null, changes: Partial<SaidCase> = {}): SaidCase => ({
  state,
  epoch: 4,
  peerEpoch: 4,
  ...changes
})
/** The payer opens the stream, the payee hears it. */
const hello = (state: StateCase | null, changes: Partial<SaidCase> = {}): SaidCase => ({
  state,
  signed: state?.sequence ?? 0,
  epoch: 4,
  peerEpoch: 3,
  ...changes
})

const payer = { receiver: 'payer', isAnswer: true, epochs: OPENED, epochsAfter: ANSWERED } as const
const payee = {
  receiver: 'payee',
  isAnswer: false,
  epochs: MET,
  epochsAfter: { ours: 4, theirs: 4, seen: 3 }
} as const

export const REESTABLISH_CASES: readonly ReestablishCase[] = [
  {
    ...payer,
    name: 'both hold the same',
    held: ONE,
    said: answer(ONE),
    outcome: 'goes on',
    heldAfter: ONE
  },
  {
    ...payer,
    name: 'the payee lacks what is in flight: it is sent again (REEST-2)',
    held: ONE,
    inFlight: [TWO, THREE],
    said: answer(ONE),
    outcome: 'goes on',
    heldAfter: ONE,
    resent: [2, 3]
  },
  {
    ...payer,
    name: 'the payee holds a part of what is in flight: that is acknowledged (REEST-2)',
    held: ONE,
    inFlight: [TWO, THREE],
    said: answer(TWO),
    outcome: 'goes on',
    heldAfter: TWO,
    resent: [3]
  },
  {
    ...payer,
    name: 'the payee holds all that is in flight',
    held: ONE,
    inFlight: [TWO, THREE],
    said: answer(THREE),
    outcome: 'goes on',
    heldAfter: THREE
  },
  {
    ...payer,
    name: 'the payee holds nothing, and nothing was acknowledged: update 0 goes out again',
    held: null,
    inFlight: [{ sequence: 0, payerBalance: 100_000 }],
    said: answer(null),
    outcome: 'goes on',
    heldAfter: null,
    resent: [0]
  },
  {
    ...payer,
    name: 'the payee holds less than it has acknowledged (REEST-4)',
    held: TWO,
    said: answer(ONE),
    outcome: 'only closes',
    code: 'ERR_PEER_FORGOT',
    heldAfter: TWO
  },
  {
    ...payer,
    name: 'the payee has forgotten everything (REEST-4)',
    held: TWO,
    said: answer(null),
    outcome: 'only closes',
    code: 'ERR_PEER_FORGOT',
    heldAfter: TWO
  },
  {
    ...payer,
    name: 'the payer has lost its last writes, and the payee lists all that they paid (REEST-8)',
    held: ONE,
    said: answer(THREE, { payments: [5_000, 5_000], paymentsAfter: 1 }),
    outcome: 'goes on',
    heldAfter: THREE
  },
  {
    ...payer,
    name: 'the payee cannot list all that was paid (REEST-8)',
    held: ONE,
    said: answer(THREE, { payments: [5_000], paymentsAfter: 2 }),
    outcome: 'only closes',
    code: 'ERR_STATE_FORGOTTEN',
    heldAfter: THREE
  },
  {
    ...payer,
    name: 'the list does not add up to what was paid (REEST-8)',
    held: ONE,
    said: answer(THREE, { payments: [5_000, 4_999], paymentsAfter: 1 }),
    outcome: 'only closes',
    code: 'ERR_STATE_FORGOTTEN',
    heldAfter: THREE
  },
  {
    ...payer,
    isAnswer: false,
    epochs: MET,
    epochsAfter: { ours: 4, theirs: 4, seen: 3 },
    name: 'the payee opened the stream, and could not know that a list is needed (REEST-8)',
    held: ONE,
    said: answer(THREE, { payments: [], paymentsAfter: 3, peerEpoch: 3 }),
    outcome: 'asks again',
    code: 'ERR_PAYMENTS_UNKNOWN',
    heldAfter: ONE
  },
  {
    ...payer,
    name: 'the payee answers, and can list nothing (REEST-8)',
    held: ONE,
    said: answer(THREE, { payments: [], paymentsAfter: 3 }),
    outcome: 'only closes',
    code: 'ERR_STATE_FORGOTTEN',
    heldAfter: THREE
  },
  {
    ...payer,
    name: 'the payee shows a state that the payer never signed (REEST-9)',
    held: ONE,
    said: answer(TWO, { signedBy: 'somebody else', payments: [5_000], paymentsAfter: 1 }),
    outcome: 'ends',
    code: 'ERR_BAD_SIGNATURE',
    heldAfter: ONE
  },
  {
    ...payer,
    name: 'the payee shows a state that leaves the payer more than it has signed (REEST-9)',
    held: TWO,
    said: answer({ sequence: 3, payerBalance: 90_000 }, { payments: [], paymentsAfter: 2 }),
    outcome: 'ends',
    code: 'ERR_BALANCE_MISMATCH',
    heldAfter: TWO
  },
  {
    ...payer,
    name: 'the payee holds another update of the same number, which leaves the payer less: a copy of it runs (REEST-4)',
    held: ONE,
    inFlight: [TWO],
    said: answer({ sequence: 2, payerBalance: 70_000 }),
    outcome: 'only closes',
    code: 'ERR_COPY_RUNNING',
    heldAfter: { sequence: 2, payerBalance: 70_000 }
  },
  {
    ...payer,
    name: 'the payee is in another turn (REEST-4)',
    held: ONE,
    said: answer(ONE, { turn: 1 }),
    outcome: 'only closes',
    code: 'ERR_STATE_FORGOTTEN',
    heldAfter: ONE
  },
  {
    ...payer,
    name: 'another derivation (REEST-1)',
    held: ONE,
    said: answer(ONE, { derivation: 'another' }),
    outcome: 'ends',
    code: 'ERR_WRONG_DERIVATION',
    heldAfter: ONE,
    epochsAfter: OPENED
  },
  {
    ...payer,
    name: 'the payee has seen an epoch that the payer never sent: the payer is the copy (REEST-7)',
    held: ONE,
    said: answer(ONE, { peerEpoch: 9 }),
    outcome: 'only closes',
    code: 'ERR_STATE_FORGOTTEN',
    heldAfter: ONE,
    epochsAfter: { ours: 9, theirs: 4, seen: 4 }
  },
  {
    ...payer,
    name: 'the payee repeats an epoch: it runs twice (REEST-7)',
    held: ONE,
    said: answer(ONE, { epoch: 3 }),
    outcome: 'only closes',
    code: 'ERR_COPY_RUNNING',
    heldAfter: ONE,
    epochsAfter: { ours: 4, theirs: 3, seen: 4 }
  },
  {
    ...payee,
    name: 'both hold the same',
    held: ONE,
    said: hello(ONE),
    outcome: 'goes on',
    heldAfter: ONE
  },
  {
    ...payee,
    name: 'the payer has not heard of the last acknowledgement',
    held: TWO,
    said: hello(ONE, { signed: 2 }),
    outcome: 'goes on',
    heldAfter: TWO
  },
  {
    ...payee,
    name: 'nobody holds anything',
    held: null,
    said: hello(null),
    outcome: 'goes on',
    heldAfter: null
  },
  {
    ...payee,
    name: 'the payee is given back what it had acknowledged and forgotten (REEST-9)',
    held: ONE,
    said: hello(THREE),
    outcome: 'only closes',
    code: 'ERR_STATE_FORGOTTEN',
    heldAfter: THREE
  },
  {
    ...payee,
    name: 'the payee is given back its only state (REEST-9)',
    held: null,
    said: hello(TWO),
    outcome: 'only closes',
    code: 'ERR_STATE_FORGOTTEN',
    heldAfter: TWO
  },
  {
    ...payee,
    name: 'the payer shows a newer state without a valid signature (REEST-9)',
    held: ONE,
    said: hello(TWO, { signedBy: 'somebody else' }),
    outcome: 'ends',
    sender: 'only closes',
    code: 'ERR_BAD_SIGNATURE',
    heldAfter: ONE
  },
  {
    ...payee,
    name: 'the payer shows a newer state that leaves it more (REEST-9)',
    held: TWO,
    said: hello({ sequence: 3, payerBalance: 90_000 }),
    outcome: 'ends',
    sender: 'only closes',
    code: 'ERR_BALANCE_MISMATCH',
    heldAfter: TWO
  },
  {
    ...payee,
    name: 'the payer is in another turn (REEST-4)',
    held: ONE,
    said: hello(ONE, { turn: 1 }),
    outcome: 'only closes',
    code: 'ERR_STATE_FORGOTTEN',
    heldAfter: ONE
  },
  {
    ...payee,
    name: 'the payer repeats an epoch: it runs twice (REEST-7)',
    held: ONE,
    said: hello(ONE, { epoch: 3 }),
    outcome: 'only closes',
    code: 'ERR_COPY_RUNNING',
    heldAfter: ONE,
    epochsAfter: { ours: 4, theirs: 3, seen: 3 }
  },
  {
    ...payee,
    name: 'a lower epoch opens a stream: an honest stream can be late; whoever is still there learns that it is the copy (REEST-7)',
    held: ONE,
    said: hello(ONE, { epoch: 2, peerEpoch: 2 }),
    outcome: 'goes on',
    sender: 'only closes',
    heldAfter: ONE,
    epochsAfter: { ours: 4, theirs: 3, seen: 3 }
  },
  {
    ...payee,
    name: 'the payer has forgotten which epochs of the payee it has seen (REEST-7)',
    held: ONE,
    said: hello(ONE, { peerEpoch: 2 }),
    outcome: 'only closes',
    code: 'ERR_PEER_FORGOT',
    heldAfter: ONE
  },
  {
    ...payee,
    name: 'the payer has seen an epoch that the payee never sent: the payee is the copy (REEST-7)',
    held: ONE,
    said: hello(ONE, { peerEpoch: 7 }),
    outcome: 'only closes',
    code: 'ERR_STATE_FORGOTTEN',
    heldAfter: ONE,
    epochsAfter: { ours: 8, theirs: 4, seen: 3 }
  }
]

/*
 * What each side of a two-way channel makes of the other's `Reestablish`, by hand: the second part
 * of reestablish.json. Turn 0 ended with sequence 1, which leaves the client 90,000 of 100,000 sat;
 * turn 1, which the server pays in, with sequence 2, which leaves the server 6,000.
 */

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
