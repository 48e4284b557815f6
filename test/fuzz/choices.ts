/**
 * An input as a row of choices, for what has to have a form to be read at all. Behind its end every
 * choice is the first.
 */
export class Choices {
  #at = 0

  constructor(private readonly input: Uint8Array) {}

  get byte(): number {
    return this.input[this.#at++] ?? 0
  }

  get flag(): boolean {
    return this.byte % 2 === 1
  }

  get uint32(): number {
    return this.byte * 0x1000000 + (this.byte << 16) + (this.byte << 8) + this.byte
  }

  get uint64(): bigint {
    return (BigInt(this.uint32) << 32n) + BigInt(this.uint32)
  }

  pick<T>(options: readonly [T, ...T[]]): T {
    return options[this.byte % options.length] ?? options[0]
  }

  /** So many bytes, or as many as are left. */
  bytes(length: number): Uint8Array {
    const bytes = this.input.slice(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }

  get rest(): Uint8Array {
    return this.bytes(this.input.length)
  }
}
