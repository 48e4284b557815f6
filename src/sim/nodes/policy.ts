/** What a node of a simulation asks of its channels. */
import { defaultPolicy, type Policy } from '../../channel/policy.js'
import { blockDelta } from '../../types/units.js'

/** The defaults of a node on mainnet; a scenario may want narrower steps than any node would take there. */
export function policyOf (changes: Partial<Policy>): Policy {
  return { ...defaultPolicy('mainnet'), minStep: blockDelta(1), ...changes }
}
