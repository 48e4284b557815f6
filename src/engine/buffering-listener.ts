/**
 * A listener for a stream whose channel is not there yet: keeps what arrives, in order, until it
 * is.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { LinkListener } from './ports.js'

export class BufferingListener implements LinkListener {
  #listener: LinkListener | undefined
  readonly #waiting: Message[] = []
  #release: () => void = () => {}
  readonly #bound = new Promise<void>((resolve) => {
    this.#release = resolve
  })
  #closed: { readonly error: Error | undefined } | undefined

  readonly onMessage = (message: Message): void | Promise<void> => {
    if (this.#listener !== undefined) return this.#listener.onMessage(message)
    this.#waiting.push(message)
    return this.#bound // a peer cannot fill our memory meanwhile
  }

  readonly onClosed = (error: Error | undefined): void => {
    if (this.#listener === undefined) this.#closed = { error }
    else this.#listener.onClosed(error)
  }

  /** Hands over what has arrived, and from now on everything. */
  bind(listener: LinkListener): void {
    this.#listener = listener
    for (const message of this.#waiting.splice(0)) void listener.onMessage(message)
    this.#release()
    if (this.#closed !== undefined) listener.onClosed(this.#closed.error)
  }
}
