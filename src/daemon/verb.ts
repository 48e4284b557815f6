/**
 * What a verb of the local API is: a call of the node, with its request, its answer and its effect
 * on money, and the tickets by which a call can be cancelled. The verbs themselves are in `verbs.ts`.
 */
import { z } from 'zod'
import type { Scope } from '../node/access.js'
import type { NodeApi } from '../node/api.js'
import { PaychanError } from '../types/errors.js'
import { toWire, type Wire, withoutUndefined } from './wire.js'

/*
 * Cancelling a call from another process: the caller names the call with a ticket, and cancels by
 * that name.
 */

/** Tickets whose call never came, or has ended; the oldest beyond this number are forgotten. */
const MOST_TICKETS = 1_000

const tickets = new WeakMap<NodeApi, Map<string, AbortController>>()

/**
 * The signal of a ticket. The first to arrive makes it: a cancel may overtake its call on another
 * connection.
 */
function controllerOf(node: NodeApi, ticket: string): AbortController {
  const all = tickets.get(node) ?? new Map<string, AbortController>()
  tickets.set(node, all)
  const controller = all.get(ticket) ?? new AbortController()
  all.set(ticket, controller)
  const [oldest] = all.keys()
  if (all.size > MOST_TICKETS && oldest !== undefined) all.delete(oldest)
  return controller
}

/** Makes a call that can be cancelled; without a ticket it cannot. */
async function cancellable<T>(
  node: NodeApi,
  ticket: string | undefined,
  call: (signal?: AbortSignal) => Promise<T>
): Promise<T> {
  if (ticket === undefined) return await call()
  try {
    return await call(controllerOf(node, ticket).signal)
  } finally {
    tickets.get(node)?.delete(ticket)
  }
}

/** Cancels the call with this ticket; the call's own answer tells the outcome. */
export function cancel(node: NodeApi, ticket: string): void {
  controllerOf(node, ticket).abort()
}

/** A name for a call, drawn by the caller, for cancelling it. */
export const ticket = z.string().min(1).max(64)

type Facet =
  'access' | 'wallet' | 'channels' | 'payments' | 'requests' | 'chain' | 'peers' | 'webhooks'

/** The names of the calls of a part of `NodeApi` that have an answer. */
type CallsIn<Part> = {
  [Name in keyof Part & string]: Part[Name] extends (...args: never[]) => Promise<unknown>
    ? Name
    : never
}[keyof Part & string]

/** The calls that no verb makes: a client waits by the events and `info`. */
type NotServed = 'chain.untilHeight'

/** A call of `NodeApi`, by its place there: `pay`, `wallet.send`. */
export type NodeCall = Exclude<
  CallsIn<NodeApi> | { [Name in Facet]: `${Name}.${CallsIn<NodeApi[Name]>}` }[Facet],
  NotServed
>

/** The type of the call at a place of `NodeApi`. */
export type CallAt<Place extends NodeCall> = (
  Place extends `${infer Name extends Facet}.${infer Call}`
    ? NodeApi[Name][Call & keyof NodeApi[Name]]
    : NodeApi[Place & keyof NodeApi]
) extends infer Call extends (...args: never[]) => Promise<unknown>
  ? Call
  : never

/** A row of the table. */
export interface Verb {
  readonly name: string
  /** The call of `NodeApi` that it makes; undefined for a verb of the local API alone. */
  readonly call: NodeCall | undefined
  /** The effect on money, for granting the right to use it. */
  readonly scope: Scope
  readonly meaning: string
  readonly request: z.ZodObject
  readonly answer: z.ZodType
  /** The body of a request, from the arguments of the call. */
  readonly body: (...args: never[]) => object
  /**
   * True when the call has a `signal`; over the wire that is a ticket, by which `cancel` names it.
   */
  readonly isCancellable: boolean
  /** True when the answer has a secret: it is given once, and kept nowhere. */
  readonly showsSecret: boolean
  /** True when its field `id` names a payment to look for. */
  readonly seeksPayment: boolean
  /** True when it may read a whole log of the node: few such reads go on at once. */
  readonly readsLog: boolean
  /**
   * True when it looks at all that the node has of a kind, at once: those who ask at the same time
   * share an answer.
   */
  readonly countsAll: boolean
  /**
   * @param maker - the name for what a caller makes that has a share of the node and no more;
   *   undefined for one that may have all of it
   */
  readonly run: (node: NodeApi, body: unknown, maker?: string) => Promise<Wire>
}

/** The answer of a node's call; null for nothing. */
type AnswerOf<Place extends NodeCall> =
  Awaited<ReturnType<CallAt<Place>>> extends infer Answer
    ? [Answer] extends [void]
      ? null
      : Answer
    : never

interface Row<Place extends NodeCall, Shape extends z.ZodRawShape> {
  readonly scope: Scope
  readonly meaning: string
  readonly request: Shape
  readonly answer: z.ZodType<AnswerOf<Place>>
  /** The body of a request, from the arguments of the call. */
  readonly body: (...args: Parameters<CallAt<Place>>) => object
  /** The arguments of the call, from the body of a request. */
  readonly args: (
    request: Given<z.output<z.ZodObject<Shape, z.core.$strict>>>,
    signal?: AbortSignal,
    maker?: string
  ) => [...Parameters<CallAt<Place>>]
  readonly isCancellable?: boolean
  readonly showsSecret?: boolean
  readonly seeksPayment?: boolean
  readonly readsLog?: boolean
  readonly countsAll?: boolean
}

export type Given<T extends object> = ReturnType<typeof withoutUndefined<T>>

/** Makes a row. */
export function verb<Name extends string, Place extends NodeCall, Shape extends z.ZodRawShape>(
  name: Name,
  call: Place,
  row: Row<Place, Shape>
): Verb & { readonly name: Name; readonly call: Place; readonly shape: Shape } {
  const { scope, meaning, request: shape, answer, body, args } = row
  const { isCancellable = false, showsSecret = false } = row
  const { seeksPayment = false, readsLog = false, countsAll = false } = row
  const request = z.strictObject(isCancellable ? { ...shape, ticket: ticket.optional() } : shape)
  const run: Verb['run'] = async (node, body, maker) => {
    const { ticket: named, ...given } = readRequest(request, body) as { ticket?: string }
    const fields = withoutUndefined(given) as Parameters<typeof args>[0]
    const make = callAt(node, call)
    return toWire(await cancellable(node, named, (signal) => make(...args(fields, signal, maker))))
  }
  return {
    name,
    call,
    shape,
    scope,
    meaning,
    request,
    answer,
    body: body as Verb['body'],
    isCancellable,
    showsSecret,
    seeksPayment,
    readsLog,
    countsAll,
    run
  }
}

type AnyCall = (...args: unknown[]) => Promise<unknown>

/** Facet and name of a call; the facet is the node itself for `info`, `pay` and `stop`. */
export function placeOf(call: NodeCall): {
  readonly facet: string | undefined
  readonly name: string
} {
  const [first = call, name] = call.split('.')
  return name === undefined ? { facet: undefined, name: first } : { facet: first, name }
}

function callAt(node: NodeApi, call: NodeCall): AnyCall {
  const { facet, name } = placeOf(call)
  const part = (facet === undefined ? node : node[facet as Facet]) as unknown as Record<
    string,
    AnyCall | undefined
  >
  const found = part[name]
  if (found === undefined) throw new Error(`a node has no call ${call}`)
  return found
}

/** @throws PaychanError `ERR_UNKNOWN_FIELD`, `ERR_INVALID_REQUEST` (facts: field) */
export function readRequest<Request>(ask: z.ZodType<Request>, body: unknown): Request {
  const result = ask.safeParse(body)
  if (result.success) return result.data
  const [issue] = result.error.issues
  if (issue?.code === 'unrecognized_keys') {
    const field = issue.keys[0] ?? ''
    throw new PaychanError('ERR_UNKNOWN_FIELD', `This verb has no field '${field}'.`, { field })
  }
  const field = issue?.path.join('.') ?? ''
  throw new PaychanError(
    'ERR_INVALID_REQUEST',
    field === ''
      ? 'The body of a request is one JSON object.'
      : issue?.code === 'invalid_type' && issue.message.endsWith('received undefined')
        ? `The field '${field}' is missing.`
        : `The field '${field}' is wrong: ${(issue?.message ?? '').replace(/\.$/, '')}.`,
    { field }
  )
}
