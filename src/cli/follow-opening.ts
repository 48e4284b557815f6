/** Shows how far an opening is, and gives it up on Ctrl-C while that is still possible. */
import type { ApiClient } from '../daemon/client.js'
import { connectApi } from '../daemon/client.js'
import { dataPaths } from '../daemon/paths.js'
import { interruption, type Context } from './context.js'
import { untilInterrupted } from './interrupt.js'
import { OpeningProgress, type IsAsked } from './opening-progress.js'
import { startPatience } from './patience.js'

export interface FollowOptions {
  readonly verbose?: boolean | undefined
  /** Of a call that cannot be cancelled: what is said when it is interrupted. */
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
  let isDevnet = false
  const progress = new OpeningProgress(
    isAsked,
    (text) => {
      if (over) return // an answer about a block may come after the end
      output.progress(text)
      patience.restart()
    },
    { verbose, isDevnet: () => isDevnet }
  )
  const patience = startPatience(io, output, () => progress.waitsFor())
  const events = node.events((event) => {
    progress.onEvent(event)
    // The depth of the funding is not told block by block. A node that has gone says so in the
    // answer to `open`.
    if (event.type === 'chain') {
      node.channels().then(
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
      ({ network }) => {
        isDevnet = network === 'regtest'
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
