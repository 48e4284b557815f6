/**
 * How difficult the next block has to be: `GetNextWorkRequired` and `CalculateNextWorkRequired` of
 * Bitcoin Core's pow.cpp. Pure.
 */
import { bitsOf, targetFromBits, timeOf } from './header-fields.js'
import type { ChainParams } from './params.js'

/** The blocks of one period: two weeks of ten minutes. */
export const PERIOD = 2_016

/** Two weeks, in seconds. */
const TIMESPAN = 14 * 24 * 60 * 60

/** `fPowAllowMinDifficultyBlocks`: after twice the usual ten minutes any block will do. */
const SLOW = 20 * 60

/** The header at a height of the branch that is looked at. */
export type HeaderLookup = (height: number) => Uint8Array | undefined

/**
 * What `nBits` of the block at `height` have to be.
 *
 * @param time - of that block, in seconds since 1970: it matters on testnet
 * @returns undefined when a header that this depends on is not there
 */
export function requiredBits(
  params: ChainParams,
  height: number,
  time: number,
  headerAt: HeaderLookup
): number | undefined {
  const previous = headerAt(height - 1)
  if (previous === undefined) return undefined
  if (params.fixedDifficulty) return bitsOf(previous)
  if (height % PERIOD === 0) {
    const first = headerAt(height - PERIOD)
    // By BIP94 that of its first block, since the last one may be an exception.
    return first === undefined
      ? undefined
      : retarget(params, bitsOf(params.bip94 ? first : previous), timeOf(previous) - timeOf(first))
  }
  if (!params.minDifficultyBlocks) return bitsOf(previous)
  if (time > timeOf(previous) + SLOW) return params.powLimitBits
  // That of the last block which did not make use of this exception.
  for (let at = height - 1; ; at--) {
    const header = headerAt(at)
    if (header === undefined) return undefined
    if (at % PERIOD === 0 || bitsOf(header) !== params.powLimitBits) return bitsOf(header)
  }
}

/**
 * The `nBits` of the next period, at most four times as easy or as hard as the last.
 *
 * @param seconds - from the first block of the last period to its last (which are 2,015 intervals)
 */
export function retarget(
  { powLimitBits }: Pick<ChainParams, 'powLimitBits'>,
  bits: number,
  seconds: number
): number {
  const timespan = BigInt(Math.min(Math.max(seconds, TIMESPAN / 4), TIMESPAN * 4))
  const target = ((targetFromBits(bits) ?? 0n) * timespan) / BigInt(TIMESPAN)
  const limit = targetFromBits(powLimitBits) ?? 0n
  return bitsFromTarget(target > limit ? limit : target)
}

/**
 * The compact form, which keeps three bytes and the sign's bit free (`arith_uint256::GetCompact`).
 */
export function bitsFromTarget(target: bigint): number {
  let size = Math.ceil(target.toString(16).length / 2)
  // A shift by less than nothing goes the other way.
  let mantissa = Number(target >> BigInt(8 * (size - 3)))
  if ((mantissa & 0x800000) !== 0) {
    mantissa >>= 8
    size += 1
  }
  return ((size << 24) | mantissa) >>> 0
}
