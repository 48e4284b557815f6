/** Webhooks over HTTP: what is posted, and how. */
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { NumberedNodeEvent } from '../node/api.js'
import { VERSION } from '../node/system.js'
import type { WebhookAnswer } from '../node/webhook-delivery.js'
import type { WebhookSender } from '../node/webhooks.js'
import { publishedEvent } from './server-sent-events.js'

/**
 * An answer is read to its end only if it is so short, so that the connection can be used again.
 */
const LONGEST_ANSWER_BYTES = 16_384

/**
 * Posts events by HTTP, each in the words of the API on TCP, with its number.
 *
 * @example
 * const node = await createNode({ network, electrum, dataDir, webhooks: webhooksByHttp() })
 */
export function webhooksByHttp(): WebhookSender {
  const http = new HttpAgent({ keepAlive: true })
  const https = new HttpsAgent({ keepAlive: true, minVersion: 'TLSv1.2' })
  return {
    bodyOf,
    post: async ({ url, headers, body, signal }) =>
      await new Promise<WebhookAnswer>((resolve, reject) => {
        const isSecure = url.startsWith('https:')
        const options = {
          method: 'POST',
          signal,
          agent: isSecure ? https : http,
          headers: {
            ...headers,
            'content-length': Buffer.byteLength(body),
            'user-agent': `paychan/${VERSION}`
          }
        }
        const request = (isSecure ? httpsRequest : httpRequest)(url, options)
        request.on('error', reject)
        request.once('response', (response) => {
          // Its status counts, whatever becomes of the rest.
          request.off('error', reject).on('error', () => {})
          const answer = answerOf(response)
          response.once('close', () => {
            resolve(answer)
          })
          drain(response)
        })
        request.end(body)
      })
  }
}

function bodyOf({ number, event }: NumberedNodeEvent): string {
  return JSON.stringify({ id: number, ...(publishedEvent(event) as object) })
}

function answerOf({ statusCode = 0, headers }: IncomingMessage): WebhookAnswer {
  const seconds = /^\d{1,9}$/.exec(headers['retry-after'] ?? '')?.[0]
  return {
    status: statusCode,
    retryAfterMs: seconds === undefined ? undefined : 1_000 * Number(seconds)
  }
}

/** Throws away what an answer says, and ends one that says too much. */
function drain(response: IncomingMessage): void {
  let length = 0
  response.on('error', () => {})
  response.on('data', (chunk: Uint8Array) => {
    length += chunk.length
    if (length > LONGEST_ANSWER_BYTES) response.destroy()
  })
}
