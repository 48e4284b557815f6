/**
 * The local API: HTTP over a Unix socket.
 *
 *     POST /v1/<verb>   JSON in, `{ "result" }` or `{ "error": { "code", "message", "facts" } }` out
 *     GET  /v1/events   one JSON object per line, for as long as the reader stays
 *
 * Access to the socket is access to the money, so only the owner's processes have it (mode 0600).
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { lstat, mkdir, unlink } from 'node:fs/promises'
import { createConnection, type Server } from 'node:net'
import { dirname } from 'node:path'
import type { NodeApi, NodeEvent } from '../node/api.js'
import { statusOf } from '../types/error-codes.js'
import { alarm, codeOf, messageOf, PaychanError, toErrorRecord } from '../types/errors.js'
import { assertSocketPath } from './paths.js'
import { verbNamed } from './verbs.js'
import { toWire, type Wire } from './wire.js'

export interface ApiServer {
  readonly socketPath: string
  /** Resolves once the server has ended: by `close`, or because somebody asked the node to stop. */
  readonly closed: Promise<void>
  /** Ends the server and its connections; the socket file is gone when this resolves. */
  close: () => Promise<void>
}

/**
 * A reader of events that falls this far behind (some thousand events) is told so, in its last
 * line, and disconnected.
 */
const MAX_UNREAD_EVENT_BYTES = 1_048_576

/** Milliseconds that such a reader has to read up to that last line. */
const LAST_WORDS_MS = 10_000

/**
 * Far more than our clients open. Each connection may hold a body, or unread events, so their
 * number is bounded.
 */
const MAX_CONNECTIONS = 1_024

/**
 * Longer than a person's pause between two commands, so that a client's connection can be used
 * again.
 */
const KEEP_ALIVE_MS = 60_000

/**
 * Serves `node` at `socketPath`.
 *
 * @throws PaychanError `ERR_ALREADY_RUNNING`, `ERR_SOCKET_PATH_TOO_LONG`, `ERR_SOCKET_FAILED`
 * @example
 * const server = await serveApi(node, '/home/alice/.paychan/api.sock')
 * await server.closed
 */
export async function serveApi(node: NodeApi, socketPath: string): Promise<ApiServer> {
  const http = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      sendError(response, error)
    })
  })
  http.maxConnections = MAX_CONNECTIONS
  await listenPrivately(http, socketPath)
  const closed = new Promise<void>((resolve) => {
    http.once('close', resolve)
  })

  async function close(): Promise<void> {
    if (http.listening) http.close() // which removes the socket file
    http.closeAllConnections()
    await closed
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = new URL(request.url ?? '/', 'http://localhost').pathname.replace(/^\/v1\//, '')
    if (name === 'events') {
      requireMethod(request, 'GET')
      streamEvents(node, response)
      return
    }
    const verb = verbNamed(name)
    requireMethod(request, 'POST')
    const result = await verb.run(node, await readJson(request))
    if (name !== 'stop') {
      sendResult(response, result)
      return
    }
    // The caller gets the answer before the connection closes, unless it has left before.
    const sent = response.destroyed
      ? undefined
      : Promise.race([once(response, 'finish'), once(response, 'close')])
    response.setHeader('connection', 'close')
    sendResult(response, result)
    await sent
    await close()
  }

  return { socketPath, closed, close }
}

function requireMethod(request: IncomingMessage, method: 'GET' | 'POST'): void {
  if (request.method !== method) {
    throw new PaychanError('ERR_METHOD_NOT_ALLOWED', `Use ${method} here.`, {
      method: request.method
    })
  }
}

function streamEvents(node: NodeApi, response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'application/x-ndjson',
    'cache-control': 'no-store',
    connection: 'close'
  })
  response.flushHeaders()
  const tell = (event: NodeEvent): void => {
    response.write(`${JSON.stringify(toWire(event))}\n`)
  }
  const unsubscribe = node.events.on((event) => {
    if (response.writableLength <= MAX_UNREAD_EVENT_BYTES) {
      tell(event)
      return
    }
    unsubscribe()
    const lost = new PaychanError(
      'ERR_EVENTS_LOST',
      'You read more slowly than things happen: no events follow. Connect again, and look at the payments and channels in between.'
    )
    tell({ ...alarm(lost), channel: undefined })
    response.end()
    setTimeout(() => {
      response.destroy()
    }, LAST_WORDS_MS).unref()
  })
  response.once('close', unsubscribe)
}

/* One request of the local API: its body within bounds, its answer and its status. */

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
  // The unread rest of a refused body would be taken for the next request.
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

/* A Unix socket that only its owner can reach, at a path that no living process uses. */

/**
 * Takes away all bits but read and write of the owner: a socket is made with 0777 minus the umask.
 */
const OWNER_ONLY = 0o177

/**
 * Listens at `path` with mode 0600. A socket that a dead process left behind is replaced.
 *
 * @throws PaychanError `ERR_SOCKET_PATH_TOO_LONG`, `ERR_ALREADY_RUNNING` when a process answers
 *   there, `ERR_SOCKET_FAILED` when something else is in the way.
 */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  assertSocketPath(path)
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await removeStale(path)
  } catch (error) {
    throw error instanceof PaychanError ? error : failed(path, error)
  }
  await new Promise<void>((resolve, reject) => {
    const onError = (error: Error): void => {
      reject(failed(path, error))
    }
    server.once('error', onError)
    server.once('listening', () => {
      server.off('error', onError)
      resolve()
    })
    // listen() binds before it returns, so the socket never exists with wider permissions, not
    // even for the moment that a chmod afterwards would leave.
    const before = process.umask(OWNER_ONLY)
    try {
      server.listen(path)
    } finally {
      process.umask(before)
    }
  })
}

async function removeStale(path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSocket()) {
      throw new PaychanError(
        'ERR_SOCKET_FAILED',
        `${path} is in the way: the API socket belongs there, and this is not a socket. Move it away.`,
        { path }
      )
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  if (await answers(path)) {
    throw new PaychanError(
      'ERR_ALREADY_RUNNING',
      `A node is running on this data directory (it answers at ${path}). Use it, or end it with \`paychan stop\`.`,
      { path }
    )
  }
  await unlink(path)
}

/** Tells whether a process listens. Only a refused connection proves that none does. */
async function answers(path: string): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => {
      resolve(codeOf(error) !== 'ECONNREFUSED')
    })
  })
}

function failed(path: string, error: unknown): PaychanError {
  if (codeOf(error) === 'EADDRINUSE') {
    return new PaychanError(
      'ERR_ALREADY_RUNNING',
      `Another process has just begun to listen at ${path}.`,
      { path },
      { cause: error }
    )
  }
  return new PaychanError(
    'ERR_SOCKET_FAILED',
    `The API socket could not be made at ${path} (${messageOf(error)}). Check the permissions of the directory.`,
    { path },
    { cause: error }
  )
}
