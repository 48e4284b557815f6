/**
 * How deep T1 is: a funding output that a reorg could still take away carries no payments (FUND-4).
 */
import { max } from '../types/units.js'
import type { Env } from './env.js'
import type { Established } from './state.js'

/**
 * Confirmations after which a spend is taken as final for what people are told: what Bitcoin
 * wallets commonly wait for.
 */
export const FINAL_DEPTH = 6

/**
 * Confirmations of T1: 1 in the block of the tip; 0 while it is in no block, or the tip is unknown.
 */
export function confirmations({ onChain }: Established, env: Pick<Env, 'height'>): number {
  if (onChain.fundingHeight === undefined || env.height === undefined) return 0
  return max(0, env.height - onChain.fundingHeight + 1)
}

/** FUND-4: as deep as the terms ask for, now; after a reorg it has to get there again. */
export function isBuried(channel: Established, env: Pick<Env, 'height'>): boolean {
  return confirmations(channel, env) >= channel.terms.minDepth
}
