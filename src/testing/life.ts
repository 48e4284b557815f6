/**
 * One life of a process, from its start to its crash or stop. Nobody hears the answers of ports
 * after its end.
 */
export class Life {
  #alive = true
  readonly #ends: Array<() => void> = []

  get alive(): boolean {
    return this.#alive
  }

  /** Asks anew whether it is over: it may have ended while somebody waited. */
  isOver(): boolean {
    return !this.#alive
  }

  /** Ends the process. */
  end(): void {
    if (!this.#alive) return
    this.#alive = false
    for (const end of this.#ends.splice(0)) end()
  }

  onEnd(callback: () => void): void {
    this.#ends.push(callback)
  }

  /** Passes on a port's answer while somebody is there to hear it; a dead process asks nothing. */
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
