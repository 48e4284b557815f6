/** `GET /v1/events` of the API on TCP: server-sent events (the HTML standard, section 9.2). */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { LocalNode, NodeEvent } from '../node/api.js'
import { NUMBERED_EVENTS } from '../node/answers.js'
import { publish } from './dialect.js'
import { nodeEvent, toWire, type Wire } from './wire.js'

/** Proxies end connections that are silent for a minute. */
const PULSE_MS = 15_000

/**
 * Events that pass are left out for a reader that is so far behind: it would be old when it is
 * read.
 */
const MAX_UNREAD_BYTES = 65_536

/**
 * Sends events for as long as the reader stays: those with a number from the disk, at the pace of
 * the reader, and beside them what passes.
 *
 * @param after - the number of the last event that was read; from now on when undefined
 */
export function sendEvents(
  node: LocalNode,
  response: ServerResponse,
  after: number | undefined
): void {
  const gone = new AbortController()
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no'
  })
  response.write(': connected\n\n')
  const pulse = setInterval(() => {
    if (response.writableLength === 0) response.write(': \n\n')
  }, PULSE_MS)
  const unsubscribe = node.events.on((event) => {
    if (isNumbered(event) || response.writableLength > MAX_UNREAD_BYTES) return
    response.write(lines(event))
  })
  response.once('close', () => {
    clearInterval(pulse)
    unsubscribe()
    gone.abort()
  })
  sendNumbered(node, response, after, gone.signal)
    .catch(() => {})
    .finally(() => {
      response.end()
    })
}

async function sendNumbered(
  node: LocalNode,
  response: ServerResponse,
  after: number | undefined,
  signal: AbortSignal
): Promise<void> {
  const from = after ?? node.events.newest()
  // A number without an event: a reader that is cut off before the first one can come back to here.
  if (after === undefined) response.write(`id: ${from}\n\n`)
  for await (const { number, isLast, event } of node.events.after(from, signal)) {
    // A reader that leaves between two parts is told all of them again, and none is missed.
    if (!response.write(lines(event, isLast ? number : undefined))) {
      await once(response, 'drain', { signal })
    }
  }
}

function isNumbered({ type }: NodeEvent): boolean {
  return NUMBERED_EVENTS.some((numbered) => numbered === type)
}

function lines(event: NodeEvent, number?: number): string {
  const id = number === undefined ? '' : `id: ${number}\n`
  return `${id}event: ${event.type}\ndata: ${JSON.stringify(publishedEvent(event))}\n\n`
}

/** An event in the words of the API on TCP. */
export function publishedEvent(event: NodeEvent): Wire {
  return publish(nodeEvent, toWire(event))
}
