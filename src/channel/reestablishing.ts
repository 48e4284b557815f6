/**
 * The positions of both sides, said first on every new stream of a channel (REEST-1). The payer
 * sends again what the payee does not have (REEST-2); a side that has forgotten a state gets it
 * back by the other side's `Reestablish`, which carries the payer's signature (REEST-9).
 */
import type { Payment, Reestablish } from '../../protocols/paychan/1.0/index.js'
import { fromHex, sameBytes } from '../types/bytes.js'
import type { ErrorCode } from '../types/error-codes.js'
import { satoshi } from '../types/units.js'
import { abandon, closeOnly, stop } from './stopping.js'
import { become, type Effect, type PaymentLogEntry, type Transition } from './effects.js'
import type { Env } from './env.js'
import { heardFrom } from './handed-back.js'
import { compareEpochs, raised, type Relapse } from './epochs.js'
import {
  canLeadTo,
  initialBalance,
  isBase,
  signedBalance,
  totalOf,
  type HeldState,
  type Ledger
} from './ledger.js'
import { isUnsigned } from './outside-funding.js'
import { acknowledge, updateMessage } from './paying.js'
import { renewalRequest } from './renewing.js'
import { payerOf } from './schedule.js'
import { stateDigest } from './signing.js'
import { isFrozen, type ClientChannel, type Established, type RefundSigned } from './state.js'
import { partyOf } from './terms.js'
import { forgetOurWish, isGrantUnknown, isLostGrant, taken } from './turns.js'
import { errorMessage, Violation } from './violation.js'

const NO_SIGNATURE = new Uint8Array(0)

/** The result of comparing the two sides' positions. */
interface Comparison {
  readonly state: Established
  readonly log?: readonly PaymentLogEntry[]
  /** Effects that come after our `Reestablish`: messages, and news for callers. */
  readonly effects?: readonly Effect[]
  /** REEST-4: one of the two has forgotten states; the channel only closes from now on. */
  readonly forgotten?: Violation | undefined
  /** The peer broke a rule: the channel ends with what we hold. */
  readonly broken?: Violation
  /** Nothing is wrong, but the peer has to say more, on another stream. */
  readonly again?: Violation
}

/** Opens a stream: this side speaks first. */
export function openStream(channel: Established, env: Env): Transition {
  const state: Established = { ...channel, link: 'up', epochs: raised(channel.epochs) }
  return become(state, { type: 'send', message: reestablish(state, env) })
}

/** Handles the peer's position: the first message on its stream, or its answer to us. */
export function onReestablish(
  channel: Established | RefundSigned,
  message: Reestablish,
  env: Env
): Transition {
  if (!sameBytes(message.derivation, channel.terms.derivation)) {
    const violation = new Violation(
      'REEST-1',
      'ERR_WRONG_DERIVATION',
      'The key derivation of the channel is another one.'
    )
    return channel.stage === 'established'
      ? stop(channel, violation)
      : abandon(channel, violation, { type: 'send', message: errorMessage(violation, true) })
  }
  const isAnswer = channel.stage === 'established' && channel.link === 'up'
  const { epochs, relapse } = compareEpochs(
    channel.epochs,
    message.epoch,
    message.peerEpoch,
    isAnswer
  )
  if (channel.stage === 'refund-signed') {
    // A side that has gone back to here gets T1 next; then the states can be compared.
    const state: RefundSigned = { ...channel, link: 'live', epochs: raised(epochs) }
    return become(state, { type: 'send', message: reestablish(state, env) })
  }
  const live: Established = { ...channel, link: 'live', epochs: isAnswer ? epochs : raised(epochs) }
  // A turn that was granted meanwhile is taken before anything is compared.
  const { state, effects } = isLostGrant(live, message) ? taken(live) : become(forgetOurWish(live))
  const compared =
    payerOf(state.ledger.turn) === state.role
      ? asPayer(state, message, isAnswer, env)
      : asPayee(state, message, env)
  const forgotten = compared.forgotten ?? relapsed(relapse) ?? putBack(state)
  const { state: stands, broken, again } = compared
  const heard =
    broken === undefined && again === undefined ? heardFrom(stands, message.turn) : stands
  const known = mayHaveGoneBack(forgotten)
    ? withoutOurWord(compared.effects ?? [], state.ledger, forgotten.message)
    : (compared.effects ?? [])
  return concluded(
    { ...compared, state: heard, forgotten, effects: [...effects, ...known] },
    isAnswer ? [] : [answer(compared.state, message, env)]
  )
}

function concluded(compared: Comparison, first: readonly Effect[]): Transition {
  const { state, log = [], effects = [], forgotten, broken, again } = compared
  if (again !== undefined) {
    return become(state, { type: 'send', message: errorMessage(again, false) }, { type: 'hang-up' })
  }
  if (broken !== undefined) {
    const stopped = stop(state, broken)
    return { state: stopped.state, log, effects: [...first, ...effects, ...stopped.effects] }
  }
  const end = forgotten === undefined ? become(state) : closeOnly(state, forgotten)
  return {
    state: end.state,
    log,
    effects: [
      ...first,
      ...effects,
      ...resumption(end.state),
      ...saidAgain(end.state, end.effects),
      ...end.effects,
      { type: 'notify', news: { kind: 'reconnected' } }
    ]
  }
}

/**
 * REEST-2 and REEST-5: sends again everything that the peer has not got. On a channel that has
 * ended no update is sent.
 */
function resumption(state: Established): Effect[] {
  const effects: Effect[] = []
  if (state.role === 'client' && !state.fundingAcknowledged && !isUnsigned(state)) {
    effects.push(...fundingAgain(state))
  }
  if (!isFrozen(state) && state.stopped === undefined) {
    for (const update of state.ledger.inFlight) {
      effects.push({ type: 'send', message: updateMessage(state.ledger, update) })
    }
  }
  if (state.ready.ours) effects.push({ type: 'send', message: { type: 'ChannelReady' } })
  return effects
}

/** REEST-2, RENEW-6. */
function fundingAgain(state: ClientChannel): Effect[] {
  if (state.terms.renews === undefined) {
    return [{ type: 'send', message: { type: 'Funding', fundingTx: state.fundingTx } }]
  }
  // The T1 that the chain shows is complete, and the server has it from there.
  return renewalRequest(state)
}

/**
 * ERR-3: repeats the error on every stream: the peer may not have noticed it, or may have lost it
 * with the stream.
 */
function saidAgain({ stopped }: Established, news: readonly Effect[]): Effect[] {
  if (stopped === undefined || news.length > 0) return []
  return [
    {
      type: 'send',
      message: errorMessage(
        { code: stopped.code, rule: stopped.rule, message: stopped.reason },
        true
      )
    }
  ]
}

/** Makes this side's `Reestablish`: the newest state, with the payer's signature. */
function reestablish(channel: Established | RefundSigned, env: Env): Reestablish {
  const ledger = channel.stage === 'established' ? channel.ledger : undefined
  const held = channel.stage === 'established' ? channel.ledger.held : channel.initial
  const hasState = channel.stage === 'established' && held !== undefined && !isBase(channel)
  const isPayer = channel.stage === 'established' && payerOf(channel.ledger.turn) === channel.role
  return {
    type: 'Reestablish',
    channelId: fromHex(channel.id),
    derivation: channel.terms.derivation,
    turn: ledger?.turn ?? 0,
    sequence: held?.sequence ?? 0,
    payerBalance: held?.payerBalance ?? 0n,
    // A payer signs the state again, with the same 64 bytes (RFC 6979): nothing has to be kept for
    // this. A turn begins with a state that nobody has signed in it.
    signature:
      isPayer && hasState
        ? env.sign(stateDigest(channel, held.payerBalance))
        : (held?.signature ?? NO_SIGNATURE),
    signed: isPayer ? (newestSigned(channel.ledger) ?? 0) : 0,
    payments: [],
    paymentsAfter: isPayer ? 0 : (held?.sequence ?? 0),
    epoch: channel.epochs.ours,
    peerEpoch: channel.epochs.theirs
  }
}

/**
 * REEST-8: tells a payer that does not know of its newest updates what they paid. Otherwise nothing
 * is read.
 */
function answer(state: Established, { signed }: Reestablish, env: Env): Effect {
  const message = reestablish(state, env)
  const lacks = payerOf(state.ledger.turn) !== state.role && message.sequence > signed
  return lacks ? { type: 'send-with-payments', message, after: signed } : { type: 'send', message }
}

function newestSigned({ inFlight, held }: Ledger): number | undefined {
  return inFlight.at(-1)?.sequence ?? held?.sequence
}

/** True when our own data may be an old copy: anything but that only the peer has gone back. */
function mayHaveGoneBack(forgotten: Violation | undefined): forgotten is Violation {
  return forgotten !== undefined && forgotten.code !== 'ERR_PEER_FORGOT'
}

/**
 * REEST-8: an old copy does not know what replaced its payments in flight. A payee that holds a
 * state of their number, even one of the same balance, need not have got these payments.
 */
function withoutOurWord(
  effects: readonly Effect[],
  { inFlight }: Ledger,
  reason: string
): Effect[] {
  const doubtful = new Set(inFlight.flatMap((update) => update.payments))
  return effects.flatMap((effect): Effect[] => {
    if (effect.type !== 'payments-acknowledged') return [effect]
    const [unknown, listed] = [
      effect.payments.filter((payment) => doubtful.has(payment)),
      effect.payments.filter((payment) => !doubtful.has(payment))
    ]
    return [
      ...(unknown.length > 0
        ? [{ type: 'payments-unknown' as const, payments: unknown, reason }]
        : []),
      ...(listed.length > 0 ? [{ ...effect, payments: listed }] : [])
    ]
  })
}

/**
 * RESTORE-10: what a side has forgotten since its backup the peer need not say: a close that both
 * have signed, a turn. So nothing is paid or acknowledged on top of what the backup knows.
 */
function putBack({ copied }: Established): Violation | undefined {
  return copied === undefined
    ? undefined
    : forgot(
        'ERR_STATE_FORGOTTEN',
        'This node was put back from a backup. The channel only closes now.'
      )
}

function relapsed(relapse: Relapse | undefined): Violation | undefined {
  switch (relapse) {
    case undefined:
      return undefined
    case 'the peer':
      return forgot(
        'ERR_PEER_FORGOT',
        'The peer was restored from an old copy of its data. The channel only closes now.'
      )
    case 'this node':
      return forgot(
        'ERR_STATE_FORGOTTEN',
        'This node was restored from an old copy of its data. The channel only closes now.'
      )
    case 'a copy':
      return forgot(
        'ERR_COPY_RUNNING',
        'One side of the channel runs twice, or was restored from an old copy of its data. The channel only closes now.'
      )
  }
}

function forgot(code: ErrorCode, text: string, facts = {}): Violation {
  return new Violation('REEST-4', code, text, facts)
}

/** Finds the side that has forgotten: the one that is behind. */
function otherTurn(theirs: number, ours: number): Violation {
  return forgot(
    theirs > ours ? 'ERR_STATE_FORGOTTEN' : 'ERR_PEER_FORGOT',
    `The peer is in turn ${theirs}, and this node in turn ${ours}. The channel only closes now.`
  )
}

function isPayersSignature(
  channel: Established,
  { payerBalance, signature }: Reestablish,
  env: Env
): boolean {
  const { terms, ledger } = channel
  return (
    payerBalance <= terms.capacity &&
    env.verify(
      partyOf(terms, payerOf(ledger.turn)).channelKey,
      stateDigest(channel, satoshi(payerBalance)),
      signature
    )
  )
}

const forged = (sequence: number): Violation =>
  new Violation(
    'REEST-9',
    'ERR_BAD_SIGNATURE',
    `The signature of state ${sequence} is not the payer's.`,
    { sequence }
  )
const tooManyUpdates = (sequence: number): Violation =>
  new Violation(
    'REEST-9',
    'ERR_OUT_OF_ORDER',
    `State ${sequence} is said to follow after more updates than satoshis were paid since.`,
    { sequence }
  )
const larger = (sequence: number): Violation =>
  new Violation(
    'REEST-9',
    'ERR_BALANCE_MISMATCH',
    `State ${sequence} is said to leave the payer more than an earlier one did.`,
    { sequence }
  )

/**
 * The payee's comparison: it takes states that the payer knows to be acknowledged, and that we do
 * not hold, from the payer itself (REEST-9).
 */
function asPayee(channel: Established, message: Reestablish, env: Env): Comparison {
  const { ledger, terms } = channel
  const { held } = ledger
  const { sequence, payerBalance } = message
  if (isGrantUnknown(channel, message)) return { state: channel }
  if (message.turn !== ledger.turn) {
    return { state: channel, forgotten: otherTurn(message.turn, ledger.turn) }
  }
  if (message.signature.length === 0) return { state: channel }
  const isNews = held === undefined || sequence > held.sequence || payerBalance < held.payerBalance
  if (!isNews) return { state: channel }
  if (payerBalance > (held?.payerBalance ?? initialBalance(terms))) {
    return { state: channel, broken: larger(sequence) }
  }
  const before = held ?? { sequence: 0, payerBalance: initialBalance(terms) }
  if (sequence > before.sequence && !canLeadTo(before, message)) {
    return { state: channel, broken: tooManyUpdates(sequence) }
  }
  if (!isPayersSignature(channel, message, env)) return { state: channel, broken: forged(sequence) }
  const adopted: HeldState = {
    sequence: Math.max(sequence, held?.sequence ?? 0),
    payerBalance: satoshi(payerBalance),
    paymentCount: held?.paymentCount ?? 0,
    signature: message.signature
  }
  const text = `The peer knows of update ${sequence}, and this node held ${held?.sequence ?? 'none'}: its data was restored from an old copy. It took the newer state from the peer; the channel only closes now.`
  return {
    state: { ...channel, ledger: { ...ledger, held: adopted } },
    forgotten: forgot('ERR_STATE_FORGOTTEN', text, { sequence, held: held?.sequence })
  }
}

/**
 * The payer's comparison: a state that the payee holds with our signature is acknowledged, whether
 * we know of it or not.
 */
function asPayer(
  channel: Established,
  message: Reestablish,
  isAnswer: boolean,
  env: Env
): Comparison {
  const { ledger } = channel
  const { held } = ledger
  const { sequence, payerBalance } = message
  if (message.turn !== ledger.turn) {
    return { state: channel, forgotten: otherTurn(message.turn, ledger.turn) }
  }
  const hasNone = message.signature.length === 0
  if (hasNone && held === undefined) return { state: channel }
  if (
    hasNone &&
    isBase(channel) &&
    sequence === held?.sequence &&
    payerBalance === held.payerBalance
  ) {
    return { state: channel }
  }
  if (hasNone || (held !== undefined && sequence < held.sequence)) {
    const text = `The peer holds ${hasNone ? 'no update' : `update ${sequence}`} and has acknowledged ${held?.sequence ?? 0}: it was restored from an old copy. The channel only closes now.`
    // A server may even have forgotten T1.
    return {
      state:
        hasNone && channel.role === 'client' ? { ...channel, fundingAcknowledged: false } : channel,
      forgotten: forgot('ERR_PEER_FORGOT', text, { sequence, held: held?.sequence })
    }
  }
  if (!isPayersSignature(channel, message, env)) return { state: channel, broken: forged(sequence) }
  // A payee that holds a state has T1; in a renewal only the first state comes before T1.
  const known: Established =
    channel.role === 'client' && (channel.terms.renews === undefined || sequence > 0)
      ? { ...channel, fundingAcknowledged: true }
      : channel
  const ours = [held, ...ledger.inFlight].find((state) => state?.sequence === sequence)
  if (ours === undefined) return adoptOwn(known, message, isAnswer, env)
  if (payerBalance > ours.payerBalance) return { state: known, broken: larger(sequence) }
  if (payerBalance === ours.payerBalance) return acknowledge(known, sequence)
  const text = `The peer holds another update ${sequence} of this node, which leaves it less: a copy of this node is running. The channel only closes now.`
  return { ...adopt(known, message, []), forgotten: forgot('ERR_COPY_RUNNING', text, { sequence }) }
}

/**
 * REEST-4: we have signed a state that we do not know of: the last writes were lost, or our data is
 * an old copy.
 */
function adoptOwn(
  channel: Established,
  message: Reestablish,
  isAnswer: boolean,
  env: Env
): Comparison {
  const { ledger, terms } = channel
  const { sequence, payments, paymentsAfter } = message
  const signed = newestSigned(ledger) ?? 0
  const left = signedBalance(ledger, terms)
  if (message.payerBalance > left) return { state: channel, broken: larger(sequence) }
  if (!canLeadTo({ sequence: signed, payerBalance: left }, message)) {
    return { state: channel, broken: tooManyUpdates(sequence) }
  }
  // A payee that opens the stream cannot know that a list is needed; one that answers without a
  // list never will.
  if (!isAnswer && paymentsAfter === sequence && sequence > 0) {
    return {
      state: channel,
      again: new Violation(
        'REEST-8',
        'ERR_PAYMENTS_UNKNOWN',
        'This node has lost its newest payments. It asks for them on a stream of its own.'
      )
    }
  }
  const adopted = adopt(channel, message, payments)
  const log: PaymentLogEntry[] =
    payments.length === 0
      ? []
      : [{ sequence, direction: 'sent', time: env.now, payments, forgottenAfter: signed }]
  if (paymentsAfter > signed || totalOf(payments) !== left - message.payerBalance) {
    return {
      ...adopted,
      log,
      forgotten: forgot(
        'ERR_STATE_FORGOTTEN',
        `This node has lost its updates after ${signed}, and the peer cannot list all that they paid. It took the newest state from the peer; the channel only closes now.`,
        { sequence, signed }
      )
    }
  }
  return { ...adopted, log }
}

/** Acknowledges everything in flight, and everything that we had forgotten. */
function adopt(
  channel: Established,
  { sequence, payerBalance }: Reestablish,
  forgotten: readonly Payment[]
): { state: Established; effects: Effect[] } {
  const { ledger } = channel
  const payments = [...ledger.inFlight.flatMap((update) => update.payments), ...forgotten]
  const held: HeldState = {
    sequence,
    payerBalance: satoshi(payerBalance),
    paymentCount: (ledger.held?.paymentCount ?? 0) + payments.length,
    signature: undefined
  }
  return {
    state: { ...channel, ledger: { ...ledger, held, inFlight: [] } },
    effects:
      payments.length > 0 ? [{ type: 'payments-acknowledged', payments, upTo: sequence }] : []
  }
}
