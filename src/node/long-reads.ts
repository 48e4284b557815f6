/**
 * Reads of whole logs: payments, requests, receipts. There are few at once for the whole node, so
 * that blocks and payments have their turn between two pages, whoever asks and however often.
 */
import { PaychanError } from '../types/errors.js'

/** One waits for the disk while the other one decodes. */
const MOST_AT_ONCE = 2

/** More than the programs of one node have under way. */
const MOST_WAITING = 256

export class LongReads {
  #running = 0
  readonly #waiting: Array<() => void> = []

  constructor(
    private readonly mostAtOnce = MOST_AT_ONCE,
    private readonly mostWaiting = MOST_WAITING
  ) {}

  /**
   * Reads when its turn has come, in the order of the calls.
   *
   * @throws PaychanError `ERR_TOO_MANY_CALLS` (facts: most), and whatever `read` does
   */
  async run<T>(read: () => Promise<T>): Promise<T> {
    await this.#turn()
    try {
      return await read()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }

  async #turn(): Promise<void> {
    if (this.#running < this.mostAtOnce) {
      this.#running += 1
      return
    }
    if (this.#waiting.length >= this.mostWaiting) {
      throw new PaychanError(
        'ERR_TOO_MANY_CALLS',
        `${this.mostWaiting} calls wait already to read the log of this node. Wait a moment, then ask again; with a limit, a time or a peer a read is shorter.`,
        { most: this.mostWaiting }
      )
    }
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
    })
  }
}
