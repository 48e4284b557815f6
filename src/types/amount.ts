/**
 * What people type: amounts in satoshis or bitcoin, hosts with their ports, and names that are nearly
 * right. Amounts are exact decimal arithmetic on bigint: a float never touches money (0.1 + 0.2 is
 * not 0.3).
 */
import { PaychanError } from './errors.js'
import { type Satoshi, satoshi } from './units.js'

/** One bitcoin is 10^8 satoshis. */
export const BITCOIN_DECIMALS = 8

const ONE = 10n ** BigInt(BITCOIN_DECIMALS)

/**
 * Converts a decimal number of bitcoin, given as its two parts, to satoshis. The fraction has at
 * most 8 digits.
 *
 * @example fromBitcoin('0', '00001') // 1000n
 */
export function fromBitcoin(whole: string, fraction: string): bigint {
  return BigInt(whole) * ONE + BigInt(fraction.padEnd(BITCOIN_DECIMALS, '0'))
}

/**
 * Writes an amount in bitcoin, without zeros at its end.
 *
 * @example toBitcoin(satoshi(100_000n)) // '0.001'
 */
export function toBitcoin(amount: Satoshi): string {
  const fraction = (amount % ONE).toString().padStart(BITCOIN_DECIMALS, '0').replace(/0+$/, '')
  return `${amount / ONE}${fraction === '' ? '' : `.${fraction}`}`
}

/**
 * 21 million bitcoin with all their decimals need 17 characters; a text above this length is a
 * slip.
 */
const MAX_TEXT_LENGTH = 40

const FORM = /^(\d+)(?:\.(\d+))?\s*(sats?|btc)?$/i

const EXAMPLES = 'Write 1000, 1000sat or 0.00001btc.'

function refuse(text: string, sentence: string): PaychanError {
  return new PaychanError('ERR_INVALID_AMOUNT', sentence, { text: text.slice(0, MAX_TEXT_LENGTH) })
}

/**
 * Reads an amount above zero: `1000` and `1000sat` are satoshis, `0.00001btc` is bitcoin.
 *
 * @throws PaychanError `ERR_INVALID_AMOUNT` for zero, a sign, a fraction of a satoshi, an exponent,
 *   thousands separators, an unknown unit, and more than 21 million bitcoin.
 * @example parseAmount('0.00001btc') // 1000n
 */
export function parseAmount(text: string): Satoshi {
  const trimmed = text.trim()
  const shown = trimmed.slice(0, MAX_TEXT_LENGTH)
  if (trimmed === '') throw refuse(text, `An amount is missing. ${EXAMPLES}`)
  if (/^[-+]/.test(trimmed)) {
    throw refuse(text, `An amount has no sign, and '${shown}' has one. ${EXAMPLES}`)
  }
  if (/^[\d.]+e/i.test(trimmed)) {
    throw refuse(
      text,
      `An amount is written without an exponent, and '${shown}' has one. ${EXAMPLES}`
    )
  }
  if (/^\d[\d\s_',.]*[\s_',][\d]/.test(trimmed)) {
    throw refuse(
      text,
      `An amount is written without thousands separators, and '${shown}' has one. ${EXAMPLES}`
    )
  }

  const match = trimmed.length > MAX_TEXT_LENGTH ? null : FORM.exec(trimmed)
  if (match === null) throw refuse(text, `'${shown}' is not an amount. ${EXAMPLES}`)
  const [, whole = '', fraction, unit = 'sat'] = match

  const amount =
    unit.toLowerCase() === 'btc'
      ? ofBitcoin(text, whole, fraction ?? '')
      : ofSatoshi(text, whole, fraction)
  if (amount === 0n) throw refuse(text, `The amount is above zero. ${EXAMPLES}`)
  return satoshi(amount)
}

function ofSatoshi(text: string, whole: string, fraction: string | undefined): bigint {
  if (fraction !== undefined) {
    throw refuse(
      text,
      `A satoshi cannot be divided, and '${text.trim()}' has decimals. Write whole satoshis, or bitcoin as in 0.00001btc.`
    )
  }
  return BigInt(whole)
}

function ofBitcoin(text: string, whole: string, fraction: string): bigint {
  const decimals = fraction.replace(/0+$/, '')
  if (decimals.length > BITCOIN_DECIMALS) {
    throw refuse(
      text,
      `A bitcoin has ${BITCOIN_DECIMALS} decimals, and '${text.trim()}' asks for a fraction of a satoshi.`
    )
  }
  return fromBitcoin(whole, decimals)
}

export { formatAmount } from './units.js'

/* A host and a port, as people write them: `127.0.0.1:9803`, `[::1]:9803`, `example.com:443`. */

/**
 * Reads HOST:PORT; undefined when it is none. The brackets of an IPv6 address are left out.
 *
 * @example readHostPort('[::1]:9803') // { host: '::1', port: 9803 }
 */
export function readHostPort(
  text: string
): { readonly host: string; readonly port: number } | undefined {
  const [, name = '', digits = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  const host = name.replace(/^\[(.*)\]$/, '$1')
  const port = Number(digits)
  return host !== '' && port <= 65_535 ? { host, port } : undefined
}

/* "Did you mean ...?" for names that somebody typed. */

/** The number of letters to insert, delete or replace to turn `a` into `b` (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of [...a].entries()) {
    const row = [i + 1]
    for (const [j, other] of [...b].entries()) {
      row.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (previous[j + 1] ?? 0) + 1,
          (previous[j] ?? 0) + (letter === other ? 0 : 1)
        )
      )
    }
    previous = row
  }
  return previous[b.length] ?? 0
}

/**
 * Finds the known name that is closest to `name`; undefined when none is close (over half of it is
 * different).
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  // A name longer than any that exists is not worth the quadratic comparison.
  if (name.length > 64) return undefined
  const ranked = known
    .map((candidate) => ({
      candidate,
      edits: distance(name.toLowerCase(), candidate.toLowerCase())
    }))
    .sort((a, b) => a.edits - b.edits)[0]
  return ranked !== undefined && ranked.edits <= Math.ceil(name.length / 2)
    ? ranked.candidate
    : undefined
}

/** Returns ` Did you mean 'x'?`, or nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const candidate = nearest(name, known)
  return candidate === undefined ? '' : ` Did you mean '${candidate}'?`
}
