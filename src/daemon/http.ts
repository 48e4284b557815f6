/** One request of the local API: its body within bounds, its answer and its status. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PaychanError, toErrorRecord } from '../types/errors.js'
import type { Wire } from './wire.js'

/** The longest request is a PSBT of 200,000 bytes, in base64. */
export const MAX_BODY_BYTES = 300_000

/** The statuses of codes that are not simply refusals (409). */
const STATUS = new Map([
  ['ERR_INVALID_REQUEST', 400], ['ERR_UNKNOWN_FIELD', 400], ['ERR_INVALID_AMOUNT', 400], ['ERR_INVALID_HEIGHT', 400],
  ['ERR_INVALID_CHANNEL_ID', 400], ['ERR_INVALID_PEER', 400], ['ERR_INVALID_PAYMENT_ID', 400], ['ERR_UNKNOWN_VERB', 404], ['ERR_NO_CHANNEL', 404], ['ERR_PEER_UNKNOWN', 404],
  ['ERR_METHOD_NOT_ALLOWED', 405], ['ERR_REQUEST_TOO_LARGE', 413], ['ERR_TOO_MANY_WAITING', 429], ['ERR_PEER_UNREACHABLE', 502], ['ERR_CHAIN_UNAVAILABLE', 503]
])

/** The HTTP status of whatever was thrown; 500 for a bug. */
export function statusOf (error: unknown): number {
  return error instanceof PaychanError ? STATUS.get(error.code) ?? 409 : 500
}

/**
 * Reads a request's body as JSON; an empty body is `{}`.
 *
 * @throws PaychanError `ERR_REQUEST_TOO_LARGE`, `ERR_INVALID_REQUEST`
 */
export async function readJson (request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength
    if (length > MAX_BODY_BYTES) throw new PaychanError('ERR_REQUEST_TOO_LARGE', `The body of a request has at most ${MAX_BODY_BYTES} bytes.`, { limit: MAX_BODY_BYTES })
    chunks.push(chunk)
  }
  if (length === 0) return {}
  try {
    // fatal: bytes that are not UTF-8 are refused, not replaced by U+FFFD in a memo.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))) as unknown
  } catch (error) {
    throw new PaychanError('ERR_INVALID_REQUEST', 'The body of the request is not JSON in UTF-8.', {}, { cause: error })
  }
}

/** Answers `{ "result": ... }`. */
export function sendResult (response: ServerResponse, result: Wire): void {
  send(response, 200, { result })
}

/** Answers `{ "error": { "code", "message", "facts" } }`. */
export function sendError (response: ServerResponse, error: unknown): void {
  // What was not read of a refused body would be taken for the next request.
  response.setHeader('connection', 'close')
  send(response, statusOf(error), { error: toErrorRecord(error) })
}

function send (response: ServerResponse, status: number, body: object): void {
  if (response.headersSent || response.destroyed) return
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
