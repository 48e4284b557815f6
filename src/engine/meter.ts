/** The meter of a node: it counts and times the work, for whoever looks after the node. */
import type { Satoshi } from '../types/units.js'

/** Times are in milliseconds. Without a meter nothing is timed. */
export interface Meter {
  /** A clock that only goes forward. */
  readonly now: () => number
  /** Called when a commit is on the disk; its time includes the wait for the write before it. */
  readonly committed: (ms: number) => void
  /** Called when a payment of ours is acknowledged; its time begins where its channel takes it. */
  readonly acknowledged: (ms: number) => void
  /** Called when a call to pay ends with an error. */
  readonly failed: (amount: Satoshi, error: unknown) => void
}
