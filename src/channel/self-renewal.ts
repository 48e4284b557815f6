/**
 * Channels that renew themselves (RENEW-12): the time, the duration and the cost. Nobody looks on,
 * and the peer partly decides when a channel is due: a peer that could make it due in every block
 * would have it eaten by fees.
 */
import { alarm, PaychanError } from '../types/errors.js'
import { formatAmount, min, satoshi, type BlockDelta, type Satoshi } from '../types/units.js'
import type { Effect } from './effects.js'
import type { Env } from './env.js'
import { confirmations } from './funding.js'
import { balances } from './ledger.js'
import { DAY, lastPaymentHeightOf } from './schedule.js'
import {
  isFrozen,
  spendInSight,
  type Channel,
  type ClientChannel,
  type Established
} from './state.js'

/**
 * Blocks before the last payment at which a channel renews itself: T1 can then be in a block before
 * payments would have to end.
 */
export const RENEW_BEFORE = 6

/**
 * Blocks that T1 has to have been in a block: six times the duration of a renewal. A shorter life
 * would be a row of renewals instead of a channel. The limit allows at most four a day.
 */
const LEAST_LIFE = 6 * RENEW_BEFORE

/**
 * The limit of what renewals cost: a hundredth of the client's share for each day of the channel's
 * life, of five days at the most, since an estimate can be false for once.
 */
const MOST_DAYS = 5
const PART_A_DAY = 100n

/** True when a channel that renews itself should do so now. */
export function isRenewalDue(
  channel: Channel,
  { height }: Pick<Env, 'height'>
): channel is ClientChannel & { readonly renewFor: BlockDelta } {
  if (
    channel.stage !== 'established' ||
    channel.role !== 'client' ||
    channel.renewFor === undefined ||
    height === undefined
  ) {
    return false
  }
  return (
    channel.ledger.held !== undefined &&
    !isFrozen(channel) &&
    spendInSight(channel) === undefined &&
    height >= lastPaymentHeightOf(channel.terms, channel.ledger.turn) - RENEW_BEFORE
  )
}

/**
 * RENEW-12: a channel that was to renew itself ends; a person is told, also when no renewal could
 * be tried. A close before that time is somebody's wish.
 */
export function notRenewed(channel: Established, { height }: Pick<Env, 'height'>): Effect[] {
  if (channel.role !== 'client' || channel.renewFor === undefined || isFrozen(channel)) return []
  const isEarly =
    height !== undefined &&
    height < lastPaymentHeightOf(channel.terms, channel.ledger.turn) - RENEW_BEFORE
  if (isEarly) return []
  return [
    alarm(
      new PaychanError(
        'ERR_RENEWAL_FAILED',
        'The channel was to renew itself and did not in time: it is closed now. Open another one.',
        { cause: 'too late' }
      )
    )
  ]
}

/** The prospects, as text, of a channel that could not be renewed just now. */
export function afterRenewalFailed(channel: Channel, env: Pick<Env, 'height'>): string {
  if (isRenewalDue(channel, env)) {
    return 'It is tried again with every block, until the channel is closed, a few blocks after its last payment.'
  }
  const renewedAs =
    channel.stage === 'established'
      ? channel.closes.find((close) => close.renewedAs !== undefined)?.renewedAs
      : undefined
  if (renewedAs !== undefined) {
    return `It is signed already, as channel ${renewedAs.slice(0, 8)}, and goes on once the peer is back; the channel takes no more payments, and ends by itself in time if it does not.`
  }
  if (channel.stage === 'established' && isFrozen(channel)) {
    return 'A close of the channel is signed: it is closed, and not renewed.'
  }
  return 'It is not tried again: the channel ends by itself.'
}

/**
 * Number of blocks for a renewal: as asked for, but at most the time for which this node would let
 * another one lock its money up (RENEW-9).
 */
export function blocksToRenewFor(
  { terms, ledger }: Established,
  wanted: BlockDelta,
  { policy }: Pick<Env, 'policy'>
): BlockDelta {
  return terms.mode === 'one-way' || balances(terms, ledger).server === 0n
    ? wanted
    : min(wanted, policy.maxRenewalWait)
}

/** @throws PaychanError the reason why only a person renews this channel; it ends then */
export function requireRenewsItself(
  channel: Established,
  fee: Satoshi,
  env: Pick<Env, 'height'>
): void {
  const { terms, ledger } = channel
  const life = confirmations(channel, env) - 1
  if (life < LEAST_LIFE) {
    throw new PaychanError(
      'ERR_RENEWAL_TOO_SOON',
      `It has lasted ${life} blocks, and what has to be renewed after less than ${LEAST_LIFE} does not renew itself, for fees would eat it. Renew it with \`paychan renew\`, or open a channel for more blocks.`,
      { life, least: LEAST_LIFE }
    )
  }
  const share = balances(terms, ledger).client
  const most = satoshi((share * BigInt(min(life, MOST_DAYS * DAY))) / (PART_A_DAY * BigInt(DAY)))
  if (fee > most) {
    throw new PaychanError(
      'ERR_RENEWAL_TOO_DEAR',
      `It would cost ${formatAmount(fee)}, and by itself this node spends ${formatAmount(most)} at the most on it: a hundredth of your ${formatAmount(share)} for each day that the channel has lasted. Renew it with \`paychan renew\`, or top it up.`,
      { fee, most }
    )
  }
}
