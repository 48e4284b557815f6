/**
 * The mempool rules that differ between releases of Bitcoin Core. The devnet follows the one that
 * it is told to.
 */
export interface MempoolRules {
  /** `-minrelaytxfee`, in sat/kvB. */
  readonly relay: bigint
  /** `-incrementalrelayfee`, in sat/kvB. */
  readonly incremental: bigint
  /**
   * `chains`: 25 ancestors and 25 descendants, with a carve-out, and BIP125. `clusters`: 64 transactions and 101 kvB
   * that hang together, and what replaces others has to improve the feerate diagram.
   */
  readonly limits: 'chains' | 'clusters'
}

export const RELEASES = {
  28: { relay: 1_000n, incremental: 1_000n, limits: 'chains' },
  30: { relay: 100n, incremental: 100n, limits: 'chains' },
  31: { relay: 100n, incremental: 100n, limits: 'clusters' }
} as const satisfies Readonly<Record<number, MempoolRules>>

/** Of 29 the first ones are as 28, those from 29.1 on as 30. */
export type CoreRelease = keyof typeof RELEASES

/** What most nodes of the network still run. */
export const DEFAULT_RELEASE: CoreRelease = 28
