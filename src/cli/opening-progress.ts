/** Tells how far an opening is, out of the events of the node. */
import type { ChannelInfo, ChannelStatus, NodeEvent, OpenRequest } from '../node/api.js'
import { shortChannel } from './render.js'

type ChannelEvent = Extract<NodeEvent, { type: 'channel' }>

const OPENING: readonly ChannelStatus[] = ['opening', 'confirming', 'open', 'abandoned']

/** Whether this is the channel that was asked for. */
function isAsked (channel: ChannelInfo, { peer, amount }: OpenRequest): boolean {
  return channel.role === 'client' && channel.capacity === amount && OPENING.includes(channel.status) &&
    (peer === channel.peerId || peer.endsWith(`/p2p/${channel.peerId}`))
}

/** Step 8: both sides have stored the initial T3, and only blocks are waited for. */
const LAST_STEP_BEFORE_BLOCKS = 8

function describe ({ channel, what, step }: ChannelEvent): string {
  const start = `${shortChannel(channel.id)}  ${what}`
  if (channel.status !== 'confirming') return start
  const hint = step === LAST_STEP_BEFORE_BLOCKS ? ' (on a devnet, mine with: paychan devnet mine 1)' : ''
  return `${start}; ${channel.confirmations} of ${channel.minDepth ?? '?'} confirmations${hint}`
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
    const line = describe(event)
    if (event.channel.id !== followed || line === last) return
    last = line
    show(line)
  }
}
