/** Cuts a stream of bytes into lines, and refuses a line that grows past a bound. Pure. */
import { PaychanError } from '../../types/errors.js'

/**
 * The longest line that we accept: a transaction may fill a block, 4,000,000 bytes = 8,000,000 hex
 * digits; 2,016 headers are 322,560.
 */
export const MAX_LINE_BYTES = 10_000_000

const NEWLINE = 0x0a

export class LineSplitter {
  #parts: Uint8Array[] = []
  #length = 0

  constructor(private readonly maxBytes = MAX_LINE_BYTES) {}

  /**
   * The lines that end in this chunk.
   *
   * @throws PaychanError `ERR_ELECTRUM_PROTOCOL` when a line is longer than the bound
   */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end))
      lines.push(Buffer.concat(this.#parts, this.#length).toString('utf8'))
      this.#parts = []
      this.#length = 0
      start = end + 1
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
    return lines
  }

  #keep(part: Uint8Array): void {
    this.#length += part.length
    if (this.#length > this.maxBytes) {
      throw new PaychanError(
        'ERR_ELECTRUM_PROTOCOL',
        `The Electrum server sent a line of more than ${this.maxBytes} bytes. Use another server.`,
        { limit: this.maxBytes }
      )
    }
    this.#parts.push(part)
  }
}
