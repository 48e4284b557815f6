/**
 * Follows the tips that servers announce, one after the other; of several waiting ones the newest.
 */
import { messageOf } from '../types/errors.js'
import { syncHeaders, type AnnouncedTip, type HeaderSource } from './header-sync.js'
import type { HeaderChain } from './headers.js'

export class HeaderFollower {
  #next: { source: HeaderSource; tip: AnnouncedTip } | undefined
  #running: Promise<void> | undefined

  /** @param onChanged - called with the lowest height whose block is new or another one */
  constructor(
    private readonly headers: HeaderChain,
    private readonly onChanged: (from: number) => void
  ) {}

  /**
   * Resolves once the newest announced tip is ours; rejects when it was refused (`syncHeaders`).
   */
  follow(source: HeaderSource, tip: AnnouncedTip): Promise<void> {
    this.#next = { source, tip }
    this.#running ??= this.#run()
    return this.#running
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#take(); next !== undefined; next = this.#take()) {
        try {
          const from = await syncHeaders(this.headers, next.source, next.tip)
          if (from !== undefined) this.onChanged(from)
        } catch (error) {
          // While we asked the server may have gone over to another branch, and said so.
          if (this.#next === undefined) {
            throw error instanceof Error ? error : new Error(messageOf(error))
          }
        }
      }
    } finally {
      // In the same turn as the last look: a tip that comes from here on is taken by another run.
      this.#running = undefined
    }
  }

  #take(): { source: HeaderSource; tip: AnnouncedTip } | undefined {
    const next = this.#next
    this.#next = undefined
    return next
  }
}
