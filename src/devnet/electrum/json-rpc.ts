/** JSON-RPC 2.0 as Electrum servers speak it: one object or one batch a line. */
import { concat, toString } from 'uint8arrays'

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
