/**
 * What no honest mempool holds, and servers that lie show all the same: made up by adversaries, for
 * those who ask such a server.
 */
import type { SimTransaction } from '../chain/sim-transaction.js'

export class Phantoms {
  readonly #byScript = new Map<string, Map<string, SimTransaction>>()

  /** @param onShown - told of a script (hex) of which something else is shown from now on */
  constructor(private readonly onShown: (script: string) => void) {}

  show(script: string, transaction: SimTransaction): void {
    const shown = this.#byScript.get(script) ?? new Map<string, SimTransaction>()
    if (shown.has(transaction.txid)) return
    this.#byScript.set(script, shown.set(transaction.txid, transaction))
    this.onShown(script)
  }

  of(script: string): Iterable<SimTransaction> {
    return this.#byScript.get(script)?.values() ?? []
  }
}
