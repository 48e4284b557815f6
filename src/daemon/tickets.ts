/**
 * Cancelling a call from another process: the caller names the call with a ticket, and cancels by
 * that name.
 */
import type { NodeApi } from '../node/api.js'

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
export async function cancellable<T>(
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
