/** Parameters of the methods: by position or by name, and each checked before it is used. */
import { fromHex } from '../../types/bytes.js'
import { messageOf } from '../../types/errors.js'
import { satoshi, type Satoshi } from '../../types/units.js'
import type { ScriptHash } from '../backend.js'
import { addressScript } from '../miner-wallet.js'
import { ErrorCode, type Request, RpcError } from './json-rpc.js'

/** The longest part of a bad value that an error repeats. */
const SHOWN = 80

/**
 * The values of a request's parameters in the order of `names`; a name that ends with `?` is
 * optional.
 *
 * @throws RpcError -32602 when one is missing or unknown.
 */
export function bindParams(params: Request['params'], names: readonly string[]): unknown[] {
  const plain = names.map((name) => name.replace('?', ''))
  const required = names.filter((name) => !name.endsWith('?')).length
  const given = Array.isArray(params)
    ? new Map(params.map((value: unknown, i) => [plain[i], value]))
    : new Map(Object.entries(params))
  const tooMany = Array.isArray(params)
    ? params.length > names.length
    : Object.keys(params).some((name) => !plain.includes(name))
  if (tooMany || plain.slice(0, required).some((name) => !given.has(name))) {
    throw new RpcError(ErrorCode.invalidParams, `the parameters are (${names.join(', ')})`)
  }
  return plain.map((name) => given.get(name))
}

export function nonNegativeInteger(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw bad(value, 'should be a non-negative integer')
}

export function boolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw bad(value, 'should be a boolean value')
}

export function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw bad(value, 'should be a string')
}

export function transactionHash(value: unknown): string {
  if (isHash(value)) return value.toLowerCase()
  throw bad(value, 'should be a transaction hash')
}

export function scriptHash(value: unknown): ScriptHash {
  if (isHash(value)) return value.toLowerCase() as ScriptHash
  throw bad(value, 'is not a valid script hash')
}

export function bytes(value: unknown): Uint8Array {
  try {
    if (typeof value === 'string') return fromHex(value)
  } catch {
    // The error below reports it.
  }
  throw bad(value, 'should be hex')
}

/** The scriptPubKey of a regtest address. */
export function paymentScript(value: unknown): Uint8Array {
  try {
    return addressScript(text(value))
  } catch (error) {
    throw new RpcError(ErrorCode.badRequest, messageOf(error))
  }
}

/** Satoshis as a whole number, or as a string of digits when it may be a large one. */
export function amount(value: unknown): Satoshi {
  const written =
    typeof value === 'number' && Number.isSafeInteger(value) ? value.toString() : value
  if (typeof written === 'string' && /^\d{1,16}$/.test(written)) {
    try {
      return satoshi(BigInt(written))
    } catch {
      // The amount exceeds the supply: the error below reports it.
    }
  }
  throw bad(value, 'should be an amount in satoshis')
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-fA-F]{64}$/.test(value)
}

function bad(value: unknown, what: string): RpcError {
  const shown = typeof value === 'string' ? value : String(JSON.stringify(value))
  return new RpcError(ErrorCode.badRequest, `${shown.slice(0, SHOWN)} ${what}`)
}

/* The versions of the Electrum protocol, and the choice for a connection. */

/** The lowest supported version. */
export const LOWEST_VERSION = '1.4'

/**
 * The highest supported version. From 1.6 on `server.version` comes first, and headers are lists;
 * from 1.7 on scripts are named by themselves. (There is no 1.5.)
 */
export const HIGHEST_VERSION = '1.7'

/** For clients that ask before `server.version`, as allowed before 1.6. */
export const HIGHEST_WITHOUT_ORDER = '1.4.3'

/**
 * The highest version that both sides support.
 *
 * @param asked - one version, or the client's lowest and highest
 * @param first - true for the connection's first message
 * @throws RpcError when there is none; it closes the connection
 */
export function negotiate(asked: unknown, first: boolean): string {
  const [lowest, highest] =
    Array.isArray(asked) && asked.length === 2
      ? [text(asked[0]), text(asked[1])]
      : [text(asked), text(asked)]
  const most = first ? HIGHEST_VERSION : HIGHEST_WITHOUT_ORDER
  const chosen = compareVersions(highest, most) < 0 ? highest : most
  if (compareVersions(chosen, lowest) < 0 || compareVersions(chosen, LOWEST_VERSION) < 0) {
    throw new RpcError(
      ErrorCode.badRequest,
      `unsupported protocol version: ${JSON.stringify(asked)}`,
      true
    )
  }
  return chosen
}

/** Negative when version `a` is lower than `b`, 0 when they are the same. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** `1.4.2` as [1, 4, 2]. */
function numbers(version: string): number[] {
  if (!/^\d{1,4}(\.\d{1,4}){0,3}$/.test(version)) {
    throw new RpcError(
      ErrorCode.badRequest,
      `unsupported protocol version: ${version.slice(0, 20)}`,
      true
    )
  }
  return version.split('.').map(Number)
}
