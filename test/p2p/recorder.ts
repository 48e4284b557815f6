/** A listener that remembers, and that a test can wait for. */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { LinkListener } from '../../src/engine/ports.js'

export class Recorder implements LinkListener {
  readonly messages: Message[] = []
  /** What `onClosed` was called with, each time. */
  readonly endings: Array<Error | undefined> = []
  readonly #waiting: Array<{ readonly done: () => boolean; readonly resolve: () => void }> = []

  readonly onMessage = (message: Message): void | Promise<void> => {
    this.messages.push(message)
    this.#check()
  }

  readonly onClosed = (error: Error | undefined): void => {
    this.endings.push(error)
    this.#check()
  }

  /** Resolves once that many messages have arrived. */
  async received(count: number): Promise<Message[]> {
    await this.#until(() => this.messages.length >= count)
    return this.messages
  }

  /** Resolves with the error of the ending. */
  async closed(): Promise<Error | undefined> {
    await this.#until(() => this.endings.length > 0)
    return this.endings[0]
  }

  async #until(done: () => boolean): Promise<void> {
    if (done()) return
    await new Promise<void>((resolve) => {
      this.#waiting.push({ done, resolve })
    })
  }

  #check(): void {
    for (const { done, resolve } of this.#waiting) if (done()) resolve()
  }
}
