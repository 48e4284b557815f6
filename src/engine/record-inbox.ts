/**
 * What a peer answers to questions on one stream, one at a time: it is held back until its last
 * answer was taken.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { PaychanError } from '../types/errors.js'
import type { LinkListener } from './ports.js'

export class RecordInbox implements LinkListener {
  readonly #waiting: Array<{ readonly message: Message; readonly taken: () => void }> = []
  #ended: Error | undefined
  #wake: () => void = () => {}

  readonly onMessage = (message: Message): Promise<void> => {
    const taken = new Promise<void>((resolve) => {
      this.#waiting.push({ message, taken: resolve })
    })
    this.#wake()
    return taken
  }

  readonly onClosed = (error: Error | undefined): void => {
    this.#ended =
      error ??
      new PaychanError(
        'ERR_PEER_UNREACHABLE',
        'The peer ended the stream before it had said which channels it has.'
      )
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
