/** A LinkListener that does no harm, and error messages that give a peer one plain line. */
import {
  type ErrorMessage,
  MAX_ERROR_TEXT_BYTES,
  type Message,
  plainText
} from '../../protocols/paychan/1.0/index.js'
import type { LinkListener, OnError } from '../engine/ports.js'
import { messageOf, PaychanError } from '../types/errors.js'

/*
 * A LinkListener that does no harm: it gets nothing after the end, the end once, and its exceptions
 * are reported.
 */

export class GuardedListener {
  readonly #listener: LinkListener
  readonly #onError: OnError
  #closed = false

  constructor(listener: LinkListener, onError: OnError) {
    this.#listener = listener
    this.#onError = onError
  }

  /**
   * Passes a message on. The promise, if there is one, resolves when the next may follow.
   *
   * @throws PaychanError `ERR_LISTENER_FAILED` when the listener threw; that is reported
   */
  message(message: Message): Promise<void> | undefined {
    if (this.#closed) return undefined
    try {
      const busy = this.#listener.onMessage(message)
      return busy instanceof Promise ? busy.catch((cause: unknown) => this.#fail(cause)) : undefined
    } catch (cause) {
      return this.#fail(cause)
    }
  }

  closed(error: Error | undefined): void {
    if (this.#closed) return
    this.#closed = true
    try {
      this.#listener.onClosed(error)
    } catch (cause) {
      report(this.#onError, asError(cause))
    }
  }

  #fail(cause: unknown): never {
    report(this.#onError, asError(cause))
    throw new PaychanError(
      'ERR_LISTENER_FAILED',
      `A message could not be handled: ${messageOf(cause)}`,
      {},
      { cause }
    )
  }
}

export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown))
}

/** Reports, also when the reporter itself throws: nothing that a peer does may end the process. */
export function report(onError: OnError, error: Error): void {
  try {
    onError(error)
  } catch {
    // There is nobody left to tell.
  }
}

/*
 * Error messages on their way out: whatever an error of ours says, a peer gets one plain line
 * (WIRE-7).
 */

/** The message that ends a stream, and leaves open whether the channel goes on over another one. */
export function streamError(code: string, rule: string, text: string): ErrorMessage {
  return { type: 'Error', code, rule, text, fatal: false }
}

/**
 * The same message, shortened to be encoded if it is an Error: a text that is too long is cut, not
 * refused.
 */
export function outgoing(message: Message): Message {
  return message.type === 'Error'
    ? { ...message, text: plainText(message.text, MAX_ERROR_TEXT_BYTES) }
    : message
}
