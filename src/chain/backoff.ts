/**
 * How long to wait before the next try: twice as long each time, up to a bound, with jitter. Pure.
 */
import type { Random } from '../engine/ports.js'

export interface Backoff {
  readonly firstMs: number
  readonly mostMs: number
}

/**
 * Between half and the whole of `firstMs x 2^failures`, never more than `mostMs`: the jitter keeps
 * many clients of one server from coming back in the same moment.
 *
 * @param failures - how many tries have failed before this one, from 0
 */
export function backoffDelay(
  { firstMs, mostMs }: Backoff,
  failures: number,
  random: Random
): number {
  const whole = Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30))
  const [high = 0, low = 0] = random.bytes(2)
  return Math.round(whole / 2 + (whole / 2) * ((high * 256 + low) / 65535))
}
