/** What a node of a simulation asks of its channels. */
import { defaultPolicy, type Policy } from '../../channel/policy.js'
import { blockDelta } from '../../types/units.js'

/**
 * More than open at once in any scenario: hundreds of clients that begin together are no strangers.
 */
const NO_BOUND = 1_000_000

/**
 * The defaults of a node on mainnet; a scenario may want narrower steps than any node would take
 * there.
 */
export function policyOf(changes: Partial<Policy>): Policy {
  return {
    ...defaultPolicy('mainnet'),
    minStep: blockDelta(1),
    maxPendingInAll: NO_BOUND,
    maxUnfundedInAll: NO_BOUND,
    ...changes
  }
}
