/** What a payer is told where nobody answers. */
const UNREACHABLE = 'ERR_PEER_UNREACHABLE'

/** What became of one payment that was asked for: for whoever wants to know each. */
export interface PaymentOutcome {
  /** Its place in the plan's payments. */
  readonly id: number
  /**
   * `unknown`: signed, and nobody was told before the end. `off`: the scenario had switched off the
   * payer's node, so nobody asked, or the payee's, so nobody answered (`code` is there then).
   */
  readonly status: 'made' | 'failed' | 'unknown' | 'off'
  /** Why it failed. */
  readonly code?: string
  /** From the asking to the answer. */
  readonly seconds?: number
  /** The number of the channel it was asked for on; undefined when there was none. */
  readonly channel?: number
}

/**
 * Whether a refusal says nothing of the network: the payee's node was switched off while it was
 * asked. Whatever else the payer is told is a failure, also then.
 */
export function isForOff(code: string, payeeStayedUp: boolean): boolean {
  return code === UNREACHABLE && !payeeStayedUp
}
