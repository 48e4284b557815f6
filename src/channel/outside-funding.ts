/**
 * T1 is made and signed by a wallet that is not ours. Steps 2 to 6 then have a person in them:
 *
 *     (AcceptChannel) -> a PSBT is funded, unsigned -> RefundRequest -> (RefundSignature)
 *                     -> verified and on disk -> only now the PSBT is signed -> Funding
 *
 * From the signature of T2 on the channel is `established`, and `outside` says whether T1 is
 * signed. It may be signed and sent at any time, whatever was agreed: T2 is kept for good.
 */
import { checkFundedPsbt, type FundedPsbt } from '../bitcoin/funding-psbt.js'
import { signedFunding } from '../bitcoin/signed-funding.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { alarm, PaychanError } from '../types/errors.js'
import { formatAmount, type BlockHeight } from '../types/units.js'
import { become, type Effect, type Transition } from './effects.js'
import { heightOf, type Env } from './env.js'
import { establishClient } from './establishing.js'
import type { FundingHistory, ShownTransaction } from './events.js'
import type {
  AcceptedClient,
  Channel,
  ClientChannel,
  Established,
  RefundRequested
} from './state.js'
import { fundingScriptOf } from './terms.js'
import { attempt, errorMessage, Violation } from './violation.js'

/** A channel with T2 signed, and T1 not signed as far as we know. */
type Unsigned = ClientChannel & { readonly outside: { readonly isSigned: false } }

export function isUnsigned(channel: Channel): channel is Unsigned {
  return (
    channel.stage === 'established' &&
    channel.role === 'client' &&
    channel.outside?.isSigned === false
  )
}

/** True when the server has named its key, and an outside wallet is to pay for T1. */
export function awaitsInputs(
  channel: Channel
): channel is AcceptedClient & { readonly outside: true } {
  return channel.stage === 'accepted' && channel.role === 'client' && channel.outside === true
}

/** True when T2 is signed, so that the outside wallet may sign T1. */
export function awaitsSignatures(channel: Channel): channel is Unsigned {
  return isUnsigned(channel) && channel.stopped === undefined
}

/** True when the channel is given up and T1 was never seen: only the watch is left to do. */
export function isGivenUp(channel: Channel): boolean {
  return isUnsigned(channel) && channel.stopped !== undefined
}

/**
 * Step 2: checks the funded PSBT that T2 is asked for.
 *
 * @throws PaychanError those of `checkFundedPsbt`, `ERR_CHAIN_UNAVAILABLE`
 */
export function checkFunded({ terms }: AcceptedClient, psbt: Uint8Array, env: Env): FundedPsbt {
  return checkFundedPsbt(psbt, {
    network: terms.network,
    script: fundingScriptOf(terms),
    capacity: terms.capacity,
    height: heightOf(env),
    leastRate: env.relay.minimum
  })
}

/**
 * Step 6: checks the signed T1. @throws PaychanError those of `signedFunding`,
 * `ERR_PSBT_NOT_EXPECTED`
 */
export function checkSigned(
  channel: ClientChannel,
  given: Uint8Array,
  { verify }: Pick<Env, 'verify'>
): Transaction {
  const { terms, outPoint, outside } = channel
  if (outside?.psbt === undefined) throw notExpected()
  return signedFunding(given, {
    psbt: outside.psbt,
    outPoint,
    script: fundingScriptOf(terms),
    capacity: terms.capacity,
    verify
  })
}

/** @returns the error of a PSBT that no channel waits for: `ERR_PSBT_NOT_EXPECTED` */
export function notExpected(): PaychanError {
  return new PaychanError(
    'ERR_PSBT_NOT_EXPECTED',
    'The channel waits for no PSBT; `paychan channels --all` says how it stands.'
  )
}

/**
 * Step 5: T2's signature is right. The commit before the effects is REF-7: until then nobody is
 * told to sign T1.
 */
export function awaitSignatures(
  state: RefundRequested,
  psbt: Uint8Array,
  refundSignature: Uint8Array
): Transition<Established> {
  const established = establishClient(state, {
    refundSignature,
    outside: { psbt, isSigned: false }
  })
  return become(established, {
    type: 'notify',
    step: 5,
    news: { kind: 'refund-secured', payer: 'outside' }
  })
}

/**
 * Step 6: the outside wallet has signed. When it signs again, T1 has the same txid, and perhaps
 * better witnesses.
 */
export function onFundingSigned(channel: Channel, raw: Uint8Array): Transition {
  if (
    channel.stage !== 'established' ||
    channel.role !== 'client' ||
    channel.outside?.psbt === undefined ||
    channel.stopped !== undefined
  ) {
    return become(channel)
  }
  const signed: ClientChannel = {
    ...channel,
    fundingTx: raw,
    outside: { ...channel.outside, isSigned: true }
  }
  return become(
    signed,
    ...handOver(signed),
    { type: 'broadcast', purpose: 'funding', raw },
    {
      type: 'notify',
      step: 6,
      txid: channel.outPoint.txid,
      news: { kind: 'funding-sent', by: 'outside' }
    }
  )
}

/**
 * The chain shows T1: the outside wallet may have sent it by itself. A T1 that is in no block yet
 * may be a server's invention, since a txid does not cover witnesses; in a block, T1 is as final as
 * it gets.
 */
export function onFundingShown(
  channel: Established,
  funding: FundingHistory['funding'],
  env: Pick<Env, 'verify'>
): Transition<Established> {
  if (channel.role !== 'client' || channel.outside === undefined || funding === undefined) {
    return become(channel)
  }
  const { outside, stopped, outPoint } = channel
  const isMined = funding.height !== undefined
  if (outside.isSigned) {
    return become(
      isMined && outside.psbt !== undefined
        ? { ...channel, outside: { ...outside, psbt: undefined } }
        : channel
    )
  }
  if (!isMined && !isWellSigned(channel, funding.transaction, env)) return become(channel)
  const shown: ClientChannel = {
    ...channel,
    fundingTx: funding.transaction.raw,
    outside: { ...outside, psbt: isMined ? undefined : outside.psbt, isSigned: true }
  }
  if (stopped !== undefined) {
    const { refundHeight } = channel.terms
    return become(
      shown,
      alarm(
        new PaychanError(
          'ERR_FUNDED_TOO_LATE',
          `T1 ${outPoint.txid} was sent although the opening had been given up: its money comes back by the refund T2 at height ${refundHeight}.`,
          { txid: outPoint.txid, refundHeight }
        )
      )
    )
  }
  return become(shown, ...handOver(shown), {
    type: 'notify',
    step: 6,
    txid: outPoint.txid,
    news: { kind: 'funding-came-from-chain' }
  })
}

/**
 * T2 is bound to the txid of T1. Money that another transaction brings to the funding script, such
 * as a T1 whose fee the outside wallet has raised (FUND-5), leaves it only with the signature of
 * the peer, so a person has to hear of it as long as something can be done. Once T1 is in a block,
 * anybody knows the script and can pay to it, and that means nothing.
 */
export function onStrays(
  channel: Established,
  strays: readonly ShownTransaction[],
  fundingHeight: BlockHeight | undefined
): Transition<Established> {
  if (
    channel.role !== 'client' ||
    channel.outside === undefined ||
    fundingHeight !== undefined ||
    strays.length === 0
  ) {
    return become(channel)
  }
  const { outside, outPoint, terms } = channel
  const script = fundingScriptOf(terms)
  const paying = strays
    .map((stray) => ({ ...stray, paid: stray.transaction.paidTo(script) }))
    .filter(({ paid }) => paid > 0n)
  const stray = paying.find(({ height }) => height !== undefined) ?? paying.at(-1)
  if (
    stray === undefined ||
    (outside.stray?.txid === stray.transaction.txid && outside.stray.height === stray.height)
  ) {
    return become(channel)
  }
  const {
    transaction: { txid },
    height,
    paid
  } = stray
  const advice =
    height === undefined
      ? 'It is in no block yet: have the wallet that sent it replace it at once by a transaction that pays elsewhere, with a higher fee (RBF), and open the channel anew.'
      : `It is in block ${height}: only both sides together can move it. Keep this data directory, ask the peer for its signature, and send nothing more to that address.`
  return become(
    { ...channel, outside: { ...outside, stray: { txid, height } } },
    alarm(
      new PaychanError(
        'ERR_PAID_WITHOUT_REFUND',
        `Transaction ${txid} pays ${formatAmount(paid)} to the address of the channel, and is not T1 ${outPoint.txid}, the one that has the refund T2. ${advice}`,
        { txid, paid, height, funding: outPoint.txid }
      )
    )
  )
}

/**
 * FUND-3: hands T1 over; the server answers when it has it, and Update 0 follows. After a break T1
 * is handed over behind `Reestablish`.
 */
function handOver({ link, fundingTx, fundingAcknowledged }: ClientChannel): Effect[] {
  return link === 'live' && !fundingAcknowledged
    ? [{ type: 'send', message: { type: 'Funding', fundingTx } }]
    : []
}

function isWellSigned(
  channel: ClientChannel,
  { raw }: Transaction,
  env: Pick<Env, 'verify'>
): boolean {
  const checked = attempt('FUND-1', () => {
    checkSigned(channel, raw, env)
  })
  return !(checked instanceof Violation)
}

/**
 * The person does not want the channel any more. Nobody can take back what is signed elsewhere, so
 * T2 and the watch stay.
 */
export function giveUpUnsigned(channel: Established): Transition<Established> {
  const done: Effect = { type: 'close-done', kind: 'abandoned', txid: undefined }
  return channel.stopped === undefined
    ? stopUnsigned(channel, 'ERR_CANCELLED', 'given up before T1 was signed', done)
    : become(channel, done)
}

/** OPEN-9: by then the server has given the channel up, and T1 would carry no payments (FUND-4). */
export function expireUnsigned(
  channel: Established,
  { height }: Pick<Env, 'height'>
): Transition<Established> {
  const { lastPaymentHeight } = channel.terms
  if (!awaitsSignatures(channel) || height === undefined || height <= lastPaymentHeight) {
    return become(channel)
  }
  return stopUnsigned(
    channel,
    'ERR_OPEN_TIMEOUT',
    `T1 was not signed up to height ${lastPaymentHeight}, the last for payments`
  )
}

function stopUnsigned(
  channel: Established,
  code: string,
  why: string,
  ...last: Effect[]
): Transition<Established> {
  const reason = `${why}. Do not sign or send it any more: its money would be locked until height ${channel.terms.refundHeight}, when the refund T2 brings it back.`
  return become(
    { ...channel, stopped: { code, reason, rule: '', settleNow: false } },
    {
      type: 'send',
      message: errorMessage({ code, message: 'The client does not fund the channel.' }, true)
    },
    { type: 'hang-up' },
    ...last,
    { type: 'notify', news: { kind: 'given-up', code, reason } }
  )
}
