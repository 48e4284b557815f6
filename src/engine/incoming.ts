/**
 * Streams that peers open: the first message says whether it is a new channel or a known one
 * (WIRE-8).
 */
import {
  MAX_ERROR_TEXT_BYTES,
  plainText,
  type Message,
  type OpenChannel,
  type Reestablish,
  type RestoreRequest
} from '../../protocols/paychan/1.0/index.js'
import { codeOf, messageOf } from '../types/errors.js'
import type { Clock, Link, LinkListener } from './ports.js'
import type { StreamThrottle } from './throttle.js'

/**
 * A peer that opens a stream and says nothing is cut off; after its first message it may be silent
 * for ever (WIRE-10).
 */
const FIRST_MESSAGE_TIMEOUT_MS = 30_000

export interface IncomingHandler {
  /** Returns who listens to the link from now on; throws a refusal, which the peer is told. */
  onOpen: (link: Link, message: OpenChannel) => LinkListener
  onReestablish: (link: Link, message: Reestablish) => LinkListener
  onRestore: (link: Link, message: RestoreRequest) => LinkListener
}

/**
 * Listens until the first message, then hands the stream over to the channel that it belongs to.
 */
export function acceptLink(
  link: Link,
  handler: IncomingHandler,
  clock: Clock,
  streams: StreamThrottle
): LinkListener {
  let listener: LinkListener | undefined
  let closed = false
  const cancel = clock.after(FIRST_MESSAGE_TIMEOUT_MS, () => {
    refuse(link, 'ERR_TIMEOUT', '', 'No message came.', false)
  })
  const begin = (message: Message): void => {
    if (closed) return
    try {
      listener = route(link, message, handler)
    } catch (error) {
      const rule =
        error instanceof Error && 'rule' in error && typeof error.rule === 'string'
          ? error.rule
          : ''
      refuse(
        link,
        codeOf(error),
        rule,
        codeOf(error) === 'ERR_INTERNAL' ? 'This node could not do that.' : messageOf(error),
        message.type === 'OpenChannel'
      )
    }
  }
  return {
    onMessage: (message) => {
      if (listener !== undefined) return listener.onMessage(message)
      cancel()
      const wait = streams.before(link.peer)
      if (wait !== undefined) {
        return wait.then(() => {
          begin(message)
        })
      }
      begin(message)
    },
    onClosed: (error) => {
      closed = true
      cancel()
      listener?.onClosed(error)
    }
  }
}

function route(link: Link, message: Message, handler: IncomingHandler): LinkListener | undefined {
  if (message.type === 'OpenChannel') return handler.onOpen(link, message)
  if (message.type === 'Reestablish') return handler.onReestablish(link, message)
  if (message.type === 'RestoreRequest') return handler.onRestore(link, message)
  refuse(
    link,
    'ERR_UNEXPECTED_MESSAGE',
    'ERR-2',
    `A stream begins with OpenChannel, Reestablish or RestoreRequest, not with ${message.type}.`,
    false
  )
  return undefined
}

/**
 * Tells a peer why its stream ends, and ends it. Fatal only for an offer: a known channel must not
 * end for good because this node was started, for once, on another data directory (ERR-3).
 */
export function refuse(link: Link, code: string, rule: string, text: string, fatal: boolean): void {
  link.send({ type: 'Error', code, rule, text: plainText(text, MAX_ERROR_TEXT_BYTES), fatal })
  link.close()
}
