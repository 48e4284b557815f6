/** Talks to the local API without the client's good manners. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { createConnection } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly body: {
    result?: unknown
    error?: { code: string; message: string; facts: Record<string, unknown> }
  }
}

/** One HTTP request with exactly this body. */
export async function rawRequest(
  socketPath: string,
  method: string,
  path: string,
  body: string | Uint8Array = ''
): Promise<RawAnswer> {
  const request = httpRequest({
    socketPath,
    agent: false,
    method,
    path,
    headers: { 'content-length': Buffer.byteLength(body) }
  })
  // A refused body may be cut off while it is sent; what counts is the answer.
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  request.end(body)
  const response = await answer
  const chunks: Uint8Array[] = []
  for await (const chunk of response as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return {
    status: response.statusCode ?? 0,
    body: JSON.parse(Buffer.concat(chunks).toString('utf8')) as RawAnswer['body']
  }
}

/** Writes bytes that need not be HTTP, and waits until the other side hangs up. */
export async function rawBytes(socketPath: string, bytes: string | Uint8Array): Promise<string> {
  const socket = createConnection(socketPath)
  await once(socket, 'connect')
  let answer = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    answer += text
  })
  socket.on('error', () => {}) // a reset is an answer too
  socket.write(bytes)
  await once(socket, 'close')
  return answer
}
