/**
 * How far the posting of events to one receiver has come, and what an answer makes of it: computed,
 * without a clock, a disk or a network. The requests follow the Standard Webhooks specification.
 */
import { createHmac } from 'node:crypto'
import type { NumberedEventType, NumberedNodeEvent } from './answers.js'

/** Milliseconds from a failure to the next try: at first, then doubled, and at most. */
const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 3_600_000

/**
 * Number of failures in a row after which a person is told: 5 s * 2^10 are above an hour, so the
 * pauses grow no more.
 */
export const TOLD_FAILURES = 11

/** HTTP 410: the receiver wants no more, which is not a failure that passes. */
const GONE = 410

const SECRET_PREFIX = 'whsec_'

/**
 * The progress of a receiver: it has taken all events before `number`, and of that one so many
 * parts.
 */
export interface Position {
  readonly number: number
  /** Undefined when all parts are taken. */
  readonly parts: number | undefined
}

export interface Delivery {
  readonly position: Position
  readonly isStopped: boolean
  readonly failures: number
  /** Milliseconds since 1970. */
  readonly nextTry: number | undefined
  readonly lastStatus: number | undefined
  readonly lastProblem: string | undefined
}

/** The outcome of a try. */
export type WebhookAnswer =
  | {
      readonly status: number
      /** Milliseconds that the receiver asks to be left alone (`Retry-After`). */
      readonly retryAfterMs?: number | undefined
    }
  /** There was no answer, and why. */
  | { readonly problem: string }

/** A part of an event that is to be posted next. */
export interface Part {
  /** The position of a webhook that has taken this part. */
  readonly position: Position
  /** The same however often it is posted. */
  readonly name: string
  readonly event: NumberedNodeEvent
}

/** A webhook before its first event. */
export function deliveryAt(position: Position, isStopped = false): Delivery {
  return {
    position,
    isStopped,
    failures: 0,
    nextTry: undefined,
    lastStatus: undefined,
    lastProblem: undefined
  }
}

/** The number after which events are to be read for whoever stands at a position. */
export function readAfter({ number, parts }: Position): number {
  return parts === undefined ? number : number - 1
}

/** True for the alarm in the place of events that are not kept any more. */
export function isLoss({ event }: NumberedNodeEvent): boolean {
  return event.type === 'alarm' && event.code === 'ERR_EVENTS_LOST'
}

/**
 * True when a receiver gets an event: it has asked for its kind, or is told that it has missed
 * some.
 */
export function isWanted(
  told: NumberedNodeEvent,
  events: readonly NumberedEventType[] | undefined
): boolean {
  return events === undefined || isLoss(told) || events.some((type) => type === told.event.type)
}

/** Names the parts of events as they are read, and leaves out those that are taken already. */
export class Parts {
  #number = 0
  /** Number of parts of that event that were read. */
  #read = 0
  readonly #from: Position

  constructor(from: Position) {
    this.#from = from
  }

  next(event: NumberedNodeEvent): Part | undefined {
    const { number, isLast } = event
    if (isLoss(event)) {
      const { facts } = event.event as { readonly facts: { readonly after?: unknown } }
      const position = { number, parts: undefined }
      return { position, name: `lost_${String(facts.after)}_${number}`, event }
    }
    this.#read = number === this.#number ? this.#read + 1 : 1
    this.#number = number
    if (number === this.#from.number && this.#read <= (this.#from.parts ?? 0)) return undefined
    return {
      position: { number, parts: isLast ? undefined : this.#read },
      name: this.#read === 1 ? String(number) : `${number}_${this.#read}`,
      event
    }
  }
}

/**
 * How a webhook goes on after an answer: with the next event, with another try of this one, or not
 * at all.
 *
 * @param now - milliseconds since 1970
 * @param draw - from 0 up to 1: webhooks that failed together do not come back together
 */
export function afterAnswer(
  { position, failures }: Delivery,
  taken: Position,
  answer: WebhookAnswer,
  now: number,
  draw: number
): Delivery {
  const lastStatus = 'status' in answer ? answer.status : undefined
  if (lastStatus !== undefined && lastStatus >= 200 && lastStatus <= 299) {
    return { ...deliveryAt(taken), lastStatus }
  }
  const failed = {
    position,
    failures: failures + 1,
    lastStatus,
    lastProblem: 'problem' in answer ? answer.problem : undefined
  }
  if (lastStatus === GONE) return { ...failed, isStopped: true, nextTry: undefined }
  const asked = 'status' in answer ? (answer.retryAfterMs ?? 0) : 0
  const pause = Math.max(pauseAfter(failed.failures, draw), Math.min(asked, LONGEST_PAUSE_MS))
  return { ...failed, isStopped: false, nextTry: now + pause }
}

/** Between half of the pause and all of it. */
function pauseAfter(failures: number, draw: number): number {
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS)
  return Math.ceil((pause * (1 + draw)) / 2)
}

/** The secret of a webhook as its receiver writes it down. */
export function secretText(key: Uint8Array): string {
  return SECRET_PREFIX + Buffer.from(key).toString('base64')
}

/**
 * The headers of a try.
 *
 * @param id - has no full stop, which parts the signed text
 * @param now - milliseconds since 1970
 */
export function signedHeaders(
  key: Uint8Array,
  id: string,
  now: number,
  body: string
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1_000))
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`
  }
}
