/**
 * Publications told apart by what is at stake: what is not worth its fee comes too late whatever
 * the step is.
 */
import { PaychanError } from '../../types/errors.js'

/** The name of the axis that tells them apart; no setting is called so. */
export const STAKE_AXIS = 'stake'

/** More lines than that cannot be told apart in a drawing. */
const MOST_LIMITS = 5

/**
 * Reads `10000,100000`: limits between classes, in satoshis.
 *
 * @throws PaychanError `ERR_USAGE`
 * @example readStakes('10000,100000') // three classes: below 10,000 sat, 10,000 to 100,000 sat,
 *   from 100,000 sat
 */
export function readStakes(text: string): number[] {
  const limits = text
    .split(',')
    .map((part) => (/^\s*[1-9]\d{0,14}\s*$/.test(part) ? Number(part) : NaN))
  if (
    limits.some((limit, i) => Number.isNaN(limit) || limit <= (limits[i - 1] ?? 0)) ||
    limits.length > MOST_LIMITS
  ) {
    throw new PaychanError(
      'ERR_USAGE',
      `'${text.slice(0, 60)}' are no limits between stakes; write up to ${MOST_LIMITS} amounts in satoshis, the smallest first, like 10000,100000.`
    )
  }
  return limits
}

/** One more than there are limits. */
export function classNames(limits: readonly number[]): string[] {
  const sat = (amount: number): string => amount.toLocaleString('en-US')
  const [first] = limits
  const last = limits.at(-1)
  if (first === undefined || last === undefined) return ['any']
  return [
    `below ${sat(first)} sat`,
    ...limits.slice(1).map((limit, i) => `${sat(limits[i] ?? 0)} to ${sat(limit)} sat`),
    `from ${sat(last)} sat`
  ]
}

export function classOf(stake: number, limits: readonly number[]): number {
  return limits.filter((limit) => stake >= limit).length
}
