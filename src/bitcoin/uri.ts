/**
 * `bitcoin:` URIs, as BIP321 (which replaces BIP21) has them:
 *
 *     bitcoin:<address>?amount=0.001&label=Luke&message=For%20coffee
 *     bitcoin:?bc=<address of mainnet>&tb=<address of testnet or signet>
 *
 * The scheme and the keys are case-insensitive, so that a QR code may hold all of it in capitals.
 * Unknown keys are ignored, unless one begins with `req-`: then the whole URI is invalid.
 */
import type { Network } from '../../protocols/paychan/1.0/messages.js'
import { BITCOIN_DECIMALS, fromBitcoin, toBitcoin } from '../types/amount.js'
import { adviceOf } from '../types/error-advice.js'
import { codeOf, messageOf, PaychanError, type Facts } from '../types/errors.js'
import { satoshi, type Satoshi } from '../types/units.js'
import { addressFromScript, networkParams, scriptFromAddress } from './address.js'
import { NETWORKS } from './network-names.js'
import { MAX_URI_LENGTH } from './uri-length.js'

/** The content of a URI. */
export interface PaymentUri {
  /** In the form that this program writes: small letters where an address may have either. */
  readonly address: string
  readonly amount?: Satoshi | undefined
  /** The person or shop that is paid. */
  readonly label?: string | undefined
  /** The purpose of the payment. */
  readonly message?: string | undefined
}

const SCHEME = /^bitcoin:/i

/** RFC 3986: the characters of a query, without `&` and `=`, which separate. */
const QUERY_CHARACTERS = /^(?:[A-Za-z0-9\-._~!$'()*+,;:@/?]|%[0-9A-Fa-f]{2})*$/

/** The key of a payment request (`protocols/request/1.0`): its human-readable part (BIP321). */
const REQUEST_KEY = 'paychan'

/** Keys that may appear only once: with two, payer and payee could have different ones in mind. */
const ONCE: ReadonlySet<string> = new Set(['amount', 'label', 'message', REQUEST_KEY])

/** True when a text is meant as such a URI. */
export function isBitcoinUri(text: string): boolean {
  return SCHEME.test(text.trim())
}

/**
 * Reads a URI. Among several addresses it takes the one before the `?` when that is of this
 * network, else the first that has this network's key.
 *
 * @throws PaychanError `ERR_INVALID_URI` when it is malformed, `ERR_INVALID_ADDRESS` when an
 *   address is malformed or of another network, `ERR_INVALID_AMOUNT`, `ERR_URI_UNSUPPORTED` when it
 *   requires a parameter unknown to this program, or has no address at all (facts: parameter)
 * @example parseBitcoinUri('bitcoin:bcrt1q...?amount=0.001', 'regtest').amount // 100000n
 */
export function parseBitcoinUri(text: string, network: Network): PaymentUri {
  const uri = text.trim()
  if (uri.length > MAX_URI_LENGTH) {
    throw invalid(`it has ${uri.length} characters, and ${MAX_URI_LENGTH} are the most`, {
      length: uri.length,
      most: MAX_URI_LENGTH
    })
  }
  if (!SCHEME.test(uri)) throw invalid('it does not begin with bitcoin:')
  const [body, query] = halves(uri.slice(uri.indexOf(':') + 1), '?')
  const parameters = readParameters(query ?? '')
  const { amount, label, message } = Object.fromEntries(
    parameters
      .filter(({ key }) => ONCE.has(key))
      .map(({ key, value }) => [key, decoded(key, value)])
  )
  return {
    address: addressOf(body, parameters, network),
    amount: amount === undefined ? undefined : amountOf(amount),
    label,
    message
  }
}

/**
 * Writes a URI.
 *
 * @throws PaychanError `ERR_INVALID_URI` when it would be too long
 * @example formatBitcoinUri({ address: 'bcrt1q...', amount: satoshi(100_000n) }) //
 *   'bitcoin:bcrt1q...?amount=0.001'
 */
export function formatBitcoinUri({ address, amount, label, message }: PaymentUri): string {
  const query = Object.entries({
    amount: amount === undefined ? undefined : toBitcoin(amount),
    label,
    message
  }).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${encoded(value)}`]))
  const uri = `bitcoin:${address}${query.length === 0 ? '' : `?${query.join('&')}`}`
  if (uri.length > MAX_URI_LENGTH) {
    throw invalid(
      `it would have ${uri.length} characters, and ${MAX_URI_LENGTH} are the most; shorten its label or message`,
      { length: uri.length, most: MAX_URI_LENGTH }
    )
  }
  return uri
}

/**
 * The payment request in a URI; undefined for a text that is not such a URI, or has none.
 *
 * @throws PaychanError `ERR_INVALID_URI`, `ERR_URI_UNSUPPORTED`
 * @example requestOfUri('bitcoin:?paychan=paychan1...') // 'paychan1...'
 */
export function requestOfUri(text: string): string | undefined {
  if (!isBitcoinUri(text)) return undefined
  const [, query] = halves(text.trim(), '?')
  const found = readParameters(query ?? '').find(({ key }) => key === REQUEST_KEY)
  return found === undefined ? undefined : decoded(REQUEST_KEY, found.value)
}

/** The URI of a payment request. */
export function requestUri(request: string): string {
  return `bitcoin:?${REQUEST_KEY}=${request}`
}

interface Parameter {
  readonly key: string
  readonly value: string
}

function readParameters(query: string): Parameter[] {
  const parameters = query
    .split('&')
    .filter((part) => part !== '')
    .map((part): Parameter => {
      const [key, value] = halves(part, '=')
      return { key: decoded('', key).toLowerCase(), value: value ?? '' }
    })
  const required = parameters.find(({ key }) => key.startsWith('req-'))
  if (required !== undefined) {
    throw new PaychanError(
      'ERR_URI_UNSUPPORTED',
      `This bitcoin: URI requires '${required.key.slice(0, 64)}', which this program does not know, so it must not be paid (BIP321). ${adviceOf('ERR_URI_UNSUPPORTED')}`,
      { parameter: required.key.slice(0, 64) }
    )
  }
  const keys = parameters.map(({ key }) => key)
  const twice = keys.find((key, i) => ONCE.has(key) && keys.indexOf(key) !== i)
  if (twice !== undefined) throw invalid(`it has '${twice}' twice`, { parameter: twice })
  return parameters
}

function addressOf(body: string, parameters: readonly Parameter[], network: Network): string {
  const { bech32 } = networkParams(network)
  const canonical = (address: string): string =>
    addressFromScript(scriptFromAddress(address, network), network)
  const named = parameters
    .filter(({ key }) => key === bech32)
    .map(({ key, value }) => {
      const address = decoded(key, value)
      if (!address.toLowerCase().startsWith(`${bech32}1`)) {
        throw new PaychanError(
          'ERR_INVALID_ADDRESS',
          `The bitcoin: URI has '${address.slice(0, 90)}' for '${bech32}', which is not an address that starts with ${bech32}1.`,
          { address: address.slice(0, 90), network }
        )
      }
      return canonical(address)
    })
  const [alternative] = named
  if (body !== '' && (alternative === undefined || !isOfAnother(body, network))) {
    return canonical(body)
  }
  if (alternative !== undefined) return alternative
  const other = parameters.find(({ key }) =>
    NETWORKS.some((name) => networkParams(name).bech32 === key)
  )
  // Throws an error that names the other network.
  if (other !== undefined) return canonical(decoded(other.key, other.value))
  if (parameters.some(({ key }) => key === REQUEST_KEY)) {
    throw new PaychanError(
      'ERR_URI_UNSUPPORTED',
      'This bitcoin: URI asks to be paid on a channel: give it to `paychan pay`.',
      { parameter: REQUEST_KEY }
    )
  }
  throw new PaychanError(
    'ERR_URI_UNSUPPORTED',
    'This bitcoin: URI has no address, and this program pays to addresses only. Ask the payee for one.',
    { parameter: parameters[0]?.key.slice(0, 64) }
  )
}

/**
 * True for a good address of another network. An address that is good nowhere is a slip, and its
 * intended meaning is not guessed.
 */
function isOfAnother(address: string, network: Network): boolean {
  return (
    NETWORKS.some((other) => other !== network && isAddress(address, other)) &&
    !isAddress(address, network)
  )
}

function isAddress(address: string, network: Network): boolean {
  try {
    scriptFromAddress(address, network)
    return true
  } catch (error) {
    if (codeOf(error) === 'ERR_INVALID_ADDRESS') return false
    throw error
  }
}

/** Reads decimal bitcoin (BIP321), with a period, and without anything else. */
function amountOf(text: string): Satoshi {
  const shown = text.slice(0, 40)
  const [, whole = '', fraction = ''] = /^(\d{0,20})(?:\.(\d*))?$/.exec(text) ?? []
  if (whole === '' && fraction === '') {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `The bitcoin: URI asks for '${shown}', which is not an amount in bitcoin such as 0.001.`,
      { text: shown }
    )
  }
  if (fraction.length > BITCOIN_DECIMALS) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `A bitcoin has ${BITCOIN_DECIMALS} decimals, and the bitcoin: URI asks for '${shown}'.`,
      { text: shown }
    )
  }
  const amount = fromBitcoin(whole === '' ? '0' : whole, fraction)
  if (amount === 0n) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      'The bitcoin: URI asks for nothing: its amount is 0.',
      { text: shown }
    )
  }
  return satoshi(amount)
}

function halves(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

function decoded(key: string, text: string): string {
  if (!QUERY_CHARACTERS.test(text)) {
    throw invalid(
      `${key === '' ? 'a key' : `'${key}'`} has characters that have to be percent-encoded`,
      { parameter: key }
    )
  }
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw invalid(`${key === '' ? 'a key' : `'${key}'`} is no UTF-8 (${messageOf(error)})`, {
      parameter: key
    })
  }
}

function encoded(text: string): string {
  try {
    return encodeURIComponent(text)
  } catch (error) {
    throw invalid(`a text in it is no Unicode (${messageOf(error)})`)
  }
}

function invalid(why: string, facts: Facts = {}): PaychanError {
  return new PaychanError(
    'ERR_INVALID_URI',
    `This is not a valid bitcoin: URI (BIP321): ${why}.`,
    facts
  )
}
