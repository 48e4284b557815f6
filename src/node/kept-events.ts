/** The events of a node for readers that come back, each with its number. */
import type { EventLog, KeptEvent } from '../engine/event-log.js'
import { paymentsAt, sentUpTo } from '../engine/payments.js'
import { alarm, codeOf, PaychanError } from '../types/errors.js'
import type { NodeEvent, NumberedNodeEvent } from './api.js'
import { requestInfo } from './requests-facet.js'
import type { Running } from './running.js'

/**
 * All events after a number, then each as it comes; without a number, those from now on. An event
 * that stands for several payments comes in parts, which have one number; the last part is marked.
 *
 * @throws PaychanError `ERR_EVENTS_NOT_KEPT`
 */
export async function* keptEvents(
  parts: Running,
  after: number | undefined,
  signal?: AbortSignal
): AsyncGenerator<NumberedNodeEvent> {
  const log = eventLogOf(parts)
  yield* numberedEvents(log, async (event) => await toldNow(parts, event), after, signal)
}

/** The same, of any log. */
export async function* numberedEvents(
  log: EventLog,
  told: (event: KeptEvent) => Promise<NodeEvent[]>,
  after: number | undefined,
  signal?: AbortSignal
): AsyncGenerator<NumberedNodeEvent> {
  let from = after ?? log.newest
  if (from < log.dropped || from > log.newest) {
    const first = from > log.newest ? log.newest : log.dropped
    yield {
      number: first,
      isLast: true,
      event: { ...alarm(lost(from, first)), channel: undefined }
    }
    from = first
  }
  for await (const { number, event } of log.follow(from, signal)) {
    // What an event refers to may be damaged: the reader goes on behind it.
    const events = await told(event).catch((error: unknown) => {
      if (codeOf(error) !== 'ERR_STORE_CORRUPT') throw error
      return []
    })
    for (const [index, each] of events.entries()) {
      yield { number, isLast: index === events.length - 1, event: each }
    }
  }
}

/** The number of the newest event. @throws PaychanError `ERR_EVENTS_NOT_KEPT` */
export function newestEvent(parts: Running): number {
  return eventLogOf(parts).newest
}

function eventLogOf({ engine: { eventLog } }: Running): EventLog {
  if (eventLog !== undefined) return eventLog
  throw new PaychanError(
    'ERR_EVENTS_NOT_KEPT',
    'This node keeps no events: start it with `keepsEvents: true`.'
  )
}

function lost(after: number, first: number): PaychanError {
  return new PaychanError(
    'ERR_EVENTS_LOST',
    `The events after number ${after} are not all kept any more: they go on after ${first}. Look at the payments and channels in between.`,
    { after, first }
  )
}

/** Parts kept by reference are as they are now: a channel that was opened then may be closed. */
async function toldNow({ engine, store }: Running, event: KeptEvent): Promise<NodeEvent[]> {
  switch (event.type) {
    case 'told':
      return [event.event as NodeEvent]
    case 'request': {
      const record = await engine.requests.find(event.id)
      return record === undefined ? [] : [{ type: 'request', request: requestInfo(record) }]
    }
    case 'channel': {
      if (engine.stateOf(event.channel) === undefined) return []
      return [{ ...event, channel: engine.describe(event.channel) }]
    }
    case 'received':
    case 'sent': {
      const channel = engine.stateOf(event.channel)
      if (channel === undefined) return []
      const payments =
        event.type === 'received'
          ? await paymentsAt(store, channel, event.sequence)
          : await sentUpTo(store, channel, event.upTo, event.count)
      return payments.map((payment) => ({ type: 'payment', payment }))
    }
  }
}
