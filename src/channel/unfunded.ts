/**
 * Channels that a peer has asked a server for and not funded: they cost the peer nothing and the
 * server something, so there is room for some only, and the oldest go first when others ask
 * (OPEN-11).
 */
import { PaychanError } from '../types/errors.js'
import { abandon } from './stopping.js'
import { to, type Transition } from './effects.js'
import type { Env } from './env.js'
import type { Accepted, Channel, Established, RefundSigned } from './state.js'
import { errorMessage } from './violation.js'

/** Time that a channel may be without T1 before it is among the first to go, in milliseconds. */
const PATIENCE_WITHOUT_T1_MS = 60_000
/** Time that a T1 in a mempool may be in no block, in milliseconds: about six blocks. */
const PATIENCE_WITH_T1_MS = 3_600_000

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
 * OPEN-11: true for a channel of a server that holds no money, whatever comes. A renewal holds the
 * money of the old channel. A channel that was ready has taken payments, and a restored one may
 * have: a reorganisation can have dropped their T1 for a while, and a signature for a close or a
 * state can be with the peer.
 */
export function isVacant(channel: Channel): channel is Vacant {
  if (channel.role !== 'server') return false
  switch (channel.stage) {
    case 'accepted':
    case 'refund-signed':
      return channel.terms.renews === undefined
    case 'established': {
      const { onChain, ready, terms, closes, publication, restored } = channel
      return (
        terms.renews === undefined &&
        onChain.fundingHeight === undefined &&
        onChain.spend === undefined &&
        !ready.ours &&
        closes.length === 0 &&
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
 * True when a mempool has T1: a T1 that was only handed over takes no place, since bytes are free.
 */
function hasT1(channel: Vacant): boolean {
  return (
    channel.stage === 'established' && (channel.fundingAcknowledged || channel.onChain.fundingSeen)
  )
}

/** OPEN-11: the rank among those to go: 0 before 1. Undefined: it is not old enough to go. */
export function turnToGo(channel: Vacant, now: number): 0 | 1 | undefined {
  const age = now - channel.openedAt
  if (hasT1(channel)) return age >= PATIENCE_WITH_T1_MS ? 1 : undefined
  return age >= PATIENCE_WITHOUT_T1_MS ? 0 : undefined
}

/** Another peer asks for a channel, and there is no room. */
export function makeRoom(channel: Channel, env: Pick<Env, 'now'>): Transition {
  if (!isVacant(channel) || turnToGo(channel, env.now) === undefined) return to(channel)
  const why = new PaychanError(
    'ERR_TOO_MANY_OPENINGS',
    'Others ask for channels, and this one has waited long for a T1 in a block. Open another one once T1 can be confirmed soon.'
  )
  return abandon(channel, why, { type: 'send', message: errorMessage(why, true) })
}
