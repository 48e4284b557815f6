/**
 * Apart from the summary itself, which knows Bitcoin's scripts: code that only shows a channel
 * needs no scripts.
 */
import type { ChannelInfo } from './summary.js'

/** True when it matters that no server tells what happens to a channel. */
export function isUnwatched({ watched, status }: Pick<ChannelInfo, 'watched' | 'status'>): boolean {
  return !watched && status !== 'opening' && status !== 'closed' && status !== 'abandoned'
}
