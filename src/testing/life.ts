/**
 * One life of a process, from its start to its crash or stop. What ports answer afterwards nobody
 * hears.
 */
export class Life {
  #alive = true
  readonly #ends: Array<() => void> = []

  get alive(): boolean {
    return this.#alive
  }

  /** The same, asked anew: it may have ended while somebody waited. */
  isOver(): boolean {
    return !this.#alive
  }

  /** The process is gone. */
  end(): void {
    if (!this.#alive) return
    this.#alive = false
    for (const end of this.#ends.splice(0)) end()
  }

  onEnd(callback: () => void): void {
    this.#ends.push(callback)
  }

  /** What a port answers, as long as somebody is there to hear it; a dead process asks nothing. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    if (!this.#alive) return await never()
    try {
      const answer = await question()
      return this.isOver() ? await never() : answer
    } catch (error) {
      if (this.isOver()) return await never()
      throw error
    }
  }
}

/** Never settles: a dead process answers nobody. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {})
}
