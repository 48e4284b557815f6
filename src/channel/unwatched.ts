/**
 * Apart from the summary itself, which knows Bitcoin's scripts: those who only show a channel need
 * none of that.
 */
import type { ChannelInfo } from './summary.js'

/** Whether it matters that no server tells what happens to a channel. */
export function isUnwatched({ watched, status }: Pick<ChannelInfo, 'watched' | 'status'>): boolean {
  return !watched && status !== 'opening' && status !== 'closed' && status !== 'abandoned'
}
