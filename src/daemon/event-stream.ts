/** Follows `GET /v1/events`: one event per line. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { NodeEvent } from '../node/api.js'
import { nodeEvent } from './wire.js'

export interface EventStream {
  /** Resolves once every event from now on is delivered; rejects when there is no node. */
  readonly ready: Promise<void>
  /** Resolves when the stream has ended, for whatever reason. */
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
  // A connection of its own: one that lasts would take a place from the calls.
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
  // Whoever only wants events, as `onEvent` does, need not look at `ready`.
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
      // A newer node may tell of things that this client does not know.
      if (event.success) listener(event.data)
    }
  }
}
