/** JSON-RPC 2.0 as Electrum servers speak it: one object or one batch a line. */
import { concat, toString } from 'uint8arrays'
import { fromHex } from '../../types/bytes.js'
import { messageOf } from '../../types/errors.js'
import { satoshi, type Satoshi } from '../../types/units.js'
import type { ScriptHash } from '../backend.js'
import { addressScript } from '../miner-wallet.js'

/**
 * The codes of JSON-RPC 2.0, and the two of ElectrumX for errors that only the method can detect.
 */
export const ErrorCode = {
  parse: -32700,
  invalidRequest: -32600,
  unknownMethod: -32601,
  invalidParams: -32602,
  internal: -32603,
  badRequest: 1,
  daemon: 2
} as const

/** An error as an answer. `closes`: the connection ends after it. */
export class RpcError extends Error {
  override readonly name = 'RpcError'

  constructor(
    readonly code: number,
    message: string,
    readonly closes = false
  ) {
    super(message)
  }
}

type RequestId = string | number | null

export interface Request {
  readonly id: RequestId
  readonly method: string
  readonly params: readonly unknown[] | Readonly<Record<string, unknown>>
}

/** A response, ready to be written. */
export type Response =
  | { readonly jsonrpc: '2.0'; readonly id: RequestId; readonly result: unknown }
  | {
      readonly jsonrpc: '2.0'
      readonly id: RequestId
      readonly error: { readonly code: number; readonly message: string }
    }

/**
 * One member of a line: a request, a notification (which gets no answer), or an error to report.
 */
export type Incoming =
  | { readonly kind: 'request'; readonly request: Request }
  | { readonly kind: 'notification' }
  | { readonly kind: 'invalid'; readonly id: RequestId; readonly error: RpcError }

type ParsedLine = { readonly batch: boolean; readonly members: readonly Incoming[] }

/** Most members of a batch. */
export const MAX_BATCH = 1_000

/** Reads one line. Never throws: its errors are among the members. */
export function parseLine(line: string): ParsedLine {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return single(invalid(null, ErrorCode.parse, 'invalid JSON'))
  }
  if (!Array.isArray(value)) return single(readMember(value))
  if (value.length === 0) {
    return single(invalid(null, ErrorCode.invalidRequest, 'the batch is empty'))
  }
  if (value.length > MAX_BATCH) {
    return single(
      invalid(null, ErrorCode.invalidRequest, `a batch has at most ${MAX_BATCH} members`)
    )
  }
  return { batch: true, members: value.map(readMember) }
}

function single(member: Incoming): ParsedLine {
  return { batch: false, members: [member] }
}

function readMember(value: unknown): Incoming {
  if (!isObject(value)) return invalid(null, ErrorCode.invalidRequest, 'a request is an object')
  const { id, method, params = [] } = value
  if (id !== undefined && !isRequestId(id)) {
    return invalid(null, ErrorCode.invalidRequest, 'the id is a string, a number or null')
  }
  if (typeof method !== 'string') {
    return invalid(id ?? null, ErrorCode.invalidRequest, 'the method is a string')
  }
  if (!Array.isArray(params) && !isObject(params)) {
    return invalid(id ?? null, ErrorCode.invalidRequest, 'the params are an array or an object')
  }
  if (id === undefined) return { kind: 'notification' }
  return { kind: 'request', request: { id, method, params } }
}

function invalid(id: RequestId, code: number, message: string): Incoming {
  return { kind: 'invalid', id, error: new RpcError(code, message) }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isRequestId(value: unknown): value is RequestId {
  return value === null || typeof value === 'string' || typeof value === 'number'
}

export function success(id: RequestId, result: unknown): Response {
  return { jsonrpc: '2.0', id, result }
}

export function failure(id: RequestId, { code, message }: RpcError): Response {
  return { jsonrpc: '2.0', id, error: { code, message } }
}

/** A message that the server sends by itself. */
export function notification(method: string, params: readonly unknown[]): object {
  return { jsonrpc: '2.0', method, params }
}

/* Cuts a stream of bytes into lines, and gives up on an endless one. */

const NEWLINE = 0x0a

export class LineSplitter {
  #parts: Uint8Array[] = []
  #length = 0

  /** @param maxBytes the longest line in bytes, without its newline. */
  constructor(readonly maxBytes: number) {}

  /**
   * Takes the next bytes and returns the lines that they complete, decoded as UTF-8 (invalid UTF-8
   * becomes U+FFFD); undefined once a line is too long, after which the stream is useless.
   */
  push(chunk: Uint8Array): string[] | undefined {
    const lines: string[] = []
    let from = 0
    for (let end = chunk.indexOf(NEWLINE, from); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      if (!this.#keep(chunk.subarray(from, end))) return undefined
      lines.push(toString(concat(this.#parts)))
      this.#parts = []
      this.#length = 0
      from = end + 1
    }
    return this.#keep(chunk.subarray(from)) ? lines : undefined
  }

  #keep(part: Uint8Array): boolean {
    this.#length += part.length
    if (this.#length > this.maxBytes) return false
    this.#parts.push(part)
    return true
  }
}

/* Parameters of the methods: by position or by name, and each checked before it is used. */

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
