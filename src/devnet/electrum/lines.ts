/** Cuts a stream of bytes into lines, and gives up on one that never ends. */
import { concat, toString } from 'uint8arrays'

const NEWLINE = 0x0a

export class LineSplitter {
  #parts: Uint8Array[] = []
  #length = 0

  /** @param maxBytes how long a line may be, its newline not counted. */
  constructor(readonly maxBytes: number) {}

  /**
   * Takes the next bytes and returns the lines that they complete, decoded as UTF-8 (what is no
   * UTF-8 becomes U+FFFD); undefined once a line is too long, after which the stream is of no use.
   */
  push(chunk: Uint8Array): string[] | undefined {
    const lines: string[] = []
    let from = 0
    for (let end = chunk.indexOf(NEWLINE, from); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      if (!this.#keep(chunk.subarray(from, end))) return undefined
      lines.push(toString(concat(this.#parts)))
      this.#parts = []
      this.#length = 0
      from = end + 1
    }
    return this.#keep(chunk.subarray(from)) ? lines : undefined
  }

  #keep(part: Uint8Array): boolean {
    this.#length += part.length
    if (this.#length > this.maxBytes) return false
    this.#parts.push(part)
    return true
  }
}
