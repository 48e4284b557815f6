/**
 * The local API: HTTP over a Unix socket.
 *
 *     POST /v1/<verb>   JSON in, `{ "result" }` or `{ "error": { "code", "message", "facts" } }` out
 *     GET  /v1/events   one JSON object per line, for as long as the reader stays
 *
 * Whoever can open the socket can spend the money, so only the owner's processes can (mode 0600).
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { NodeApi, NodeEvent } from '../node/api.js'
import { PaychanError } from '../types/errors.js'
import { readJson, sendError, sendResult } from './http.js'
import { didYouMean } from '../types/nearest.js'
import { listenPrivately } from './socket.js'
import { VERBS, type Verb } from './verbs.js'
import { toWire } from './wire.js'

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

/** Milliseconds that such a reader has to read up to there. */
const LAST_WORDS_MS = 10_000

/**
 * Many times what a client of ours opens. Each may hold a body, or the unread events, so that there
 * have to be bounds.
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
    const verb = VERBS.get(name)
    if (verb === undefined) {
      throw new PaychanError(
        'ERR_UNKNOWN_VERB',
        `There is no verb '${name.slice(0, 64)}'.${didYouMean(name, [...VERBS.keys()])}`,
        { verb: name.slice(0, 64) }
      )
    }
    requireMethod(request, 'POST')
    await perform(verb, request, response)
  }

  async function perform(
    { name, run }: Verb,
    request: IncomingMessage,
    response: ServerResponse
  ): Promise<void> {
    const result = await run(node, await readJson(request))
    if (name !== 'stop') {
      sendResult(response, result)
      return
    }
    // The one who asked gets the answer before the connection goes, unless they have gone before.
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
  const unsubscribe = node.onEvent((event) => {
    if (response.writableLength <= MAX_UNREAD_EVENT_BYTES) {
      tell(event)
      return
    }
    unsubscribe()
    tell({
      type: 'alarm',
      code: 'ERR_EVENTS_LOST',
      text: 'You read more slowly than things happen: no events follow. Connect again, and look at the payments and channels in between.',
      channel: undefined
    })
    response.end()
    setTimeout(() => {
      response.destroy()
    }, LAST_WORDS_MS).unref()
  })
  response.once('close', unsubscribe)
}
