/**
 * Since when the chain is seen without a break: what could not be done meanwhile is given its time
 * once it can.
 */
import type { BlockHeight } from '../types/units.js'

export class View {
  #since: BlockHeight | undefined

  /** Height of the first tip; undefined until there is one. */
  get since(): BlockHeight | undefined {
    return this.#since
  }

  /** A tip was seen; undefined: the chain was gone again by then. */
  seen(height: BlockHeight | undefined): void {
    this.#since ??= height
  }

  lost(): void {
    this.#since = undefined
  }
}
