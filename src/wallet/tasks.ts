/** Work that is done one at a time: in order, or again whenever something may have changed. */
import { contained, type OnError } from '../engine/ports.js'

/** One task after the other: each task sees the decisions of those before it. */
export class SerialQueue {
  #last: Promise<void> = Promise.resolve()

  /** Runs `task` after all that were given before it; settles as the task does. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task)
    this.#last = result.then(
      () => undefined,
      () => undefined
    )
    return await result
  }

  /** Resolves once everything given so far is done. */
  async idle(): Promise<void> {
    await this.#last
  }
}

/** A task that looks at everything again whenever something may have changed; one run at a time. */
export class BackgroundTask {
  #again = false
  #isRunning = false
  #running: Promise<void> = Promise.resolve()
  #isStopped = false
  readonly #task: () => Promise<void>
  readonly #onError: OnError

  /** @param task - gives up between two steps once `stopped` is true */
  constructor(task: () => Promise<void>, onError: OnError) {
    this.#task = task
    this.#onError = onError
  }

  get stopped(): boolean {
    return this.#isStopped
  }

  /** Runs the task, since something may have changed. */
  lookAgain(): void {
    this.#again = true
    if (this.#isRunning || this.#isStopped) return
    this.#isRunning = true
    this.#running = contained(() => this.#run(), this.#onError)
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Resolves once all runs asked for so far are done. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      while (this.#again && !this.#isStopped) {
        this.#again = false
        await this.#task()
      }
    } finally {
      this.#isRunning = false
    }
  }
}
