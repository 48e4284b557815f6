/** Asks a running node, over the socket in its data directory, what `NodeApi` offers. */
import { randomUUID } from 'node:crypto'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import type { NodeApi, NodeEvent, NodeVerb } from '../node/api.js'
import { PaychanError } from '../types/errors.js'
import { explain, readAnswer } from './client-http.js'
import { readEvents, type EventStream } from './event-stream.js'
import { withoutUndefined } from './objects.js'
import { assertSocketPath } from './paths.js'
import { VERBS, type Verb, type VerbName } from './verbs.js'
import { errorRecord, toWire } from './wire.js'

/** A node in another process. `onEvent` is the same as `events(...).stop`. */
export interface ApiClient extends NodeApi {
  /** Follows the node's events; `ready` resolves once no further event is missed. */
  events: (listener: (event: NodeEvent) => void) => EventStream
  /** Lets go of the connections; a call that is under way fails. */
  disconnect: () => void
}

/** More calls than this wait for their turn; the node would queue them itself. */
const MAX_CONNECTIONS = 64

/**
 * A client for the node that serves at `socketPath`. It connects with the first call.
 *
 * Besides what `NodeApi` says, every call may reject with `ERR_NODE_NOT_RUNNING` and
 * `ERR_API_FAILED` (the connection broke: whether the node did what was asked is unknown).
 *
 * @example
 * const node = connectApi('/home/alice/.paychan/api.sock')
 * console.log((await node.balance()).confirmed)
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
  async function askCancellably(
    verb: Verb,
    { signal, ...body }: { readonly signal?: AbortSignal }
  ): Promise<unknown> {
    if (signal === undefined) return await ask(verb, body)
    const ticket = randomUUID()
    const cancel = rowOf('cancel')
    return await new Promise<unknown>((resolve, reject) => {
      // Whether it was in time is the answer of the call itself.
      const onAbort = (): void => {
        ask(cancel, { ticket }).catch(reject)
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
      const body = verb.body(...args)
      return verb.isCancellable ? await askCancellably(verb, body) : await ask(verb, body)
    }
  }

  function events(listener: (event: NodeEvent) => void): EventStream {
    return readEvents(socketPath, listener, (error) => explain(error, socketPath, 'events'))
  }

  // The table has a row for each call of `NodeApi`, made of its arguments and answer (verbs.ts).
  const calls = Object.fromEntries(
    [...VERBS.values()].map((verb) => [verb.name, call(verb)])
  ) as unknown as Pick<NodeApi, NodeVerb>
  return {
    ...calls,
    onEvent: (listener) => events(listener).stop,
    events,
    disconnect: () => {
      agent.destroy()
    }
  }
}

function rowOf(name: VerbName): Verb {
  const verb = VERBS.get(name)
  if (verb === undefined) throw new Error(`the table has no verb ${name}`)
  return verb
}
