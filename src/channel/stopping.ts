/** Ends a channel before its time: no more payments, or an opening that is given up. */
import { payerOutput } from '../bitcoin/template.js'
import { alarm, PaychanError } from '../types/errors.js'
import { blockHeight, satoshi } from '../types/units.js'
import { type Effect, become, type Transition } from './effects.js'
import { signedBalance } from './ledger.js'
import { isOlder, payerOf } from './schedule.js'
import { stateTemplate } from './signing.js'
import { shareIn } from './stakes.js'
import {
  type Abandoned,
  type Channel,
  type Established,
  identityOf,
  type ShownSpend,
  type Spend,
  type Stopped
} from './state.js'
import { errorMessage, Violation } from './violation.js'

/* The end of payments on a channel that cannot go on. What was received stays received. */

const LIST_FALSE = 'ERR_LIST_FALSE'
const PEER_FORGOT = 'ERR_PEER_FORGOT'

/**
 * The peer broke a rule (UPD-16): it is told which, the stream ends, and the channel closes with
 * the last good state. The payee settles at once; the payer has to wait for its refund.
 */
export function stop(channel: Established, violation: Violation): Transition<Established> {
  const message = errorMessage(violation, true)
  if (channel.stopped !== undefined) {
    return become(channel, { type: 'send', message }, { type: 'hang-up' })
  }
  const settleNow = payerOf(channel.ledger.turn) !== channel.role
  const state: Established = {
    ...channel,
    stopped: { code: violation.code, reason: violation.message, rule: violation.rule, settleNow }
  }
  return become(
    state,
    { type: 'send', message },
    { type: 'hang-up' },
    alarm(
      PaychanError.of(
        violation.code,
        `The peer broke rule ${violation.rule}: ${violation.message}`,
        violation.facts
      )
    )
  )
}

/**
 * REEST-4: one side has forgotten states. Nobody is to be paid on top of unknown states, so there
 * are no payments any more; the stream stays, for a close in peace, and the newest state is
 * published by height as ever. That this side may be the one is news on a channel that has stopped
 * already, too: a peer could else stop it for anything first.
 */
export function closeOnly(channel: Established, violation: Violation): Transition<Established> {
  const { code, message, rule } = violation
  const isPeers = code === PEER_FORGOT
  const why = { code, reason: message, rule, settleNow: false }
  const stopped = stoppedFor(channel, why, !isPeers)
  if (stopped === undefined) return become(channel)
  return become(
    stopped.channel,
    { type: 'send', message: errorMessage(violation, true) },
    alarm(
      PaychanError.of(
        code,
        isPeers ? message : `${message} ${whereMoneyMayBe(channel)}`,
        violation.facts
      )
    ),
    ...stopped.ask
  )
}

/**
 * A channel that stops: what has stopped it first stays the reason. Undefined when nothing about it
 * is new.
 *
 * @param isAboutUs - this side may be the one that has forgotten, and its channels are asked for
 *   (RESTORE-8)
 */
export function stoppedFor(
  channel: Established,
  why: Stopped,
  isAboutUs: boolean
): { readonly channel: Established; readonly ask: readonly Effect[] } | undefined {
  const { stopped } = channel
  if (stopped !== undefined && (!isAboutUs || knowsItself(channel))) return undefined
  return isAboutUs
    ? {
        channel: { ...channel, stopped: stopped ?? why, mayHaveForgotten: true },
        ask: [{ type: 'ask-for-channels' }]
      }
    : { channel: { ...channel, stopped: why }, ask: [] }
}

/** True when this side knows already that it may have forgotten what it has signed. */
export function knowsItself({
  restored,
  mayHaveForgotten
}: Pick<Established, 'restored' | 'mayHaveForgotten'>): boolean {
  return restored === true || mayHaveForgotten === true
}

/** RESTORE-8: advice for a node that may run on an old copy of its data. */
export function whereMoneyMayBe({ peer }: Pick<Channel, 'peer'>): string {
  return `If this node runs on an old copy of its data, money may be in channels that only the peer ${peer} knows of: it is asked for them now, and by \`paychan recover ${peer}\`.`
}

/**
 * REEST-8: the payee's list of our payments cannot be true. The payee took nothing that we had not
 * signed, but by now nobody knows what it was paid for. Outranks any other reason why the channel
 * only closes.
 */
export function distrustList(channel: Channel, id: string): Transition {
  if (channel.stage !== 'established') return become(channel)
  const text = `This node had lost payments, and the peer's list of them is false: payment ${id} was made otherwise, or is listed twice. The channel only closes now, and payments to this peer with an id are refused.`
  return closeOnly(
    { ...channel, stopped: undefined },
    new Violation('REEST-4', LIST_FALSE, text, { id })
  )
}

/**
 * True when this side may have forgotten payments of its own on this channel: the channel was
 * handed back, or has shown that this side was on an old copy. Nobody knows what they were paid
 * for.
 */
export function mayLackPayments(channel: Channel): boolean {
  return (
    channel.stage === 'established' &&
    (knowsItself(channel) ||
      [channel.onChain.spend, ...channel.onChain.shown].some(
        (spend) => spend !== undefined && isForgotten(channel, spend)
      ))
  )
}

/**
 * True when the record of the balances is lost, and the peer has not brought them back: no payment
 * can be called failed then, for nobody knows what was acknowledged.
 */
export function hasLostLedger({
  mayHaveForgotten,
  ledger
}: Pick<Established, 'mayHaveForgotten' | 'ledger'>): boolean {
  return mayHaveForgotten === true && ledger.held === undefined
}

/**
 * True when we have forgotten a spend that both have signed: it is of a later turn than we know,
 * leaves us less than everything that we know to have signed, or is none of the spends that we
 * know.
 */
export function isForgotten(
  channel: Established,
  { kind, state, clientBalance }: Spend | ShownSpend
): boolean {
  const { terms, ledger, role } = channel
  if (kind === 'unknown') return true
  if (state === undefined || clientBalance === undefined || isOlder(state, ledger.turn)) {
    return false
  }
  if (isOlder(ledger.turn, state)) return true
  // Below dust the payer has no output.
  return (
    payerOf(state) === role &&
    shareIn(terms.capacity, 0, clientBalance, role) <
      (payerOutput(stateTemplate(channel, signedBalance(ledger, terms)))?.value ?? 0n)
  )
}

/** True when the peer's list of the payments to it is false. */
export function isListFalse(channel: Channel): boolean {
  return channel.stage === 'established' && channel.stopped?.code === LIST_FALSE
}

/* Giving up an opening before T1 has left the client: nobody has anything to lose yet. */

/**
 * A channel that can still be given up; an established one only when its T1 can never be in a block
 * (RENEW-7).
 */
type NotAbandoned = Exclude<Channel, Abandoned>

/**
 * OPEN-9 and every refusal of the opening. The inputs of T1 become free; keys and the outpoint
 * stay known (KEY-3, REF-2); the stream ends after `first`, usually an `Error` for the peer.
 */
export function abandon(
  state: NotAbandoned,
  why: PaychanError,
  ...first: Effect[]
): Transition<Abandoned> {
  const abandoned: Abandoned = {
    ...identityOf(state),
    stage: 'abandoned',
    capacity: state.stage === 'offered' ? satoshi(state.offer.capacity) : state.terms.capacity,
    refundHeight:
      state.stage === 'offered' ? blockHeight(state.offer.refundHeight) : state.terms.refundHeight,
    code: why.code,
    reason: why.message,
    facts: why.facts,
    outPoint: 'outPoint' in state ? state.outPoint : undefined,
    theirKey: theirKeyOf(state)
  }
  const release: Effect[] = state.role === 'client' ? [{ type: 'release-funding' }] : []
  return become(
    abandoned,
    ...first,
    { type: 'hang-up' },
    ...release,
    { type: 'close-done', kind: 'abandoned', txid: undefined },
    { type: 'notify', news: { kind: 'abandoned', code: why.code, reason: why.message } }
  )
}

function theirKeyOf(state: NotAbandoned): Uint8Array | undefined {
  if (state.stage === 'offered') return undefined
  return state.role === 'client' ? state.terms.server.channelKey : state.terms.client.channelKey
}
