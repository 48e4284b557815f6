/** Tells whether a channel takes payments at all, in either side's turn. */
import type { Role } from '../bitcoin/keys.js'
import { PaychanError } from '../types/errors.js'
import { notWatched, type Env } from './env.js'
import { isBuried } from './funding.js'
import { lastPaymentHeightOf, mayPay } from './schedule.js'
import { isFrozen, spendInSight, type Channel, type Established } from './state.js'

/**
 * Returns the channel when it takes payments at all, in either side's turn; else the reason why
 * not.
 *
 * @param payer - this side when left out
 */
export function channelRefusal(
  channel: Channel,
  env: Pick<Env, 'height' | 'isWatched'>,
  payer: Role = channel.role
): Established | PaychanError {
  if (
    channel.stage !== 'established' ||
    !channel.ready.ours ||
    !channel.ready.theirs ||
    channel.ledger.held === undefined
  ) {
    return new PaychanError(
      'ERR_CHANNEL_NOT_OPEN',
      channel.stage === 'abandoned'
        ? `The channel was abandoned: ${channel.reason}`
        : 'The channel is not open yet; wait until `paychan channels` shows it as open.',
      { stage: channel.stage }
    )
  }
  const { terms, ledger } = channel
  if (!mayPay(terms, payer)) {
    return new PaychanError(
      'ERR_NOT_THE_PAYER',
      'In this channel the other side pays; open a channel of your own to pay it.',
      { role: channel.role }
    )
  }
  if (
    spendInSight(channel) !== undefined ||
    channel.publication !== undefined ||
    isFrozen(channel)
  ) {
    return new PaychanError(
      'ERR_CHANNEL_CLOSED',
      'The channel is closing or closed; open a new one.'
    )
  }
  if (channel.stopped !== undefined) {
    return new PaychanError(
      'ERR_CHANNEL_STOPPED',
      `The channel takes no more payments: ${channel.stopped.reason}`,
      { code: channel.stopped.code }
    )
  }
  if (channel.link !== 'live') {
    return new PaychanError(
      'ERR_PEER_UNREACHABLE',
      'The peer is not connected; the payment was not sent.',
      { peer: channel.peer }
    )
  }
  const { height } = env
  if (height === undefined) {
    return new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      'The chain has not been seen yet; the payment was not sent.'
    )
  }
  if (!env.isWatched) return notWatched() // UPD-20
  if (!isBuried(channel, env)) {
    // FUND-4
    return new PaychanError(
      'ERR_CHANNEL_NOT_OPEN',
      'A reorganisation of the chain took the funding transaction back; wait until it is confirmed again.'
    )
  }
  const lastPaymentHeight = lastPaymentHeightOf(terms, ledger.turn)
  if (height > lastPaymentHeight) {
    // UPD-12
    return new PaychanError(
      'ERR_CHANNEL_EXPIRED',
      `The last payment on this channel was at height ${lastPaymentHeight}, and the tip is at ${height}; close it and open a new one.`,
      { height, lastPaymentHeight }
    )
  }
  return channel
}
