/**
 * The fee of a close that this side asks for. Its signature freezes the channel for good (CLOSE-6)
 * before the other side judges the fee by an estimate of its own (CLOSE-4). So an estimate that is
 * too low, by mistake or by a server that lies, must not keep the asker from paying what the other
 * side asks for.
 */
import { closeVsize } from '../bitcoin/closing.js'
import { PaychanError } from '../types/errors.js'
import {
  feeFor,
  feeRate,
  formatAmount,
  formatFeeRate,
  max,
  rateFor,
  satoshi,
  satPerVByte,
  ZERO_SAT,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import type { Env } from './env.js'
import { balances } from './ledger.js'
import type { Established } from './state.js'
import { must } from './violation.js'

type Estimate = Pick<Env, 'feeRate'>

/** A repeated close may pay ten times the estimate, which gets into any block if that is true. */
const MOST_ABOVE_ESTIMATE = 10n

/**
 * Or this part of our share, whatever the estimate says. Of all closes that a peer keeps and
 * refuses, one at the most is ever in a block, so this is also the most that it can have us burn.
 */
const SURE_PART = 64n

/**
 * The other side refuses a rate below its own estimate (CLOSE-4): a tenth above ours leaves room
 * for its estimate.
 */
export function usualRate(env: Estimate): FeeRate {
  return feeRate((env.feeRate * 11n) / 10n)
}

export function usualFee(channel: Established, env: Estimate): Satoshi {
  return feeFor(usualRate(env), vsizeOf(channel))
}

/**
 * CLOSE-7: the fee of the next close that this side asks for: the usual one, or the one that a
 * person names; at the least what the close before needs for its replacement.
 *
 * @param named - by a person: the limits above are not for it, only our share is (CLOSE-3)
 * @throws Violation `ERR_CLOSE_FEE_TOO_HIGH` (facts, in satoshis: asked, estimate, most)
 * @throws PaychanError `ERR_FEERATE_TOO_LOW` (facts, in sat/vB: satPerVByte, least)
 */
export function feeToAsk(channel: Established, env: Estimate, named: FeeRate | undefined): Satoshi {
  const vsize = vsizeOf(channel)
  const replacing = leastToReplace(channel)
  if (named !== undefined) {
    requireFeerate(named, max(replacing, feeFor(env.feeRate, vsize)), vsize)
    return feeFor(named, vsize)
  }
  const usual = usualFee(channel, env)
  const fee = max(usual, replacing)
  const share = balances(channel.terms, channel.ledger)[channel.role]
  const most = max(usual * MOST_ABOVE_ESTIMATE, share / SURE_PART)
  must(
    fee === usual || fee <= most,
    'CLOSE-7',
    'ERR_CLOSE_FEE_TOO_HIGH',
    `The close has been asked for already; another one would have to pay ${formatAmount(fee)}, and the estimate is ${formatAmount(usual)}. Wait for the one that is signed, or name a feerate from ${formatFeeRate(rateFor(fee, vsize))} (\`paychan close CHANNEL --feerate\`).`,
    { asked: fee, estimate: usual, most }
  )
  return fee
}

/** A quarter more than each close before, and what BIP125 rule 4 asks for (1 sat/vB). */
function leastToReplace(channel: Established): Satoshi {
  const vsize = BigInt(vsizeOf(channel))
  return channel.closes
    .filter(({ asker }) => asker === channel.role)
    .reduce((least, { fee }) => max(least, satoshi(fee + max(fee / 4n, vsize))), ZERO_SAT)
}

/** The other side would refuse less, after our signature has frozen the channel. */
function requireFeerate(named: FeeRate, least: Satoshi, vsize: number): void {
  if (feeFor(named, vsize) >= least) return
  const rate = rateFor(least, vsize)
  throw new PaychanError(
    'ERR_FEERATE_TOO_LOW',
    `The close has to pay at least ${formatAmount(least)}, which is ${formatFeeRate(rate)}, and ${formatFeeRate(named)} were asked for: less than the estimate is refused by the peer, and so is what is not a quarter more than the close before.`,
    { satPerVByte: satPerVByte(named), least: satPerVByte(rate) }
  )
}

function vsizeOf({ terms }: Established): number {
  return closeVsize(terms.client.closeScript, terms.server.closeScript)
}
