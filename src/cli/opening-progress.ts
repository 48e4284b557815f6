/** Tells how far an opening is, out of the events of the node. */
import type { ChannelInfo, ChannelStatus, NodeEvent, OpenRequest } from '../node/api.js'
import { shortChannel } from './render.js'

const OPENING: readonly ChannelStatus[] = ['opening', 'confirming', 'open', 'abandoned']

/** Whether this is the channel that was asked for. */
function isAsked (channel: ChannelInfo, { peer, amount }: OpenRequest): boolean {
  return channel.role === 'client' && channel.capacity === amount && OPENING.includes(channel.status) &&
    (peer === channel.peerId || peer.endsWith(`/p2p/${channel.peerId}`))
}

function describe (channel: ChannelInfo, what: string): string {
  const start = `${shortChannel(channel.id)}  ${what}`
  if (channel.status !== 'confirming') return start
  return `${start}; ${channel.confirmations} of ${channel.minDepth ?? '?'} confirmations (on a devnet, mine with: paychan devnet mine 1)`
}

/**
 * A listener that calls `show` with a line for each new step. It keeps to the first channel that
 * fits: an older one with the same peer and capacity that is open already has no more steps.
 */
export function openingProgress (request: OpenRequest, show: (line: string) => void): (event: NodeEvent) => void {
  let followed: string | undefined
  let last = ''
  return event => {
    if (event.type !== 'channel' || !isAsked(event.channel, request)) return
    if (followed === undefined && event.channel.status === 'open') return
    followed ??= event.channel.id
    const line = describe(event.channel, event.what)
    if (event.channel.id !== followed || line === last) return
    last = line
    show(line)
  }
}
