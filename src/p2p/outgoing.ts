/**
 * Error messages on their way out: whatever an error of ours says, a peer gets one plain line
 * (WIRE-7).
 */
import { MAX_ERROR_TEXT_BYTES, plainText } from '../../protocols/paychan/1.0/index.js'
import type { ErrorMessage, Message } from '../../protocols/paychan/1.0/index.js'

/** What ends a stream, and leaves it open whether the channel goes on over another one. */
export function streamError(code: string, rule: string, text: string): ErrorMessage {
  return { type: 'Error', code, rule, text, fatal: false }
}

/**
 * The same message, fit to be encoded if it is an Error. A text that is too long is cut, not
 * refused.
 */
export function outgoing(message: Message): Message {
  return message.type === 'Error'
    ? { ...message, text: plainText(message.text, MAX_ERROR_TEXT_BYTES) }
    : message
}
