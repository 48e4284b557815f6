/** Tells how far an opening is, out of the events of the node. */
import type { ChannelInfo, ChannelStatus, NodeEvent, OpenRequest } from '../node/api.js'
import { namesPeer } from '../node/choose-peer.js'
import { shortChannel } from './render.js'

type ChannelEvent = Extract<NodeEvent, { type: 'channel' }>

const OPENING: readonly ChannelStatus[] = ['opening', 'confirming', 'open', 'abandoned']

/** Step 8: both sides have stored the initial T3, and only blocks are waited for. */
const LAST_STEP_BEFORE_BLOCKS = 8

/** Whether a channel is the one that was asked for. */
export type IsAsked = (channel: ChannelInfo) => boolean

/** By `open`. */
export function isOpened ({ peer, amount }: Pick<OpenRequest, 'peer' | 'amount'>): IsAsked {
  return channel => channel.role === 'client' && channel.capacity === amount && (namesPeer(peer, channel.peerId) || peer.endsWith(`/p2p/${channel.peerId}`))
}

/** By `renew` and `topup`: `renewed` are the first digits of the old channel's id. */
export function isRenewal (renewed: string): IsAsked {
  return channel => channel.renews?.startsWith(renewed) === true
}

/** By its id, or the first digits of it. */
export function isChannel (prefix: string): IsAsked {
  return channel => channel.id.startsWith(prefix)
}

/**
 * Follows the first channel that fits: an older one with the same peer and capacity that is open
 * already has no more steps.
 */
export class OpeningProgress {
  /** The channel, once its opening has begun. */
  followed: ChannelInfo | undefined
  #last = ''
  #waitsFor = 'the peer to answer'

  /** `show` gets a line for each new step. */
  constructor (private readonly isAsked: IsAsked, private readonly show: (line: string) => void) {}

  readonly onEvent = (event: NodeEvent): void => {
    if (event.type !== 'channel' || !OPENING.includes(event.channel.status) || !this.isAsked(event.channel)) return
    if (this.followed === undefined && event.channel.status === 'open') return
    if (this.followed !== undefined && this.followed.id !== event.channel.id) return
    this.#waitsFor = whatComesAfter(event) ?? this.#waitsFor
    this.#tell(event.channel, event.what, event.step === LAST_STEP_BEFORE_BLOCKS ? ' (on a devnet, mine with: paychan devnet mine 1)' : '')
  }

  /** A block has come: how deep the funding is now. */
  onBlock (channels: readonly ChannelInfo[]): void {
    const channel = channels.find(({ id }) => id === this.followed?.id)
    if (channel?.status === 'confirming' && channel.confirmations !== this.followed?.confirmations) this.#tell(channel, 'a block has come', '')
  }

  /** Whom or what is waited for now. */
  waitsFor (): string {
    const channel = this.followed
    if (channel?.status !== 'confirming' || this.#waitsFor !== BLOCKS) return this.#waitsFor
    return `${BLOCKS}: ${depth(channel)}`
  }

  #tell (channel: ChannelInfo, what: string, hint: string): void {
    this.followed = channel
    // The node says so itself when the depth is reached.
    const suffix = channel.status === 'confirming' && !what.includes('confirmations') ? `; ${depth(channel)}${hint}` : ''
    const line = `${shortChannel(channel.id)}  ${what}${suffix}`
    if (line === this.#last) return
    this.#last = line
    this.show(line)
  }
}

const BLOCKS = 'blocks on top of the funding transaction'

function depth ({ confirmations, minDepth }: ChannelInfo): string {
  return `${confirmations} of ${minDepth ?? '?'} confirmations`
}

/** Who has to do something next. Step 1 is told twice: when the client has asked, and when the server has answered. */
function whatComesAfter ({ step, channel, what }: ChannelEvent): string | undefined {
  switch (step) {
    case 1: return what.startsWith('asked') ? 'the peer to answer the offer' : 'the Electrum server, to watch the funding output'
    case 2:
    case 3: return 'the peer to sign the refund'
    case 5:
    case 6: return 'the peer to take the funding transaction'
    case 7: return 'the peer to store the first state'
    case 8: return BLOCKS
    default: return channel.status === 'confirming' && channel.confirmations > 0 ? BLOCKS : undefined
  }
}
