/**
 * A LinkListener that cannot hurt: nothing after the end, the end once, and what it throws is
 * reported.
 */
import { messageOf, PaychanError } from '../types/errors.js'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { LinkListener } from '../engine/ports.js'

/** Is told what goes wrong on our side of a link, and nobody else would see. */
export type OnError = (error: Error) => void

export class GuardedListener {
  readonly #listener: LinkListener
  readonly #onError: OnError
  #closed = false

  constructor(listener: LinkListener, onError: OnError) {
    this.#listener = listener
    this.#onError = onError
  }

  /**
   * Passes a message on. The promise, if there is one, says when the next may follow.
   *
   * @throws PaychanError `ERR_LISTENER_FAILED` when the listener threw, which it was reported for
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
