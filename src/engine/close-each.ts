/**
 * Closes several channels at once: one that cannot be closed now keeps none of the others, and none
 * of their outcomes.
 */
import type { ChannelId } from '../types/bytes.js'
import { codeOf, messageOf } from '../types/errors.js'
import type { Closed } from './waiters.js'

export interface SettledAll {
  readonly settled: ReadonlyArray<Closed & { readonly channel: ChannelId }>
  readonly failed: ReadonlyArray<{
    readonly channel: ChannelId
    readonly code: string
    readonly reason: string
  }>
}

export async function closeEach(
  channels: readonly ChannelId[],
  close: (channel: ChannelId) => Promise<Closed>
): Promise<SettledAll> {
  const settled: Array<SettledAll['settled'][number]> = []
  const failed: Array<SettledAll['failed'][number]> = []
  await Promise.all(
    channels.map(async (channel) => {
      try {
        settled.push({ channel, ...(await close(channel)) })
      } catch (error) {
        failed.push({ channel, code: codeOf(error), reason: messageOf(error) })
      }
    })
  )
  const order = ({ channel }: { readonly channel: ChannelId }): number => channels.indexOf(channel)
  return {
    settled: settled.sort((a, b) => order(a) - order(b)),
    failed: failed.sort((a, b) => order(a) - order(b))
  }
}
