/**
 * The summary in peace: a cooperative close. The asker signs first, pays the fee and is frozen
 * from then on; the other side completes and broadcasts. A signed close has no lock, so it
 * outranks every state; unconfirmed, it postpones nothing (CLOSE-8: see publishing.ts).
 */
import type { CloseDone, CloseRequest } from '../../protocols/paychan/1.0/index.js'
import {
  closeSighash,
  closeTxid,
  closeVsize,
  completeClose,
  type CloseTerms
} from '../bitcoin/closing.js'
import { otherRole, type Role } from '../bitcoin/keys.js'
import { hashFromTxid, sameBytes, txidFromHash, type Txid } from '../types/bytes.js'
import { feeFor, formatAmount, max, satoshi, type FeeRate, type Satoshi } from '../types/units.js'
import { PaychanError } from '../types/errors.js'
import { feeToAsk, usualFee } from './close-fee.js'
import { abandon, stop } from './stopping.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { balances } from './ledger.js'
import { giveUpUnsigned, isUnsigned } from './outside-funding.js'
import { isNotCompleted } from './renewing.js'
import { rests } from './resending.js'
import { lastPaymentHeightOf, publishHeightOf } from './schedule.js'
import { notRenewed } from './self-renewal.js'
import { isTurnUnused } from './turns.js'
import {
  isOpening,
  spendInSight,
  type Channel,
  type Established,
  type SignedClose
} from './state.js'
import { fundingOutput, partyOf } from './terms.js'
import { isWorthless, NEVER_MINED } from './funding.js'
import { attempt, errorMessage, must, Violation } from './violation.js'

/**
 * Handles a user's request to close.
 *
 * @param named - the feerate that a person wants to pay; undefined for the usual one
 */
export function onClose(channel: Channel, env: Env, named?: FeeRate): Transition {
  if (channel.stage === 'abandoned') {
    return become(channel, { type: 'close-done', kind: 'abandoned', txid: undefined })
  }
  if (isOpening(channel)) {
    const cancelled = new PaychanError(
      'ERR_CANCELLED',
      'The opening was cancelled by its user; nothing was funded.'
    )
    return abandon(channel, cancelled, { type: 'send', message: errorMessage(cancelled, true) })
  }
  if (isUnsigned(channel)) return giveUpUnsigned(channel)
  const asked = ask(channel, env, named)
  return asked instanceof PaychanError
    ? become(channel, { type: 'close-refused', error: asked })
    : asked
}

/**
 * Blocks between the last payment and a close that nobody asked for. A payer may be some blocks
 * behind; and the server goes first, since it pays for the end one way or the other.
 */
export const BLOCKS_UNTIL_CLOSE: Readonly<Record<Role, number>> = { server: 3, client: 6 }

/**
 * TIME-5, TURN-7: ends the channel by a close once no more payments are possible, or a granted turn
 * stays unused, and the other side is connected.
 */
export function closeIfDue(channel: Established, env: Env): Transition<Established> {
  const { terms, ledger, role, onChain, publication, closes } = channel
  // A side that has just come back to the chain gives the peer, which may have been away as long,
  // the same time to renew the channel.
  const end = max(lastPaymentHeightOf(terms, ledger.turn), env.seenSince ?? 0)
  const isOver =
    env.height !== undefined &&
    env.height >= end + BLOCKS_UNTIL_CLOSE[role] &&
    isWithin(END_PART, channel, env)
  // A renewal that the peer has not completed by then never will be.
  const isClosing = closes.some(({ renewedAs }) => renewedAs === undefined)
  if (
    !(isOver || isTurnWasted(channel, env)) ||
    isClosing ||
    publication !== undefined ||
    onChain.fundingHeight === undefined ||
    spendInSight(channel) !== undefined
  ) {
    return become(channel)
  }
  const asked = ask(channel, env)
  return asked instanceof PaychanError
    ? become(channel)
    : become(asked.state, ...asked.effects, ...notRenewed(channel, env))
}

/**
 * TIME-5: a close that nobody has asked for costs at most this part of our share, like a fetch on
 * its first day (STAKE-3). The other side may ask as well, and there is time for cheaper blocks.
 */
const END_PART = 4n

/**
 * TURN-7: the side that asks for a close pays for it, so after a turn that a peer wastes the close
 * costs at most this part of our share.
 */
const WASTED_TURN_PART = 50n

/**
 * True when an unused turn is worth a cheap close. Otherwise the close waits for cheaper blocks, at
 * the latest until the end of payments.
 */
function isTurnWasted(channel: Established, env: Env): boolean {
  return isTurnUnused(channel, env) && isWithin(WASTED_TURN_PART, channel, env)
}

function isWithin(part: bigint, channel: Established, env: Env): boolean {
  return usualFee(channel, env) * part <= balances(channel.terms, channel.ledger)[channel.role]
}

function ask(
  channel: Established,
  env: Env,
  named?: FeeRate
): Transition<Established> | PaychanError {
  const refusal = refusalToAsk(channel, env)
  if (refusal !== undefined) return refusal
  const signed = attempt('CLOSE-3', () => signOwn(channel, env, named))
  if (signed instanceof Violation) return signed
  const { close, message } = signed
  return become(
    { ...channel, closes: [...channel.closes, close] },
    { type: 'send', message },
    { type: 'notify', step: 'close', news: { kind: 'close-asked-for', fee: close.fee } }
  )
}

function refusalToAsk(channel: Established, env: Env): PaychanError | undefined {
  const spend = spendInSight(channel)
  // A close that waits in the mempool may be asked for again, at a higher fee (CLOSE-7).
  if (spend !== undefined && (spend.kind !== 'close' || spend.height !== undefined)) {
    return new PaychanError(
      'ERR_CHANNEL_CLOSED',
      `The channel is already being closed by transaction ${spend.txid}.`,
      { txid: spend.txid }
    )
  }
  if (channel.link !== 'live') {
    return new PaychanError(
      'ERR_PEER_UNREACHABLE',
      channel.role === 'server'
        ? `The peer is not connected. Close with --force to settle on the chain now; it happens by itself at height ${publishHeightOf(channel.terms, channel.ledger.turn)}.`
        : `The peer is not connected. The money comes back by itself at height ${channel.terms.refundHeight}.`,
      { peer: channel.peer }
    )
  }
  if (isNotCompleted(channel)) {
    return new PaychanError(
      'ERR_CHANNEL_NOT_OPEN',
      `The server has not completed the renewal yet: there is nothing to close in the new channel. Close it once its funding transaction is shown, or close the old channel instead. ${NEVER_MINED}`
    )
  }
  if (env.height === undefined) {
    // A signature freezes the channel for good: none is given while nobody could see the close.
    return new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      'The chain is not seen at the moment; check the Electrum server, then close again.'
    )
  }
  if (channel.ledger.held === undefined) {
    return new PaychanError(
      'ERR_CHANNEL_NOT_OPEN',
      `It is too late to cancel, since the funding transaction has left, and too early to close: the channel is not set up yet. Close it again in a moment. ${NEVER_MINED}`
    )
  }
  // CLOSE-1: the other side would refuse, and we would be frozen for nothing. Where payments have
  // ended, nothing in flight arrives any more.
  if (channel.ledger.inFlight.length > 0 && channel.stopped === undefined) {
    return new PaychanError(
      'ERR_LATER_UPDATES',
      'Payments are on their way and not yet acknowledged; close again once they are.'
    )
  }
  return undefined
}

function signOwn(
  channel: Established,
  env: Env,
  named: FeeRate | undefined
): { close: SignedClose; message: CloseRequest } {
  const fee = feeToAsk(channel, env, named)
  const terms = closeTerms(channel, channel.role, fee)
  const signature = env.sign(closeSighash(terms))
  const message: CloseRequest = {
    type: 'CloseRequest',
    turn: channel.ledger.turn,
    sequence: channel.ledger.held?.sequence ?? 0,
    clientBalance: terms.clientBalance,
    serverBalance: terms.serverBalance,
    clientScript: terms.clientScript,
    serverScript: terms.serverScript,
    fee,
    signature
  }
  return {
    close: { asker: channel.role, fee, txid: closeTxid(terms), signature, raw: undefined },
    message
  }
}

/**
 * The other side asked for a close: checks, completes and broadcasts it. A refusal leaves the
 * channel as it is.
 */
export function onCloseRequest(channel: Established, request: CloseRequest, env: Env): Transition {
  const completed = attempt('CLOSE-3', () => complete(channel, request, env))
  if (completed instanceof Violation) {
    return become(channel, { type: 'send', message: errorMessage(completed, false) })
  }
  const repeated = channel.closes.some(
    (close) => close.txid === completed.close.txid && close.raw !== undefined
  )
  if (repeated) return become(channel, ...closeDone(channel, completed.close.txid))
  const state: Established = { ...channel, closes: [...channel.closes, completed.close] }
  return become(
    state,
    ...firstBroadcast(state, completed.raw),
    {
      type: 'notify',
      step: 'close',
      txid: completed.close.txid,
      news: { kind: 'close-signed', fee: satoshi(request.fee) }
    },
    ...notRenewed(channel, env)
  )
}

/** Sends the newest close of ours again that no block has, unless it rests (COST-5). */
export function closeAgain(channel: Established, env: Env): Transition<Established> {
  const { onChain, closes } = channel
  const close = closes.findLast(({ raw }) => raw !== undefined)
  if (
    close?.raw === undefined ||
    !onChain.fundingSeen ||
    onChain.spend !== undefined ||
    isWorthless(channel) ||
    rests(channel, close.txid, env)
  ) {
    return become(channel)
  }
  return become(withHeight(channel, close, env), {
    type: 'broadcast',
    purpose: 'close',
    raw: close.raw
  })
}

/** EVID-10: no block has passed over a close before the first one that its completer has seen. */
function withHeight(
  channel: Established,
  close: SignedClose,
  { height }: Pick<Env, 'height'>
): Established {
  if (close.completedAt !== undefined) return channel
  const closes = channel.closes.map((each) =>
    each === close ? { ...close, completedAt: height } : each
  )
  return { ...channel, closes }
}

/** COST-1: the same close again costs no server anything: the next block sends it again. */
function closeDone(channel: Established, txid: Txid): Effect[] {
  const isOut = [channel.onChain.spend, ...channel.onChain.shown].some(
    (spend) => spend?.txid === txid
  )
  return isOut && channel.link === 'live'
    ? [{ type: 'send', message: { type: 'CloseDone', txid: hashFromTxid(txid) } }]
    : []
}

/** COST-2: without T1 every mempool refuses the close, so it waits until T1 is seen. */
function firstBroadcast(channel: Established, raw: Uint8Array): Effect[] {
  if (!channel.onChain.fundingSeen) return []
  return [
    isWorthless(channel)
      ? { type: 'broadcast', purpose: 'close', raw, favour: true }
      : { type: 'broadcast', purpose: 'close', raw }
  ]
}

function complete(
  channel: Established,
  request: CloseRequest,
  env: Env
): { close: SignedClose; raw: Uint8Array } {
  const { terms, ledger } = channel
  const asker = otherRole(channel.role)
  const sharesNow = balances(terms, ledger)
  must(
    channel.onChain.spend === undefined,
    'CLOSE-1',
    'ERR_CHANNEL_CLOSED',
    'The channel is closed already.'
  )
  // Updates of ours that are still in flight do not count: a payee that has signed a close is
  // frozen, and will never take them. TURN-2: a turn that was granted while the close was on its
  // way begins with the very state that the close names.
  const isThisTurn =
    request.turn === ledger.turn ||
    (request.turn === ledger.turn - 1 &&
      ledger.inFlight.length === 0 &&
      channel.ended.at(-1)?.sequence === ledger.held?.sequence)
  must(
    ledger.held !== undefined && isThisTurn && request.sequence === ledger.held.sequence,
    'CLOSE-1',
    'ERR_LATER_UPDATES',
    'There are later updates than those that the close names; try again.'
  )
  must(
    request.clientBalance === sharesNow.client && request.serverBalance === sharesNow.server,
    'CLOSE-1',
    'ERR_BALANCE_MISMATCH',
    `The balances are ${formatAmount(sharesNow.client)} and ${formatAmount(sharesNow.server)}.`
  )
  must(
    sameBytes(request.clientScript, terms.client.closeScript) &&
      sameBytes(request.serverScript, terms.server.closeScript),
    'CLOSE-2',
    'ERR_SCRIPT_MISMATCH',
    'The scripts are not those that the channel was opened with.'
  )
  const least = feeFor(env.feeRate, closeVsize(terms.client.closeScript, terms.server.closeScript))
  must(
    request.fee >= least,
    'CLOSE-4',
    'ERR_CLOSE_FEE_TOO_LOW',
    `The fee is ${formatAmount(request.fee)}; this node asks for at least ${formatAmount(least)}.`,
    { asked: least, offered: request.fee }
  )
  // Each close is kept for good: without this a peer could make us keep a million that differ by 1
  // sat.
  const dearest = channel.closes
    .filter((close) => close.asker === asker && close.renewedAs === undefined)
    .at(-1)
  must(
    dearest === undefined ||
      request.fee === dearest.fee ||
      request.fee >= dearest.fee + dearest.fee / 4n,
    'CLOSE-7',
    'ERR_CLOSE_FEE_TOO_LOW',
    `A close that replaces another pays at least a quarter more than its ${formatAmount(dearest?.fee ?? 0n)}.`
  )
  const closing = closeTerms(channel, asker, satoshi(request.fee))
  const digest = closeSighash(closing)
  must(
    env.verify(partyOf(terms, asker).channelKey, digest, request.signature),
    'CLOSE-5',
    'ERR_BAD_SIGNATURE',
    'The signature of the close is wrong.'
  )
  const signature = env.sign(digest)
  const { txid, raw } =
    channel.role === 'client'
      ? completeClose(closing, signature, request.signature)
      : completeClose(closing, request.signature, signature)
  const close = { asker, fee: closing.fee, txid, signature, raw, completedAt: env.height }
  return { close, raw }
}

/** Handles the other side's completion of our close. */
export function onCloseDone(channel: Established, done: CloseDone): Transition {
  const txid = txidFromHash(done.txid)
  const ours = channel.closes.find((close) => close.asker === channel.role && close.txid === txid)
  if (ours === undefined) {
    // A side that was restored may have forgotten what it asked for (RESTORE-6); its channel has
    // stopped.
    if (channel.stopped !== undefined) {
      return become(channel, { type: 'notify', news: { kind: 'close-unknown', txid } })
    }
    return stop(
      channel,
      new Violation(
        'ERR-2',
        'ERR_UNEXPECTED_MESSAGE',
        `CloseDone names ${txid}, which is not a close that was asked for.`,
        { txid }
      )
    )
  }
  return become(
    channel,
    { type: 'close-done', kind: 'close', txid },
    { type: 'notify', step: 'close', txid, news: { kind: 'close-broadcast' } }
  )
}

/**
 * The close that we completed is in a mempool: the asker is told, once both sides have said where
 * they stand (REEST-5).
 */
export function onCloseBroadcast(channel: Established, txid: Txid): Transition {
  if (channel.closes.some((close) => close.txid === txid && close.renewedAs !== undefined)) {
    return become(channel)
  }
  const told: Effect[] =
    channel.link === 'live'
      ? [{ type: 'send', message: { type: 'CloseDone', txid: hashFromTxid(txid) } }]
      : []
  return become(channel, ...told, { type: 'close-done', kind: 'close', txid })
}

function closeTerms(channel: Established, asker: Role, fee: Satoshi): CloseTerms {
  const { terms } = channel
  const shares = balances(terms, channel.ledger)
  return {
    funding: fundingOutput(terms, channel.outPoint),
    version: terms.txVersion,
    clientBalance: shares.client,
    serverBalance: shares.server,
    clientScript: terms.client.closeScript,
    serverScript: terms.server.closeScript,
    fee,
    feePayer: asker
  }
}
