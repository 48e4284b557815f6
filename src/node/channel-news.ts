/** The news of one channel, for a caller that waits for it. */
import type { ChannelId } from '../types/bytes.js'
import type { ChannelEvent, EventsApi } from './api.js'
import type { ProgressOptions } from './channels-api.js'

/**
 * Tells the news of a channel while a call waits for it. `of` says which channel that is: what was
 * told of it before is passed on then.
 */
export async function withNews<T>(
  on: EventsApi['on'],
  onProgress: ProgressOptions['onProgress'],
  call: (of: (channel: ChannelId) => void) => Promise<T>
): Promise<T> {
  if (onProgress === undefined) return await call(() => {})
  let meant: ChannelId | undefined
  let early: ChannelEvent[] = []
  const tell = (event: ChannelEvent): void => {
    if (meant === undefined) early.push(event)
    else if (event.channel.id === meant) onProgress({ type: 'paychan:channel', detail: event })
  }
  const stop = on((event) => {
    if (event.type === 'channel') tell(event)
  })
  try {
    return await call((channel) => {
      meant = channel
      for (const event of early) tell(event)
      early = []
    })
  } finally {
    stop()
  }
}
