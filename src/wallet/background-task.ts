/**
 * A task that looks at everything once more whenever something may have changed; one run at a time.
 */
export class BackgroundTask {
  private again = false
  private isRunning = false
  private running: Promise<void> = Promise.resolve()
  private isStopped = false

  /**
   * @param task - told to give up between two steps once `stopped` is true; its errors are its own
   */
  constructor(private readonly task: () => Promise<void>) {}

  get stopped(): boolean {
    return this.isStopped
  }

  /** Something may have changed. */
  lookAgain(): void {
    this.again = true
    if (this.isRunning || this.isStopped) return
    this.isRunning = true
    this.running = this.run()
  }

  stop(): void {
    this.isStopped = true
  }

  /** Resolves once everything that was asked for so far is done. */
  async idle(): Promise<void> {
    await this.running
  }

  private async run(): Promise<void> {
    try {
      while (this.again && !this.isStopped) {
        this.again = false
        await this.task()
      }
    } finally {
      this.isRunning = false
    }
  }
}
