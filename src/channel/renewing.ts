/**
 * The new channel of a renewal, after step 5. Its T1 spends the funding output of the old channel,
 * so both sides sign it; and neither does before it holds what protects it in the new one
 * (RENEW-3):
 *
 *     client                                    server
 *     T2's signature verified and on disk
 *     Update 0                     ->           verified and on disk
 *                                  <-           UpdateAck 0
 *     the old channel signs T1, and is frozen
 *     RenewalRequest               ->           the old channel signs T1, and is frozen
 *                                  <-           FundingBroadcast, once T1 is in a mempool
 *
 * Each side's old channel is a machine of its own (renewed.ts); the two tell each other (`tell`).
 */
import {
  MAX_TRANSACTION_BYTES,
  type RenewalRequest,
  type Update,
  type UpdateAck
} from '../../protocols/paychan/1.0/index.js'
import { fromBlock, SIGHASH } from '../bitcoin/ecdsa.js'
import { checkFundingTx } from '../bitcoin/funding.js'
import type { FundingOutput } from '../bitcoin/funding-spend.js'
import { completeRenewal, renewalSighash } from '../bitcoin/renewal.js'
import { lockTimeOf, parseTransaction, type Transaction } from '../bitcoin/transaction.js'
import { txid, type ChannelId, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { ZERO_SAT, type Satoshi } from '../types/units.js'
import { abandon } from './stopping.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { establishClient, establishServer } from './establishing.js'
import type { RenewalDraft, ShownTransaction } from './events.js'
import { initialBalance, NEW_LEDGER, type HeldState } from './ledger.js'
import { FINAL_DEPTH } from './funding.js'
import { initialDigest } from './signing.js'
import type { Channel, ClientChannel, Established, RefundRequested, RefundSigned } from './state.js'
import { fundingScriptOf, renewsFrom } from './terms.js'
import { attempt, errorMessage, must, Violation } from './violation.js'

/**
 * Client, step 5: T2's signature is right. Before anybody signs T1 the server gets the first state.
 */
export function sendInitialOfRenewal(
  state: RefundRequested,
  refundSignature: Uint8Array,
  env: Env
): Transition {
  const payerBalance = initialBalance(state.terms)
  return become(
    { ...state, secured: { refundSignature, acknowledged: false, isConnected: true } },
    { type: 'notify', step: 5, news: { kind: 'refund-secured', payer: 'wallet' } },
    {
      type: 'send',
      message: {
        type: 'Update',
        turn: 0,
        sequence: 0,
        payerBalance,
        payments: [],
        signature: env.sign(initialDigest(state))
      }
    },
    {
      type: 'notify',
      step: 7,
      news: { kind: 'first-state-signed', client: payerBalance, server: state.terms.serverBalance }
    }
  )
}

/** Server: the first state, before T1 is there. The commit before the effects is RENEW-3. */
export function onInitialOfRenewal(
  state: RefundSigned,
  updates: readonly Update[],
  env: Env
): Transition {
  const checked = attempt('UPD-9', () => {
    const [update] = updates
    must(
      update !== undefined &&
        updates.length === 1 &&
        update.turn === 0 &&
        update.sequence === 0 &&
        update.payments.length === 0 &&
        update.payerBalance === initialBalance(state.terms),
      'UPD-9',
      'ERR_BAD_INITIAL_STATE',
      'The first state has to give the client all that the server has not brought along.'
    )
    must(
      env.verify(state.terms.client.channelKey, initialDigest(state), update.signature),
      'UPD-4',
      'ERR_BAD_SIGNATURE',
      'The signature of the first state is wrong.'
    )
    return update
  })
  if (checked instanceof Violation) {
    return abandon(state, checked, { type: 'send', message: errorMessage(checked, true) })
  }
  const initial: HeldState = {
    sequence: 0,
    payerBalance: initialBalance(state.terms),
    paymentCount: 0,
    signature: checked.signature
  }
  return become(
    { ...state, initial },
    { type: 'send', message: { type: 'UpdateAck', turn: 0, sequence: 0 } },
    { type: 'notify', step: 8, news: { kind: 'first-state-stored' } }
  )
}

/** Client: the server holds the first state. Now the old channel may sign. */
export function onInitialAck(state: RefundRequested, ack: UpdateAck): Transition {
  const { secured } = state
  if (secured === undefined || ack.turn !== 0 || ack.sequence !== 0) {
    const violation = new Violation(
      'UPD-15',
      'ERR_BAD_ACK',
      `The peer acknowledged update ${ack.sequence} of turn ${ack.turn}; the newest is 0 of turn 0.`
    )
    return abandon(state, violation, { type: 'send', message: errorMessage(violation, true) })
  }
  if (secured.acknowledged) return become(state)
  const signing: RefundRequested = { ...state, secured: { ...secured, acknowledged: true } }
  return become(signing, ...askedAgain(signing), {
    type: 'notify',
    step: 8,
    news: { kind: 'first-state-acknowledged' }
  })
}

/**
 * The request of a channel that is being signed to the old one; also after a restart. Asking twice
 * gives the same answer.
 */
export function askedAgain(state: RefundRequested | RefundSigned): Effect[] {
  const { terms, id } = state
  if (terms.renews === undefined) return []
  const { channel, turn, sequence } = terms.renews
  const draft = (
    fundingTx: Uint8Array,
    previous: readonly Uint8Array[],
    fee: Satoshi
  ): RenewalDraft => ({
    by: id,
    fundingTx: parseTransaction(fundingTx),
    previous,
    fee,
    turn,
    sequence,
    serverBalance: terms.serverBalance
  })
  if (state.stage === 'refund-requested') {
    return state.secured?.acknowledged === true
      ? [
          {
            type: 'tell',
            channel,
            event: {
              type: 'sign-renewal',
              draft: draft(state.fundingTx, state.previous, state.fundingFee)
            }
          }
        ]
      : []
  }
  const { requested } = state
  return requested === undefined
    ? []
    : [
        {
          type: 'tell',
          channel,
          event: {
            type: 'complete-renewal',
            draft: draft(requested.fundingTx, requested.previous, ZERO_SAT),
            signature: requested.signature
          }
        }
      ]
}

/**
 * Client: the old channel has signed, and is frozen. T1 may leave; the server has to complete it.
 */
export function onRenewalSigned(
  channel: Channel,
  signature: Uint8Array,
  old: FundingOutput
): Transition {
  if (channel.stage !== 'refund-requested' || channel.secured === undefined) return become(channel)
  const ledger = {
    ...NEW_LEDGER,
    held: {
      sequence: 0,
      payerBalance: initialBalance(channel.terms),
      paymentCount: 0,
      signature: undefined
    }
  }
  const established = establishClient(channel, {
    refundSignature: channel.secured.refundSignature,
    renewal: { signature, previous: channel.previous, old },
    ledger
  })
  const sent: Effect[] = established.link === 'live' ? renewalRequest(established) : []
  return become(established, ...sent, {
    type: 'notify',
    step: 6,
    txid: channel.outPoint.txid,
    news: { kind: 'funding-sent', by: 'renewal' }
  })
}

/**
 * RENEW-6: true of a client that only knows that it has signed T1: for the server there may be none
 * yet.
 */
export function isNotCompleted(channel: Established): boolean {
  return (
    channel.role === 'client' &&
    channel.renewal !== undefined &&
    !channel.fundingAcknowledged &&
    channel.onChain.fundingHeight === undefined
  )
}

/** RENEW-6: T1 is handed over once more after a break, as `Funding` is for other channels. */
export function renewalRequest({ renewal, fundingTx }: ClientChannel): Effect[] {
  return renewal === undefined
    ? []
    : [
        {
          type: 'send',
          message: {
            type: 'RenewalRequest',
            fundingTx,
            signature: renewal.signature,
            previous: renewal.previous
          }
        }
      ]
}

/**
 * Server: T1 with the client's signature. The old channel itself knows whether it still stands
 * where it stood.
 */
export function onRenewalRequest(
  state: RefundSigned,
  message: RenewalRequest,
  env: Env
): Transition {
  const { terms, outPoint } = state
  const checked = attempt(
    (code) => (code === 'ERR_FUNDING_NOT_SEGWIT' ? 'FUND-2' : 'FUND-1'),
    () => {
      must(
        terms.renews !== undefined && state.initial !== undefined,
        'ERR-2',
        'ERR_UNEXPECTED_MESSAGE',
        'RenewalRequest has no place at this stage.'
      )
      const tx = parseTransaction(message.fundingTx)
      checkFundingTx(tx, {
        outPoint,
        script: fundingScriptOf(terms),
        capacity: terms.capacity,
        unsigned: tx.inputs.find(({ witness }) => witness.length === 0)?.outPoint
      })
    }
  )
  if (checked instanceof Violation) {
    return abandon(state, checked, { type: 'send', message: errorMessage(checked, true) })
  }
  if (env.height === undefined || lockTimeOf(message.fundingTx) > env.height) {
    // By the next stream this node may have seen the blocks that its lock names.
    return askedToComeAgain(state, 'This node does not see the chain at the moment')
  }
  if (state.requested !== undefined) return become(state, ...askedAgain(state))
  const { fundingTx, signature, previous } = message
  const signing: RefundSigned = { ...state, requested: { fundingTx, signature, previous } }
  return become(signing, ...askedAgain(signing))
}

/** The client sends `RenewalRequest` again on the next stream. */
function askedToComeAgain(state: RefundSigned, why: string): Transition {
  const error = { code: 'ERR_NOT_READY', message: `${why}; try again later.` }
  return become(
    { ...state, link: 'down' },
    { type: 'send', message: errorMessage(error, false) },
    { type: 'hang-up' }
  )
}

/** RESTORE-10, server: the old channel signs nothing before its peer has said where it stands. */
export function onRenewalWaits(channel: Channel): Transition {
  return channel.stage === 'refund-signed' && channel.link !== 'down'
    ? askedToComeAgain(channel, 'The old channel is to be reestablished first')
    : become(channel)
}

/** Server: T1 is complete. */
export function onRenewalCompleted(channel: Channel, raw: Uint8Array): Transition {
  if (channel.stage !== 'refund-signed') return become(channel)
  const established = establishServer(channel, raw, channel.initial)
  return become(
    established,
    { type: 'broadcast', purpose: 'funding', raw },
    { type: 'notify', step: 6, txid: channel.outPoint.txid, news: { kind: 'funding-completed' } }
  )
}

/** The old channel does not sign T1: it has moved on, or has come to an end. */
export function onRenewalRefused(channel: Channel, error: PaychanError): Transition {
  if (channel.stage !== 'refund-requested' && channel.stage !== 'refund-signed') {
    return become(channel)
  }
  return abandon(channel, error, { type: 'send', message: errorMessage(error, true) })
}

const LOST = 'ERR_RENEWAL_LOST'
const COIN_LOST = 'ERR_FUNDING_LOST'

/** RENEW-7. */
export function onFundingLost(channel: Channel, by: Txid): Transition {
  if (
    channel.stage === 'abandoned' ||
    channel.stage === 'offered' ||
    channel.terms.renews === undefined
  ) {
    return become(channel)
  }
  const error = new PaychanError(
    LOST,
    `The old channel was ended by transaction ${by} instead, which is buried; this channel has no money in it.`,
    { txid: by }
  )
  return abandon(channel, error, ...lostWith(channel, by))
}

/**
 * FUND-6, RENEW-7: another transaction has spent a coin of T1 for good. Only a client knows the
 * coins of T1.
 */
export function onCoinLost(channel: Channel, by: Txid): Transition {
  if (
    channel.stage !== 'established' ||
    channel.role !== 'client' ||
    channel.onChain.fundingHeight !== undefined
  ) {
    return become(channel)
  }
  const { txid: funding } = channel.outPoint
  const old = channel.terms.renews?.channel.slice(0, 8)
  const rest =
    old === undefined
      ? ''
      : ` The old channel has its money still: close it (\`paychan close ${old}\`), or wait for its end.`
  const error = new PaychanError(
    COIN_LOST,
    `Transaction ${by}, which is buried, has spent a coin of the funding transaction ${funding}: this channel has no money in it.${rest}`,
    { txid: by }
  )
  return abandon(channel, error, ...lostWith(channel, by))
}

/** RENEW-7: the channels whose T1 spends the funding output of this one are lost with it. */
function lostWith(channel: Channel, by: Txid): Effect[] {
  const closes = channel.stage === 'established' ? channel.closes : []
  return closes.flatMap(({ renewedAs }) =>
    renewedAs === undefined
      ? []
      : [{ type: 'tell', channel: renewedAs, event: { type: 'funding-lost', by } }]
  )
}

/**
 * The chain shows T1: now the client has the server's signature as well. Nothing but that is taken
 * of what servers show, once it is verified: a txid does not cover witnesses (EVID-9), and T1 is
 * sent, and given back to a server that has lost its data, as it is kept here.
 */
export function withFunding(
  channel: Established,
  funding: ShownTransaction | undefined,
  fundings: readonly Transaction[] | undefined,
  { verify }: Pick<Env, 'verify'>
): Established {
  if (channel.role === 'server' || channel.renewal === undefined || funding === undefined) {
    return channel
  }
  const { old, signature } = channel.renewal
  // A record of an earlier version does not say what T1 spends: it takes what a block has.
  if (old === undefined) {
    const { raw } = funding.transaction
    return funding.height === undefined || raw.length > MAX_TRANSACTION_BYTES
      ? channel
      : { ...channel, fundingTx: raw, renewal: undefined }
  }
  const own = parseTransaction(channel.fundingTx)
  for (const shown of fundings ?? [funding.transaction]) {
    const [, , der] = shown.inputs[shown.inputOf(old.outPoint)]?.witness ?? []
    const theirs = der === undefined ? undefined : verified(der, own, old, verify)
    if (theirs !== undefined) {
      const fundingTx = completeRenewal(own, old, signature, theirs).raw
      return { ...channel, fundingTx, renewal: undefined }
    }
  }
  return channel
}

/**
 * True when what servers show of T1 tells that there is one. Of a renewal the client knows all of
 * T1 but the server's signature, so until that is verified only a block tells: what is shown with
 * anything else in its place no server could take (RENEW-7).
 */
export function isFundingSeen(
  channel: Established,
  funding: ShownTransaction | undefined
): boolean {
  if (funding === undefined) return false
  const isIncomplete = channel.role === 'client' && channel.renewal?.old !== undefined
  return funding.height !== undefined || !isIncomplete
}

/** The server's signature of T1; undefined when it is none. */
function verified(
  der: Uint8Array,
  tx: Transaction,
  old: FundingOutput,
  verify: Env['verify']
): Uint8Array | undefined {
  try {
    const { signature, sighashType } = fromBlock(der)
    const isSigned =
      sighashType === SIGHASH.ALL && verify(old.serverKey, renewalSighash(tx, old), signature)
    return isSigned ? signature : undefined
  } catch {
    return undefined
  }
}

/** The channel that this one renews; undefined when it renews none, or was given up. */
export function renewedChannel(channel: Channel): ChannelId | undefined {
  if (channel.stage === 'abandoned') return undefined
  if (channel.stage !== 'offered') return channel.terms.renews?.channel
  return channel.offer.renews === undefined ? undefined : renewsFrom(channel.offer.renews).channel
}

/**
 * RENEW-7: the transaction that has spent the old channel's funding output for good instead of our
 * T1.
 */
export function lostTo(
  channel: Channel,
  old: Channel | undefined,
  { height }: Pick<Env, 'height'>
): Txid | undefined {
  if (
    channel.stage === 'abandoned' ||
    channel.stage === 'offered' ||
    channel.stage === 'accepted' ||
    channel.terms.renews === undefined
  ) {
    return undefined
  }
  // The old channel was lost itself, and this side was stopped before it could tell.
  if (
    old?.stage === 'abandoned' &&
    (old.code === LOST || old.code === COIN_LOST) &&
    typeof old.facts.txid === 'string'
  ) {
    return txid(old.facts.txid)
  }
  if (old?.stage !== 'established' || height === undefined) return undefined
  const { spend } = old.onChain
  const isLost =
    spend !== undefined &&
    height - spend.height + 1 >= FINAL_DEPTH &&
    spend.txid !== channel.outPoint.txid
  return isLost ? spend.txid : undefined
}
