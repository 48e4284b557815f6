/** One request of the local API: its body within bounds, its answer and its status. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { statusOf } from '../types/error-codes.js'
import { PaychanError, toErrorRecord } from '../types/errors.js'
import type { Wire } from './wire.js'

/** The longest request is a PSBT of 200,000 bytes, in base64. */
export const MAX_BODY_BYTES = 300_000

/**
 * Reads a request's body as JSON; an empty body is `{}`.
 *
 * @throws PaychanError `ERR_REQUEST_TOO_LARGE`, `ERR_INVALID_REQUEST`
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength
    if (length > MAX_BODY_BYTES) {
      throw new PaychanError(
        'ERR_REQUEST_TOO_LARGE',
        `The body of a request has at most ${MAX_BODY_BYTES} bytes.`,
        { limit: MAX_BODY_BYTES }
      )
    }
    chunks.push(chunk)
  }
  if (length === 0) return {}
  try {
    // fatal: bytes that are not UTF-8 are refused, not replaced by U+FFFD in a memo.
    return JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    ) as unknown
  } catch (error) {
    throw new PaychanError(
      'ERR_INVALID_REQUEST',
      'The body of the request is not JSON in UTF-8.',
      {},
      { cause: error }
    )
  }
}

/** Answers `{ "result": ... }`. */
export function sendResult(response: ServerResponse, result: Wire): void {
  send(response, 200, { result })
}

/** Answers `{ "error": { "code", "message", "facts" } }`. */
export function sendError(response: ServerResponse, error: unknown): void {
  // What was not read of a refused body would be taken for the next request.
  response.setHeader('connection', 'close')
  const code = error instanceof PaychanError ? error.code : 'ERR_INTERNAL'
  send(response, statusOf(code), { error: toErrorRecord(error) })
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent || response.destroyed) return
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text)
  })
  response.end(text)
}
