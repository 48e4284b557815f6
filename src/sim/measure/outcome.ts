/** What became of one payment that was asked for: for whoever wants to know each. */
export interface PaymentOutcome {
  /** Its place in the plan's payments. */
  readonly id: number
  /**
   * `unknown`: signed, and nobody was told before the end. `off`: the payer's node was switched
   * off, so nobody asked.
   */
  readonly status: 'made' | 'failed' | 'unknown' | 'off'
  /** Why it failed. */
  readonly code?: string
  /** From the asking to the answer. */
  readonly seconds?: number
  /** The number of the channel it was asked for on; undefined when there was none. */
  readonly channel?: number
}
