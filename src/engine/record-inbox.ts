/** The answers to a question for channels (spec.md, "Restoring"). */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { PaychanError } from '../types/errors.js'
import type { LinkListener } from './ports.js'

/**
 * Collects a peer's answers to questions on one stream, one at a time: the peer is held back until
 * its last answer was taken.
 */
export class RecordInbox implements LinkListener {
  readonly #waiting: Array<{ readonly message: Message; readonly taken: () => void }> = []
  #ended: Error | undefined
  #wake: () => void = () => {}

  readonly onMessage = (message: Message): void | Promise<void> => {
    if (this.#ended !== undefined) return
    const taken = new Promise<void>((resolve) => {
      this.#waiting.push({ message, taken: resolve })
    })
    this.#wake()
    return taken
  }

  readonly onClosed = (error: Error | undefined): void => {
    this.#ended ??=
      error ??
      new PaychanError(
        'ERR_PEER_UNREACHABLE',
        'The peer ended the stream before it had said which channels it has.'
      )
    this.#wake()
  }

  /** Takes no more answers, not even those that wait already. */
  end(error: Error): void {
    this.#ended = error
    for (const { taken } of this.#waiting.splice(0)) taken()
    this.#wake()
  }

  /** The next answer. Rejects when the stream is over. */
  async next(): Promise<Message> {
    for (;;) {
      const first = this.#waiting.shift()
      if (first !== undefined) {
        first.taken()
        return first.message
      }
      if (this.#ended !== undefined) throw this.#ended
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
