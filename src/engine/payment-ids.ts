/**
 * Random ids for payments, drawn many at a time: a call of the system for each would cost more than
 * the payment.
 */
import type { Random } from './ports.js'

const ID_BYTES = 16
const BLOCK_IDS = 256

export class PaymentIds {
  #block: Uint8Array = new Uint8Array(0)
  #at = 0

  constructor(private readonly random: Random) {}

  /** 16 bytes that were given to nobody before. */
  draw(): Uint8Array {
    if (this.#at === this.#block.length) {
      this.#block = this.random.bytes(ID_BYTES * BLOCK_IDS)
      this.#at = 0
    }
    this.#at += ID_BYTES
    return this.#block.slice(this.#at - ID_BYTES, this.#at)
  }
}
