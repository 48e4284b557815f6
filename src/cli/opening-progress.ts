/**
 * Tells the progress of an opening from the events of the node, and cancels it on Ctrl-C while that
 * is still possible.
 */
import { type ApiClient, connectApi } from '../daemon/client.js'
import { dataPaths } from '../daemon/paths.js'
import { devnetOption } from '../daemon/config-schema.js'
import type { ChannelInfo, ChannelStatus, NodeEvent, OpenRequest } from '../node/api.js'
import { namesPeer } from '../node/choose.js'
import {
  blocksLeft,
  blocksText,
  type ChannelEvent,
  plainWords,
  protocolWords
} from '../words/channels.js'
import { type Context, interruption } from './context.js'
import { startPatience, untilInterrupted } from './output.js'
import { shortChannel } from '../words/text.js'

const OPENING: readonly ChannelStatus[] = ['opening', 'confirming', 'open', 'abandoned']

/** True when a channel is the requested one. */
export type IsAsked = (channel: ChannelInfo) => boolean

/** Matches the channel of `open`. */
export function isOpened({
  peer,
  amount
}: Pick<OpenRequest, 'amount'> & { readonly peer: string }): IsAsked {
  return (channel) =>
    channel.role === 'client' &&
    channel.capacity === amount &&
    (namesPeer(peer, channel.peerId) || peer.endsWith(`/p2p/${channel.peerId}`))
}

/**
 * Matches the channel of `renew` and `topup`: `renewed` are the first digits of the old channel's
 * id.
 */
export function isRenewal(renewed: string): IsAsked {
  return (channel) => channel.renews?.startsWith(renewed) === true
}

/** Matches a channel by its id, or the id's first digits. */
export function isChannel(prefix: string): IsAsked {
  return (channel) => channel.id.startsWith(prefix)
}

interface ProgressOptions {
  /** The words of the protocol, with the transactions' ids. */
  readonly verbose?: boolean
  /** The address of the devnet, where blocks are mined on request. */
  readonly devnet?: () => string | undefined
}

/**
 * Follows the first channel that fits. An older open one with the same peer and capacity has no
 * more steps.
 */
export class OpeningProgress {
  /** The channel, once its opening has begun. */
  followed: ChannelInfo | undefined
  #last = ''
  #waitsFor = 'the peer to answer'
  readonly #isAsked: IsAsked
  readonly #show: (line: string) => void
  readonly #options: ProgressOptions

  /** `show` gets a line for each new step. */
  constructor(isAsked: IsAsked, show: (line: string) => void, options: ProgressOptions = {}) {
    this.#isAsked = isAsked
    this.#show = show
    this.#options = options
  }

  readonly onEvent = (event: NodeEvent): void => {
    if (
      event.type !== 'channel' ||
      !OPENING.includes(event.channel.status) ||
      !this.#isAsked(event.channel)
    ) {
      return
    }
    if (this.followed === undefined && event.channel.status === 'open') return
    if (this.followed !== undefined && this.followed.id !== event.channel.id) return
    this.#waitsFor = whatComesAfter(event) ?? this.#waitsFor
    this.#tell(
      event.channel,
      this.#options.verbose === true ? protocolWords(event) : plainWords(event),
      event.news.kind === 'ready'
    )
  }

  /** Shows the depth of the funding after a new block. */
  onBlock(channels: readonly ChannelInfo[]): void {
    const channel = channels.find(({ id }) => id === this.followed?.id)
    if (
      channel?.status === 'confirming' &&
      channel.confirmations !== this.followed?.confirmations
    ) {
      this.#tell(channel, 'a block has come')
    }
  }

  /** The peer or event that the opening waits for now. */
  waitsFor(): string {
    const channel = this.followed
    return channel?.status === 'confirming' && this.#waitsFor === BLOCKS
      ? this.#blocks(channel)
      : this.#waitsFor
  }

  #tell(channel: ChannelInfo, what: string, isDeepEnough = false): void {
    this.followed = channel
    const waits = channel.status === 'confirming' && !isDeepEnough
    const line = `${shortChannel(channel.id)}  ${what}${waits ? `; waiting for ${this.#blocks(channel)}` : ''}`
    if (line === this.#last) return
    this.#last = line
    this.#show(line)
  }

  /** The owner of a devnet mines, and only as long as a block is missing. */
  #blocks(channel: ChannelInfo): string {
    const left = blocksLeft(channel)
    if (left === undefined) return BLOCKS
    if (left === 0) return 'the peer to see it'
    const devnet = this.#options.devnet?.()
    const hint =
      this.#waitsFor === BLOCKS && channel.confirmations === 0 && devnet !== undefined
        ? ` (mine: paychan devnet mine ${left}${devnetOption(devnet)})`
        : ''
    return `${blocksText(left)}${hint}`
  }
}

const BLOCKS = 'blocks'

/** Names who has to act next. */
function whatComesAfter(event: ChannelEvent): string | undefined {
  const { news, channel } = event
  switch (news.kind) {
    case 'offer-sent':
      return 'the peer to answer the offer'
    case 'terms-taken':
      return 'the Electrum server, to watch the funding output'
    case 'funding-built':
    case 'refund-asked-for':
      return 'the peer to sign the refund'
    case 'refund-secured':
    case 'funding-sent':
      return 'the peer to take the funding transaction'
    case 'first-state-signed':
      return 'the peer to store the first state'
    case 'first-state-acknowledged':
      return BLOCKS
    default:
      return channel.status === 'confirming' && channel.confirmations > 0 ? BLOCKS : undefined
  }
}

/* Shows the progress of an opening, and cancels it on Ctrl-C while that is still possible. */

interface FollowOptions {
  readonly verbose?: boolean | undefined
  /** For a call that cannot be cancelled: the text for an interruption. */
  readonly mayFollow?: string
}

/**
 * Follows the node's events while it opens. The opening itself goes on when this process is killed.
 */
export async function followOpening<T>(
  { io, output, dataDir }: Context,
  isAsked: IsAsked,
  call: (node: ApiClient, signal: AbortSignal) => Promise<T>,
  { verbose = false, mayFollow }: FollowOptions
): Promise<T> {
  const node = connectApi(dataPaths(dataDir).socket)
  let over = false
  let devnet: string | undefined
  const progress = new OpeningProgress(
    isAsked,
    (text) => {
      if (over) return // an answer about a block may come after the end
      output.progress(text)
      patience.restart()
    },
    { verbose, devnet: () => devnet }
  )
  const patience = startPatience(io, output, () => progress.waitsFor())
  const events = node.events.follow((event) => {
    progress.onEvent(event)
    // No event tells the funding's depth block by block. If the node has gone, the answer to `open`
    // says so.
    if (event.type === 'chain') {
      node.channels.list().then(
        (channels) => {
          progress.onBlock(channels)
        },
        () => {}
      )
    }
  })
  const interrupted = untilInterrupted(io)
  const cancel = new AbortController()
  const left = interrupted.signal.then(async (signal): Promise<never> => {
    if (mayFollow !== undefined) throw interruption(signal, mayFollow)
    output.progress('cancelling the opening ... (Ctrl-C again leaves it to the node)')
    cancel.abort()
    return await new Promise<never>(() => {})
  })
  try {
    await events.ready
    node.info().then(
      ({ network, chain }) => {
        if (network === 'regtest') devnet = chain.server
      },
      () => {}
    )
    return await Promise.race([call(node, cancel.signal), left])
  } finally {
    over = true
    interrupted.dispose()
    patience.stop()
    events.stop()
    node.disconnect()
  }
}
