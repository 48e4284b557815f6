/**
 * Calls a running node over the socket in its data directory, as `NodeApi`, and follows its events.
 */
import { randomUUID } from 'node:crypto'
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { dirname } from 'node:path'
import { z } from 'zod'
import type { EventsApi, NodeApi, NodeEvent } from '../node/api.js'
import type { WaitOptions } from '../node/api.js'
import { unlessAborted, untilHeight } from '../node/waiting.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { errorRecord, nodeEvent, toWire, withoutUndefined } from './wire.js'
import { assertSocketPath } from './paths.js'
import type { Verb } from './verb.js'
import { callsOfVerbs, CANCEL } from './verbs.js'

/** The events of a node in another process. `on` is the same as `follow(...).stop`. */
interface FollowedEvents extends EventsApi {
  /** Follows the node's events; `ready` resolves once no further event is missed. */
  follow: (listener: (event: NodeEvent) => void) => EventStream
}

/** A node in another process. */
export interface ApiClient extends NodeApi {
  readonly events: FollowedEvents
  /** Closes the connections; a call that is under way fails. */
  disconnect: () => void
}

/** Most connections; more calls wait for their turn, as the node would queue them itself. */
const MAX_CONNECTIONS = 64

/**
 * A client for the node that serves at `socketPath`. It connects with the first call.
 *
 * Besides the errors of `NodeApi`, every call may reject with `ERR_NODE_NOT_RUNNING` and
 * `ERR_API_FAILED` (the connection broke, and the outcome of the call is unknown). `onProgress`
 * stays on this side of the socket, and is not called: `events.follow` has the news.
 *
 * @example
 * const node = connectApi('/home/alice/.paychan/api.sock')
 * console.log((await node.wallet.balance()).confirmed)
 */
export function connectApi(socketPath: string): ApiClient {
  assertSocketPath(socketPath)
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS })

  async function ask({ name, answer: shape }: Verb, body: object): Promise<unknown> {
    const payload = JSON.stringify(toWire(withoutUndefined(body)))
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(payload)
      }
      const request = httpRequest(
        { socketPath, agent, method: 'POST', path: `/v1/${name}`, headers },
        resolve
      )
      request.once('error', (error) => {
        reject(explain(error, socketPath, name))
      })
      request.end(payload)
    })
    const answer = await readAnswer(response, name)
    if ('error' in answer) {
      const { code, message, facts } = errorRecord.parse(answer.error)
      throw PaychanError.of(code, message, facts)
    }
    return shape.parse(answer.result)
  }

  /** A call that a signal cancels: by a ticket, since the call itself waits for its answer. */
  async function askCancellably(verb: Verb, body: object, signal: AbortSignal): Promise<unknown> {
    const ticket = randomUUID()
    return await new Promise<unknown>((resolve, reject) => {
      // The answer of the call itself tells if the cancel was in time.
      const onAbort = (): void => {
        ask(CANCEL, { ticket }).catch(reject)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      ask(verb, { ...body, ticket })
        .then(resolve, reject)
        .finally(() => {
          signal.removeEventListener('abort', onAbort)
        })
    })
  }

  function call(verb: Verb): (...args: never[]) => Promise<unknown> {
    return async (...args) => {
      const asked: WaitOptions = verb.body(...args)
      const { signal } = asked
      // Neither of the two is a field of the wire.
      const body = { ...asked, signal: undefined, onProgress: undefined }
      return verb.isCancellable && signal !== undefined
        ? await askCancellably(verb, body, signal)
        : await unlessAborted(signal, async () => await ask(verb, body))
    }
  }

  function follow(listener: (event: NodeEvent) => void): EventStream {
    return readEvents(socketPath, listener, (error) => explain(error, socketPath, 'events'))
  }

  const { chain, ...calls } = callsOfVerbs(call)
  const node: NodeApi & Pick<ApiClient, 'events'> = {
    ...calls,
    chain: {
      ...chain,
      untilHeight: async (height, { signal } = {}) => {
        await untilHeight(node, height, signal)
      }
    },
    events: { on: (listener) => follow(listener).stop, follow }
  }
  return {
    ...node,
    disconnect: () => {
      agent.destroy()
    }
  }
}

/* The client's half of HTTP: reads an answer, and explains why there is none. */

const answerSchema = z.union([z.object({ error: errorRecord }), z.object({ result: z.unknown() })])

export type Answer = z.infer<typeof answerSchema>

/** Reads the whole body of an answer. @throws PaychanError `ERR_API_FAILED` */
export async function readAnswer(response: IncomingMessage, what: string): Promise<Answer> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) chunks.push(chunk)
    return answerSchema.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')))
  } catch (error) {
    throw failed(what, error)
  }
}

/** Turns a connection's error into one that people can act on. */
export function explain(error: Error, socketPath: string, what: string): PaychanError {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ECONNREFUSED': {
      const dataDir = dirname(socketPath)
      return new PaychanError(
        'ERR_NODE_NOT_RUNNING',
        `No node is running on ${dataDir}: start it with \`paychan start --data ${dataDir}\`.`,
        { dataDir },
        { cause: error }
      )
    }
    case 'EACCES':
    case 'EPERM':
      return new PaychanError(
        'ERR_API_FORBIDDEN',
        `${socketPath} belongs to another user. Run this as the user who started the node.`,
        { socketPath },
        { cause: error }
      )
    default:
      return failed(what, error)
  }
}

function failed(what: string, error: unknown): PaychanError {
  return new PaychanError(
    'ERR_API_FAILED',
    `The connection to the node broke during '${what}' (${messageOf(error)}). Whether it was done is unknown: look with \`paychan channels\` and \`paychan payments\`.`,
    { what },
    { cause: error }
  )
}

/* Follows `GET /v1/events`: one event per line. */

export interface EventStream {
  /** Resolves once every event from now on is delivered; rejects when there is no node. */
  readonly ready: Promise<void>
  /** Resolves when the stream has ended, for any reason. */
  readonly closed: Promise<void>
  stop: () => void
}

/**
 * Connects and calls `listener` with each event. `explain` makes `ready`'s rejection of an error.
 */
export function readEvents(
  socketPath: string,
  listener: (event: NodeEvent) => void,
  explain: (error: Error) => Error
): EventStream {
  // A separate connection: a lasting one would take a place from the calls.
  const request = httpRequest({ socketPath, agent: false, path: '/v1/events' })
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('close', () => {
      reject(explain(new Error('closed before it began')))
    })
    request.on('error', (error) => {
      reject(explain(error))
    })
  })
  const closed = response
    .then(async (body) => {
      await deliver(body, listener)
    })
    .catch(() => {})
  const ready = response.then(() => {})
  // A caller that only wants events, as `on` does, may ignore `ready`.
  ready.catch(() => {})
  request.end()
  return {
    ready,
    closed,
    stop: () => {
      request.destroy()
    }
  }
}

async function deliver(body: IncomingMessage, listener: (event: NodeEvent) => void): Promise<void> {
  let rest = ''
  body.setEncoding('utf8')
  for await (const text of body as AsyncIterable<string>) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const event = nodeEvent.safeParse(JSON.parse(line))
      // A newer node may send events that this client does not know.
      if (event.success) listener(event.data)
    }
  }
}
