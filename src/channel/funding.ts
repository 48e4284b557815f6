/**
 * T1 before it counts: the channels that wait for one, its depth, and the help for one that does
 * not confirm.
 *
 * Channels that a peer has asked a server for and not funded cost the peer nothing and the
 * server something, so there is room for some only, and the oldest go first when others ask
 * (OPEN-11).
 */
import { LOCK_BELOW_TIP } from '../bitcoin/renewal.js'
import { lockTimeOf } from '../bitcoin/transaction.js'
import { PaychanError } from '../types/errors.js'
import { blockDelta, max, satoshi } from '../types/units.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import type { ChannelEvent } from './events.js'
import { DAY } from './schedule.js'
import type { Accepted, Channel, Established, RefundSigned, ServerChannel } from './state.js'
import { abandon } from './stopping.js'
import { errorMessage } from './violation.js'

/** FUND-6, RENEW-7: advice for who waits for a T1 that is in no block. */
export const NEVER_MINED =
  'Should its funding transaction never be in a block, `paychan send ADDRESS all --coin COIN` sends one of its coins (`paychan coins`) to an address of this wallet and gives the channel up, or says from which height on it may.'

/** Time that a channel may be without T1 before it is among the first to go, in milliseconds. */
const PATIENCE_WITHOUT_T1_MS = 60_000
/** Time that a T1 that no server has refused may be unseen, in milliseconds: about two blocks. */
const PATIENCE_UNTIL_WATCHED_MS = 1_200_000
/** Time that a T1 in a mempool may be in no block, in milliseconds: about six blocks. */
const PATIENCE_WITH_T1_MS = 3_600_000

/** Blocks after L for which a channel that was handed back, and never funded, is still watched. */
export const KEPT_AFTER_L = 144
/** The time in milliseconds for which it is watched at the least, whatever L is: about a day. */
export const KEPT_MS = 86_400_000

/** A channel that a server may give up without a loss to anybody. */
export type Vacant = (Accepted | RefundSigned | Established) & { readonly role: 'server' }

/** True when T2 is signed, T1 is not in a block, and T1 would still be of use: L is not over. */
export function isUnfunded(channel: Channel, height: number): boolean {
  if (
    channel.stage !== 'refund-signed' &&
    !(channel.stage === 'established' && channel.onChain.fundingHeight === undefined)
  ) {
    return false
  }
  return height < channel.terms.refundHeight
}

/**
 * COST-4: true for a channel of a server in which no money is known to be: its script is watched
 * behind those of all others.
 */
export function isVacant(channel: Channel): boolean {
  return mayMakeRoom(channel) || isUnproven(channel)
}

/**
 * RESTORE-6: true for a channel that was handed back to a server, and whose T1 was never in a
 * block. Strangers have T2 signed for as many as they like, and hand them back.
 */
export function isUnproven(
  channel: Channel
): channel is Established & { readonly role: 'server'; readonly restored: true } {
  return (
    channel.stage === 'established' &&
    channel.restored === true &&
    isWorthless(channel) &&
    channel.onChain.spend === undefined &&
    channel.publication === undefined
  )
}

/**
 * OPEN-11: true for a channel of a server that holds no money, whatever comes. A renewal holds the
 * money of the old channel. A channel that was ready has taken payments, and a restored one may
 * have: a reorganisation can have dropped their T1 for a while, and a signature for a state can be
 * with the peer. A close that was signed before T1 was in a block pays this side nothing.
 */
export function mayMakeRoom(channel: Channel): channel is Vacant {
  if (channel.role !== 'server') return false
  switch (channel.stage) {
    case 'accepted':
    case 'refund-signed':
      return channel.terms.renews === undefined
    case 'established': {
      const { onChain, ready, terms, publication, restored } = channel
      return (
        terms.renews === undefined &&
        onChain.fundingHeight === undefined &&
        onChain.spend === undefined &&
        !ready.ours &&
        publication === undefined &&
        restored !== true
      )
    }
    default:
      return false
  }
}

/**
 * COST-2: true for a channel of a server whose T1 was never in a block, as far as this side knows:
 * whatever its peer says, nothing of ours is in it, so the client has to send its transactions. A
 * renewal has what the old channel had. A channel that a peer hands back (RESTORE-6) proves what
 * was signed, and not that there is a T1.
 */
export function isWorthless({
  role,
  terms,
  onChain,
  ready,
  restored,
  reorged
}: Established): boolean {
  if (role !== 'server' || onChain.fundingHeight !== undefined || reorged === true) return false
  return restored === true || (terms.renews === undefined && !ready.ours)
}

/**
 * TIME-12: true when T1 is shown, or was in a block once. To publish on a T1 that is gone costs
 * nothing; to wait for one that is only hidden costs the share.
 */
export function mayHoldMoney({ onChain, ready, restored, reorged }: Established): boolean {
  return onChain.fundingSeen || reorged === true || (ready.ours && restored !== true)
}

/**
 * OPEN-11: the rank among those to go: 0 before 1. Undefined: it is not old enough to go. A T1 that
 * a mempool has takes its place for an hour. A T1 that a server has refused takes none, since bytes
 * are free. A T1 that no server has been asked for yet may be in the mempools, with its client's
 * money in it: by the second block its script is watched (COST-4). So may one that one server of
 * several has, or says that it has: the others show it by then, or it is a lie.
 *
 * @param byTwo - this node has two servers or more
 */
export function turnToGo(channel: Vacant, now: number, byTwo: boolean): 0 | 1 | undefined {
  const age = now - channel.openedAt
  if (channel.stage !== 'established') return age >= PATIENCE_WITHOUT_T1_MS ? 0 : undefined
  if (!isUnseen(channel)) {
    return byTwo && channel.onChain.fundingShownByTwo !== true
      ? age >= PATIENCE_UNTIL_WATCHED_MS
        ? 0
        : undefined
      : age >= PATIENCE_WITH_T1_MS
        ? 1
        : undefined
  }
  const patience = isRefused(channel) ? PATIENCE_WITHOUT_T1_MS : PATIENCE_UNTIL_WATCHED_MS
  return age >= patience ? 0 : undefined
}

/**
 * OPEN-11: true for a channel of a stranger that goes for a peer with a funded channel before its
 * time: T2 is not signed, or a server has refused T1, or somebody has looked for T1 for a minute and
 * nobody shows it. What nobody has looked for yet may be in the mempools: those who fill the places
 * can use up what is looked for (COST-2, COST-4), too.
 */
export function goesForCustomer(
  channel: Vacant,
  { now, isWatched }: Pick<Env, 'now' | 'isWatched'>
): boolean {
  if (channel.stage !== 'established') return channel.stage === 'accepted'
  if (!isUnseen(channel)) return false
  const isLookedFor = isWatched && now - channel.openedAt >= PATIENCE_WITHOUT_T1_MS
  return isLookedFor || isRefused(channel)
}

/** True for a channel whose T1 no server has shown or taken. */
function isUnseen({ fundingAccepted, onChain }: ServerChannel): boolean {
  return !(fundingAccepted || onChain.fundingSeen)
}

function isRefused({ unwanted, outPoint }: ServerChannel): boolean {
  return unwanted?.txid === outPoint.txid
}

/**
 * Another peer asks for a channel, and there is no room. `forCustomer`: that peer has a funded
 * channel, and the one of this channel has none.
 */
export function makeRoom(
  channel: Channel,
  env: Pick<Env, 'now' | 'isWatched'>,
  { forCustomer, byTwo }: Omit<Extract<ChannelEvent, { type: 'make-room' }>, 'type'>
): Transition {
  if (
    !mayMakeRoom(channel) ||
    (turnToGo(channel, env.now, byTwo) === undefined &&
      !(forCustomer && goesForCustomer(channel, env)))
  ) {
    return become(channel)
  }
  const why = new PaychanError(
    'ERR_TOO_MANY_OPENINGS',
    'Others ask for channels, and this one has waited long for a T1 in a block. Open another one once T1 can be confirmed soon.'
  )
  return abandon(channel, why, { type: 'send', message: errorMessage(why, true) })
}

/**
 * RESTORE-7: the chain shows nothing of a channel that was handed back. A day of blocks after L its
 * client could long have had T2 in one; before that, servers that hide T1 may yet be found out.
 */
export function letUnprovenGo(channel: Channel, env: Pick<Env, 'now' | 'height'>): Transition {
  if (
    !isUnproven(channel) ||
    channel.onChain.fundingSeen ||
    env.height === undefined ||
    env.height < channel.terms.refundHeight + KEPT_AFTER_L ||
    env.now - channel.openedAt < KEPT_MS
  ) {
    return become(channel)
  }
  return abandon(
    channel,
    new PaychanError(
      'ERR_OPEN_TIMEOUT',
      `T1 of this channel, which its peer has handed back, was in no block ${KEPT_AFTER_L} blocks after its refund could be: there is nothing in it.`
    )
  )
}

/* The depth of T1, and the help for one that does not confirm. */

/*
 * The depth of T1: a funding output that a reorg could still take away carries no payments
 * (FUND-4).
 */

/**
 * Confirmations after which people are told that a spend is final: the usual number of Bitcoin
 * wallets.
 */
export const FINAL_DEPTH = 6

/**
 * Confirmations of T1: 1 in the block of the tip; 0 while it is in no block, or the tip is unknown.
 */
export function confirmations({ onChain }: Established, env: Pick<Env, 'height'>): number {
  if (onChain.fundingHeight === undefined || env.height === undefined) return 0
  return max(0, env.height - onChain.fundingHeight + 1)
}

/**
 * FUND-4: true when T1 is now as deep as the terms ask for; after a reorg it has to get there
 * again.
 */
export function isBuried(channel: Established, env: Pick<Env, 'height'>): boolean {
  return confirmations(channel, env) >= channel.terms.minDepth
}

/*
 * A T1 that does not confirm: FUND-5 forbids replacing it, and lets its client pay for it by a
 * child.
 */

/**
 * Blocks that T1 may wait unless another number was given: T1 was built for an estimate to confirm
 * within as many.
 */
const PATIENCE = blockDelta(6)

/** The child costs at most 5 % of what the channel holds; a person may pay more with `bumpfee`. */
const MOST_OF_CAPACITY = 20n

/**
 * FUND-5, EVID-7: asks the wallet for a child once T1 has waited, whether or not a server shows T1:
 * a T1 that no mempool takes, or that was dropped, needs one all the more. A spend of its funding
 * output that is shown (the server can make one from Update 0 for nothing) says no more: a child of
 * T1's change that pays more takes its place in mempools (BIP431, sibling eviction), or stays
 * beside it. Level-triggered: asks
 * with every block, and the wallet does nothing when both pay the present estimate and no server
 * refuses them for their fee, or when T1 has no change.
 */
export function fundingFee(channel: Established, { height, feeRate }: Env): Effect[] {
  const { terms, outPoint, fundingTx, onChain } = channel
  // Our wallet has no change of a T1 that an outside wallet has made.
  if (
    channel.role !== 'client' ||
    channel.outside !== undefined ||
    height === undefined ||
    onChain.fundingHeight !== undefined ||
    onChain.spend !== undefined
  ) {
    return []
  }
  const { patience = PATIENCE } = channel
  // The wallet gives T1 the height at which it was built as nLockTime, or a little less.
  const builtAt = lockTimeOf(fundingTx) + (terms.renews === undefined ? 0 : LOCK_BELOW_TIP)
  if (height - builtAt < patience) return []
  return [
    {
      type: 'bump-funding',
      funding: outPoint.txid,
      fundingTx,
      feeRate,
      most: satoshi(terms.capacity / MOST_OF_CAPACITY),
      isLate: height - builtAt >= Math.max(patience, DAY)
    }
  ]
}
