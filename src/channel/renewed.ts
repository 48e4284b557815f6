/**
 * The old channel of a renewal: the conditions for renewing it, and the signatures of T1, which
 * spends its funding output. For this channel T1 is a signed close: a side that has signed is
 * frozen (CLOSE-6), an unconfirmed T1 postpones nothing (CLOSE-8), and a plain close may still
 * replace it (CLOSE-7).
 */
import type { OpenChannel, Renewal } from '../../protocols/paychan/1.0/index.js'
import { fundingSpendVsize } from '../bitcoin/funding-spend.js'
import { otherRole } from '../bitcoin/keys.js'
import { checkRenewalTx, completeRenewal, renewalSighash } from '../bitcoin/renewal.js'
import { fromHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import {
  addSat,
  blockDelta,
  feeFor,
  formatAmount,
  subSat,
  ZERO_SAT,
  type BlockDelta,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { become, type Effect, type Transition } from './effects.js'
import { heightOf, notWatched, type Env } from './env.js'
import type { RenewalDraft } from './events.js'
import { isBuried } from './funding.js'
import { balances } from './ledger.js'
import {
  checkRenewalFee,
  checkRenewalTerms,
  leastForClient,
  renewalBounds,
  requireCoinsInTime,
  requireRate,
  usualRenewalRate
} from './renewal-terms.js'
import { publishHeightOf } from './schedule.js'
import { requireRenewsItself } from './self-renewal.js'
import {
  isFrozen,
  spendInSight,
  type Channel,
  type Established,
  type RenewalSource,
  type SignedClose
} from './state.js'
import { fundingOutput, fundingScriptOf, partyOf } from './terms.js'
import { attempt, must, Violation } from './violation.js'

/**
 * The client's request: the new capacity and the old kind, the balances taken over, and the inputs
 * of T1.
 */
export interface RenewalPlan {
  readonly capacity: Satoshi
  /** The step of a two-way channel (RENEW-8). */
  readonly step: BlockDelta | undefined
  readonly renews: Renewal
  readonly source: RenewalSource
}

/** No rule is broken when the old channel closes, or has ended: that is nobody's fault. */
const NO_RULE = ''

/**
 * Plans a renewal, or a top-up by `amount`. A renewal pays the fee of T1 out of the client's share;
 * a top-up out of its wallet, so that the capacity grows by exactly the amount.
 *
 * @param asked - the fee rate of a renewal; the usual one when undefined
 * @param byItself - nobody has asked for it (RENEW-12)
 * @throws PaychanError the reason why the channel cannot be renewed now
 */
export function planRenewal(
  channel: Channel,
  amount: Satoshi,
  env: Env,
  {
    asked,
    byItself = false
  }: { readonly asked?: FeeRate | undefined; readonly byItself?: boolean } = {}
): RenewalPlan {
  if (channel.role !== 'client') {
    throw new PaychanError(
      'ERR_NOT_THE_CLIENT',
      'Only the side that opened a channel renews it or tops it up; open a channel of your own.',
      { role: channel.role }
    )
  }
  const open = renewable(channel, env)
  if (open.copied !== undefined) {
    throw new PaychanError(
      'ERR_BACKUP_MAY_BE_OLD',
      `This node was put back from a backup, and the peer ${open.peer} has not said since where the channel stands: a renewal could give away what was paid after the backup. Let the peer connect, or \`paychan connect\` to it.`,
      { peer: open.peer }
    )
  }
  if (open.ledger.inFlight.length > 0) {
    throw new PaychanError(
      'ERR_LATER_UPDATES',
      'Payments are on their way and not yet acknowledged; try again once they are.'
    )
  }
  if (open.link !== 'live') {
    throw new PaychanError(
      'ERR_PEER_UNREACHABLE',
      'The peer is not connected; a renewal needs both sides.',
      { peer: open.peer }
    )
  }
  const { terms, ledger } = open
  if (amount > 0n) requireCoinsInTime(open, env)
  if (asked !== undefined) requireRate(asked, env, terms, amount > 0n ? 1 : 0)
  const shares = balances(terms, ledger)
  const source: RenewalSource = {
    old: fundingOutput(terms, open.outPoint),
    fromWallet: amount > 0n
  }
  const renews: Renewal = {
    channelId: fromHex(open.id),
    turn: ledger.turn,
    sequence: ledger.held?.sequence ?? 0,
    serverBalance: shares.server
  }
  const step = terms.mode === 'two-way' ? blockDelta(terms.step) : undefined
  const fee =
    amount > 0n
      ? ZERO_SAT
      : feeFor(asked ?? usualRenewalRate(env), fundingSpendVsize([fundingScriptOf(terms)]))
  // The server would refuse less (RENEW-10), by an estimate that may be a little above ours.
  const least = leastForClient(open, terms.client.closeScript, usualRenewalRate(env))
  const left = shares.client + amount - fee
  if (left < least) {
    throw new PaychanError(
      'ERR_INSUFFICIENT_BALANCE',
      `The renewal costs ${formatAmount(fee)} of your share, which is ${formatAmount(shares.client)}, and a channel in which you have less than ${formatAmount(least)} is not worth refunding. Top it up with \`paychan topup\`, which pays the fee out of the wallet.`,
      { asked: fee, left: shares.client, least }
    )
  }
  if (byItself) requireRenewsItself(open, fee, env)
  return { capacity: subSat(addSat(terms.capacity, amount), fee), step, renews, source }
}

/**
 * Server, step 1: checks that the channel named in an offer can be renewed by it.
 *
 * @throws Violation RENEW-1, RENEW-4, RENEW-8 to RENEW-10
 */
export function checkRenewal(offer: OpenChannel, old: Channel | undefined, env: Env): void {
  const { renews } = offer
  if (renews === undefined) return
  must(
    old?.role === 'server',
    'RENEW-1',
    'ERR_UNKNOWN_CHANNEL',
    'This node serves you no such channel.'
  )
  must(
    env.isWatched,
    'RENEW-1',
    'ERR_NOT_READY',
    'No server tells this side just now what happens to the channel on the chain; try again later.'
  ) // UPD-20
  const open = attempt('RENEW-1', () => renewable(old, env))
  if (open instanceof Violation) throw open
  // RESTORE-10. That this side is a copy is no business of its peer's.
  must(
    open.copied === undefined,
    'RENEW-1',
    'ERR_NOT_READY',
    'The channel is to be reestablished first; try again then.'
  )
  const { turn, held } = open.ledger
  must(
    renews.turn === turn && renews.sequence === held?.sequence,
    'RENEW-1',
    'ERR_LATER_UPDATES',
    'There are later updates than those that the renewal names; try again.'
  )
  const { server } = balances(open.terms, open.ledger)
  must(
    renews.serverBalance === server && server <= offer.capacity,
    'RENEW-1',
    'ERR_BALANCE_MISMATCH',
    `The balance of the server is ${formatAmount(server)}.`,
    { server }
  )
  checkRenewalFee(offer, open, env)
  checkRenewalTerms(offer, open, env)
}

/** Returns the channel when it can be renewed at all. @throws PaychanError */
function renewable(channel: Channel, env: Pick<Env, 'height' | 'isWatched'>): Established {
  if (
    channel.stage !== 'established' ||
    channel.ledger.held === undefined ||
    !isBuried(channel, env)
  ) {
    throw new PaychanError(
      'ERR_CHANNEL_NOT_OPEN',
      'The channel is not open; only an open channel can be renewed.',
      { stage: channel.stage }
    )
  }
  if (!env.isWatched) throw notWatched() // UPD-20
  const renewed = channel.closes.at(-1)?.renewedAs
  if (renewed !== undefined) {
    throw new PaychanError(
      'ERR_CHANNEL_CLOSED',
      `The channel is renewed already, as channel ${renewed.slice(0, 8)}.`,
      { channel: renewed }
    )
  }
  if (
    spendInSight(channel) !== undefined ||
    channel.publication !== undefined ||
    isFrozen(channel)
  ) {
    throw new PaychanError(
      'ERR_CHANNEL_CLOSED',
      'The channel is closing or closed; open a new one.'
    )
  }
  if (channel.stopped !== undefined) {
    throw new PaychanError(
      'ERR_CHANNEL_STOPPED',
      `The channel only closes: ${channel.stopped.reason}`,
      { code: channel.stopped.code }
    )
  }
  const ends = publishHeightOf(channel.terms, channel.ledger.turn)
  if (env.height !== undefined && env.height >= ends) {
    throw new PaychanError(
      'ERR_CHANNEL_EXPIRED',
      `The channel is settled from height ${ends} on; it is too late to renew it.`,
      { height: env.height, ends }
    )
  }
  return channel
}

/**
 * RENEW-5, client: signs T1, which freezes this channel. The commit before the effects makes that
 * durable before the signature leaves.
 */
export function onSignRenewal(channel: Channel, draft: RenewalDraft, env: Env): Transition {
  const known = channel.stage === 'established' ? signedAs(channel, draft) : undefined
  if (channel.stage === 'established' && known !== undefined) {
    return become(channel, toldSigned(channel, draft, known.signature))
  }
  const open = attempt(NO_RULE, () => unchanged(channel, draft, env))
  if (open instanceof Violation) return refused(channel, draft, open)
  const signed = attempt('RENEW-5', () => {
    must(
      open.ledger.inFlight.length === 0,
      'RENEW-5',
      'ERR_LATER_UPDATES',
      'Payments are on their way and not yet acknowledged; renew the channel again once they are.'
    )
    const old = fundingOutput(open.terms, open.outPoint)
    // The server would refuse it too, and this channel would be frozen for nothing.
    checkRenewalTx(draft.fundingTx, old, draft.previous, renewalBounds(open, env, heightOf(env)))
    return env.sign(renewalSighash(draft.fundingTx, old))
  })
  if (signed instanceof Violation) return refused(channel, draft, signed)
  const close: SignedClose = {
    asker: 'client',
    fee: draft.fee,
    txid: draft.fundingTx.txid,
    signature: signed,
    raw: undefined,
    renewedAs: draft.by
  }
  return become({ ...open, closes: [...open.closes, close] }, toldSigned(open, draft, signed), {
    type: 'notify',
    step: 'close',
    txid: close.txid,
    news: { kind: 'renewed-as', channel: draft.by }
  })
}

/**
 * RENEW-6: true while T1 of the old channel is not deep enough, after a reorganisation, or nobody
 * tells what happens to it. That passes, and the client asks again: a refusal would end the new
 * channel, and the old one is frozen.
 */
function isNotReady(channel: Channel, env: Env): boolean {
  return (
    channel.stage === 'established' &&
    channel.ledger.held !== undefined &&
    (!isBuried(channel, env) || !env.isWatched)
  )
}

/**
 * RENEW-5, server: the client has signed, and this side completes T1. Updates of ours that are
 * still in flight do not count, as in CLOSE-1.
 */
export function onCompleteRenewal(
  channel: Channel,
  draft: RenewalDraft,
  theirs: Uint8Array,
  env: Env
): Transition {
  const known = channel.stage === 'established' ? signedAs(channel, draft) : undefined
  if (known?.raw !== undefined) {
    return become(channel, {
      type: 'tell',
      channel: draft.by,
      event: { type: 'renewal-completed', raw: known.raw }
    })
  }
  const { height } = env
  if (channel.stage === 'established' && channel.copied !== undefined) {
    // RESTORE-10: later payments than those that the renewal names may have been forgotten.
    return become(channel, { type: 'tell', channel: draft.by, event: { type: 'renewal-waits' } })
  }
  if (height === undefined || isNotReady(channel, env)) return become(channel)
  const open = attempt(NO_RULE, () => unchanged(channel, draft, env))
  if (open instanceof Violation) return refused(channel, draft, open)
  const completed = attempt(
    (code) => (code === 'ERR_FUNDING_NOT_SEGWIT' ? 'FUND-2' : 'RENEW-4'),
    () => {
      const old = fundingOutput(open.terms, open.outPoint)
      const digest = renewalSighash(draft.fundingTx, old)
      must(
        env.verify(partyOf(open.terms, otherRole(open.role)).channelKey, digest, theirs),
        'RENEW-5',
        'ERR_BAD_SIGNATURE',
        'The signature of the renewal is wrong.'
      )
      checkRenewalTx(draft.fundingTx, old, draft.previous, renewalBounds(open, env, height))
      const ours = env.sign(digest)
      return { signature: ours, signed: completeRenewal(draft.fundingTx, old, theirs, ours) }
    }
  )
  if (completed instanceof Violation) return refused(channel, draft, completed)
  const {
    signature,
    signed: { txid, raw }
  } = completed
  const close: SignedClose = {
    asker: 'client',
    fee: draft.fee,
    txid,
    signature,
    raw,
    completedAt: height,
    renewedAs: draft.by
  }
  return become(
    { ...open, closes: [...open.closes, close] },
    { type: 'tell', channel: draft.by, event: { type: 'renewal-completed', raw } },
    {
      type: 'notify',
      step: 'close',
      txid: close.txid,
      news: { kind: 'renewed-as', channel: draft.by }
    }
  )
}

/** The new channel is told that this one has signed its T1. */
function toldSigned(
  { terms, outPoint }: Established,
  { by }: RenewalDraft,
  signature: Uint8Array
): Effect {
  return {
    type: 'tell',
    channel: by,
    event: { type: 'renewal-signed', signature, old: fundingOutput(terms, outPoint) }
  }
}

function signedAs(channel: Established, draft: RenewalDraft): SignedClose | undefined {
  return channel.closes.find(({ renewedAs }) => renewedAs === draft.by)
}

/**
 * Returns the old channel when it is still in the state that the new channel was made for: only
 * then is the new channel as good.
 */
function unchanged(
  channel: Channel,
  { turn, sequence, serverBalance }: RenewalDraft,
  env: Env
): Established {
  const open = renewable(channel, env)
  const { ledger, terms, ended } = open
  // TURN-2: a turn that was granted while the request was on its way begins with the very state
  // that it names.
  const isThisTurn =
    turn === ledger.turn ||
    (turn === ledger.turn - 1 &&
      ledger.inFlight.length === 0 &&
      ended.at(-1)?.sequence === ledger.held?.sequence)
  must(
    isThisTurn &&
      sequence === ledger.held?.sequence &&
      serverBalance === balances(terms, ledger).server,
    'RENEW-5',
    'ERR_LATER_UPDATES',
    'The channel has gone on meanwhile; renew it again.'
  )
  return open
}

function refused(channel: Channel, draft: RenewalDraft, error: PaychanError): Transition {
  return become(channel, {
    type: 'tell',
    channel: draft.by,
    event: { type: 'renewal-refused', error }
  })
}
