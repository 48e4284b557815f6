/** One task after the other: what one task decides, the next one sees. */
export class SerialQueue {
  private last: Promise<void> = Promise.resolve()

  /** Runs `task` after all that were given before it; settles as the task does. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.last.then(task)
    this.last = result.then(
      () => undefined,
      () => undefined
    )
    return await result
  }

  /** Resolves once everything given so far is done. */
  async idle(): Promise<void> {
    await this.last
  }
}
