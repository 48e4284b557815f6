/** What a peer has handed back, in words and a table. */
import { formatAmount } from '../daemon/amount.js'
import type { RecoverResult } from '../node/api.js'
import type { Colors } from './output.js'
import { renderChannels } from './render-channels.js'
import { shortChannel, shortPeer } from './render.js'

/** What `recover` has come to. */
export function renderRecovered(
  { peerId, recovered, known, refused }: RecoverResult,
  colors: Colors,
  width: number
): string {
  const ours = recovered.reduce((sum, { ourBalance }) => sum + ourBalance, 0n)
  const lines =
    recovered.length === 0
      ? [
          known === 0 && refused.length === 0
            ? `${shortPeer(peerId)} has no channel with this node that still holds money.`
            : `${shortPeer(peerId)} named no channel that this node had lost.`
        ]
      : [
          `Recovered ${recovered.length} ${recovered.length === 1 ? 'channel' : 'channels'} from ${shortPeer(peerId)}: ${formatAmount(ours)} are ours, if the peer has named the newest states.`,
          renderChannels(recovered, colors, width),
          'They take no payments. Close them with `paychan close CHANNEL`; what is left to itself is published by height.'
        ]
  if (known > 0) {
    lines.push(`${known} more ${known === 1 ? 'is' : 'are'} known to this node, and unchanged.`)
  }
  for (const { channel, code, reason } of refused) {
    lines.push(`Refused channel ${shortChannel(channel)}: ${reason} (${code})`)
  }
  return lines.join('\n')
}
