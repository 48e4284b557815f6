/**
 * Mutants that somebody has looked at and found to change nothing that a test could see. They are
 * not tried. An entry names the compiled lines, so it lapses when they change.
 */
export interface Equivalent {
  /** As `channel/ledger`. */
  readonly module: string
  /** The line before, where the same one stands in several places. */
  readonly behind?: string
  readonly from: string
  readonly to: string
  readonly reason: string
}

export const EQUIVALENT: readonly Equivalent[] = [
  {
    module: 'chain/difficulty',
    from: 'let mantissa = Number(size <= 3 ? target << BigInt(8 * (3 - size)) : target >> BigInt(8 * (size - 3)));',
    to: 'let mantissa = Number(size < 3 ? target << BigInt(8 * (3 - size)) : target >> BigInt(8 * (size - 3)));',
    reason: 'with three bytes nothing is shifted, in either direction'
  },
  {
    module: 'chain/pool',
    behind: 'this.#looks.get(script)?.();',
    from: 'this.#looks.delete(script);',
    to: ';',
    reason: 'nobody watches the script any more: what stays behind in the map is memory, and is cancelled'
  }
]
