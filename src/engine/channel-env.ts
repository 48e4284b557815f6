/** What a transition of one channel may ask for, put together from the ports. */
import type { Env } from '../channel/env.js'
import type { Channel } from '../channel/state.js'
import type { EngineOptions } from './engine-options.js'
import type { FeeView } from './fee-estimates.js'
import type { Registry } from './registry.js'

export interface EnvParts {
  readonly options: Pick<EngineOptions, 'clock' | 'policy' | 'signer'>
  readonly fees: Pick<FeeView, 'current'>
  readonly registry: Registry
  /** Whether the script of a channel is watched. */
  readonly isWatched: boolean
  readonly seenSince: Env['seenSince']
}

export function envOf(
  { options: { clock, policy, signer }, fees, registry, isWatched, seenSince }: EnvParts,
  height: Env['height'],
  { role, keys }: Pick<Channel, 'role' | 'keys'>
): Env {
  return {
    policy,
    height,
    isWatched,
    seenSince,
    ...fees.current,
    now: clock.now(),
    sign: (digest) => signer.sign({ role, ...keys, use: 'channel' }, digest),
    verify: (key, digest, signature) => signer.verify(key, digest, signature),
    isPublicKey: (key) => signer.isPublicKey(key),
    isKnownKey: registry.isKnownKey,
    isKnownOutPoint: registry.isKnownOutPoint
  }
}
