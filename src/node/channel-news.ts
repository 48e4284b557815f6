/** The news of one channel, for a caller that waits for it. */
import type { ChannelId } from '../types/bytes.js'
import type { EventsApi } from './api.js'
import type { ProgressOptions } from './channels-api.js'

/**
 * Tells the news of a channel while a call waits for it. The call says which channel that is
 * (`of`), before its first record is on the disk and thus before its first news.
 */
export async function withNews<T>(
  on: EventsApi['on'],
  onProgress: ProgressOptions['onProgress'],
  call: (of: (channel: ChannelId) => void) => Promise<T>
): Promise<T> {
  if (onProgress === undefined) return await call(() => {})
  let meant: ChannelId | undefined
  const stop = on((event) => {
    if (event.type !== 'channel' || event.channel.id !== meant) return
    onProgress({ type: 'paychan:channel', detail: event })
  })
  try {
    return await call((channel) => {
      meant = channel
    })
  } finally {
    stop()
  }
}
