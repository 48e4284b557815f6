/**
 * Reads of whole logs: payments, requests, receipts. There are few at once for the whole node, so
 * that blocks and payments have their turn between two pages, whoever asks and however often.
 */
import { Slots } from '../chain/waiting.js'
import { PaychanError } from '../types/errors.js'

/** One waits for the disk while the other one decodes. */
const MOST_AT_ONCE = 2

/** More than the programs of one node have under way. */
const MOST_WAITING = 256

export class LongReads {
  readonly #slots: Slots
  readonly #mostWaiting: number

  constructor(mostAtOnce = MOST_AT_ONCE, mostWaiting = MOST_WAITING) {
    this.#mostWaiting = mostWaiting
    this.#slots = new Slots(mostAtOnce)
  }

  /**
   * Reads when its turn has come, in the order of the calls.
   *
   * @throws PaychanError `ERR_TOO_MANY_CALLS` (facts: most), and whatever `read` does
   */
  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#slots.waiting >= this.#mostWaiting) {
      throw new PaychanError(
        'ERR_TOO_MANY_CALLS',
        `${this.#mostWaiting} calls wait already to read the log of this node. Wait a moment, then ask again; with a limit, a time or a peer a read is shorter.`,
        { most: this.#mostWaiting }
      )
    }
    return await this.#slots.run(read)
  }
}
