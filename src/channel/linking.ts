/** The beginning and end of a stream to the peer, and the peer's refusals on it. */
import type { ErrorMessage } from '../../protocols/paychan/1.0/index.js'
import { alarm, PaychanError } from '../types/errors.js'
import { abandon, stoppedFor, whereMoneyMayBe } from './stopping.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import type { ChannelEvent } from './events.js'
import { openStream } from './reestablishing.js'
import { forgetTheirWish } from './turns.js'
import { isWorthless } from './funding.js'
import { isOpening, type Channel, type Established } from './state.js'
import { codeOfPeer } from './violation.js'

const STATE_FORGOTTEN = 'ERR_STATE_FORGOTTEN'

/** Handles a new stream that we have opened, of a channel that both sides know. */
export function onConnected(channel: Channel, address: string | undefined, env: Env): Transition {
  if (channel.stage !== 'established') return become(channel)
  // The address that worked last is dialled first, also after a restart.
  return openStream({ ...channel, address: address ?? channel.address }, env)
}

/**
 * REEST-7: once both have said where they stand, any message comes from a sender that has our
 * `Reestablish` on its disk.
 */
export function heard(channel: Channel): Channel {
  if (
    channel.stage !== 'established' ||
    channel.link !== 'live' ||
    channel.epochs.seen >= channel.epochs.ours
  ) {
    return channel
  }
  return { ...channel, epochs: { ...channel.epochs, seen: channel.epochs.ours } }
}

/** The stream is over as soon as we decide it, whatever messages on it still wait to be handled. */
export function hungUp(channel: Established, effects: readonly Effect[]): Established {
  return effects.some(({ type }) => type === 'hang-up') ? { ...channel, link: 'down' } : channel
}

/**
 * REEST-6: true for a message on a stream that is over: it is ignored, since it may build on what
 * was refused. An Error is still heard, and so is the first message of the next stream.
 */
export function isOver(channel: Channel, event: ChannelEvent): boolean {
  if (channel.stage !== 'established' || channel.link !== 'down') return false
  return (
    event.type === 'updates' ||
    (event.type === 'message' &&
      event.message.type !== 'Error' &&
      event.message.type !== 'Reestablish')
  )
}

/** Handles the end of a stream. Before T1 has left, it ends the opening. */
export function onDisconnected(channel: Channel, reason: string): Transition {
  if (channel.stage === 'established') {
    const payments = channel.ledger.inFlight.flatMap((update) => update.payments)
    const unknown: Effect[] =
      payments.length > 0 ? [{ type: 'payments-unknown', payments, reason }] : []
    const alone = forgetTheirWish(channel)
    // The same state is written by nobody: all channels hear of this when a node starts.
    return become(alone.link === 'down' ? alone : { ...alone, link: 'down' }, ...unknown, {
      type: 'notify',
      news: { kind: 'disconnected' }
    })
  }
  // A signed refund can still be used (FUND-1).
  if (channel.stage === 'refund-signed') return become({ ...channel, link: 'down' })
  if (!isOpening(channel)) return become(channel)
  if (channel.stage === 'refund-requested' && channel.secured?.acknowledged === true) {
    return become({ ...channel, secured: { ...channel.secured, isConnected: false } })
  }
  return abandon(
    channel,
    new PaychanError(
      'ERR_PEER_UNREACHABLE',
      `The peer went away while the channel was opening${reason === '' ? '' : ` (${reason})`}; open it again.`
    )
  )
}

/**
 * Handles an Error: the peer refused something, or found a rule broken (ERR-3, ERR-4). It gets no
 * Error in return (ERR-5).
 */
export function onError(channel: Channel, error: ErrorMessage): Transition {
  if (channel.stage === 'abandoned') return become(channel)
  if (isOpening(channel)) {
    return abandon(
      channel,
      new PaychanError('ERR_OPEN_REFUSED', `The peer refused: ${error.text}`, {
        peerCode: error.code,
        rule: error.rule
      })
    )
  }
  if (error.fatal) {
    // The peer repeats it on every stream of a channel that has ended. The sender decides whether
    // the stream ends: the channel can still be closed in peace on it.
    const isCloseOnly = error.rule === 'REEST-4'
    // Its code is advice: a peer that says that it has forgotten a state itself has nothing to
    // tell.
    const isAboutUs = isCloseOnly && error.code !== STATE_FORGOTTEN
    const code = codeOfPeer(error.code)
    const reason = `the peer says: ${error.text}`
    const why = { code, reason, rule: error.rule, settleNow: false }
    const stopped = stoppedFor(channel, why, isAboutUs)
    if (stopped === undefined) return become(channel)
    const refused = isCloseOnly ? [] : closeRefused(channel, error)
    return become(
      stopped.channel,
      ...unknownNow(channel, error),
      ...refused,
      peerStopped(channel, error, isAboutUs),
      ...stopped.ask
    )
  }
  const unknown = error.code === 'ERR_CHANNEL_CLOSED' ? unknownNow(channel, error) : []
  return become(channel, ...unknown, ...closeRefused(channel, error), peerSays(error))
}

function peerSays({ code, text }: ErrorMessage): Effect {
  return { type: 'notify', news: { kind: 'peer-says', code, text } }
}

/** `cause` of an alarm that a peer can raise without a coin: all of them are one. */
export const FORGOTTEN_UNFUNDED = 'forgotten, unfunded'

/**
 * ERR-6: the end of a channel that holds nothing is no alarm: strangers make as many as they like.
 * But this side may be the one that has forgotten what is in it.
 */
function peerStopped(channel: Established, error: ErrorMessage, isAboutUs: boolean): Effect {
  const isEmpty = isWorthless(channel)
  if (isEmpty && !isAboutUs) return peerSays(error)
  const { code, rule, text } = error
  return alarm(
    new PaychanError(
      codeOfPeer(code),
      `The peer stopped the channel: ${text}${isAboutUs ? ` ${whereMoneyMayBe(channel)}` : ''}`,
      {
        ...{ rule, peer: channel.peer, peerCode: code },
        ...(isAboutUs ? { cause: isEmpty ? FORGOTTEN_UNFUNDED : 'forgotten' } : {})
      }
    )
  )
}

/** Payments in flight will not be acknowledged any more. */
function unknownNow({ ledger }: Established, { text }: ErrorMessage): Effect[] {
  const payments = ledger.inFlight.flatMap((update) => update.payments)
  return payments.length > 0 ? [{ type: 'payments-unknown', payments, reason: text }] : []
}

function closeRefused(channel: Established, error: ErrorMessage): Effect[] {
  if (!channel.closes.some((close) => close.asker === channel.role)) return []
  return [
    {
      type: 'close-refused',
      error: new PaychanError('ERR_CLOSE_REFUSED', `The peer refused the close: ${error.text}`, {
        peerCode: error.code,
        rule: error.rule
      })
    }
  ]
}
