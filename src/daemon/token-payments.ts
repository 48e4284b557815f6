/** Payments by a token of the API on TCP: each has a name, and counts against the budget once. */
import { randomUUID } from 'node:crypto'
import type { Grant } from '../node/access.js'
import type { LocalNode } from '../node/api.js'
import { isUndone } from '../node/kept-answers.js'
import { PaychanError } from '../types/errors.js'
import { satoshi, type Satoshi } from '../types/units.js'
import type { Verb } from './verb.js'
import type { Wire } from './wire.js'

/** A payment needs a name, so that its budget is counted once however often it is asked for. */
export function named(body: unknown, key: string | undefined, { id, hasBudget }: Grant): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const given = (body as { id?: unknown }).id
  if (key !== undefined && given !== undefined && given !== key) {
    throw new PaychanError(
      'ERR_INVALID_REQUEST',
      "The field 'id' and the Idempotency-Key are two names for one payment: give one of them, or the same.",
      { field: 'id' }
    )
  }
  if (given !== undefined) return body
  if (key !== undefined) return { ...body, id: key }
  return hasBudget && !('request' in body) ? { ...body, id: `${id} ${randomUUID()}` } : body
}

export async function payWithin(
  node: LocalNode,
  verb: Verb,
  { id, hasBudget }: Grant,
  body: unknown,
  run: (body: unknown) => Promise<Wire>
): Promise<Wire> {
  if (!hasBudget) return await run(body)
  const { access } = node.gate()
  // Read as the verb reads it, so that what is wrong is refused before it is counted.
  const asked = verb.request.safeParse(body)
  if (!asked.success) return await run(body)
  const { payment, amount } = await costOf(node, asked.data)
  await access.reserve(id, payment, amount)
  try {
    const answer = await run(body)
    const { already } = answer as { readonly already?: boolean }
    await access.settle(id, payment, already !== true)
    return answer
  } catch (error) {
    await access.settle(id, payment, !isUndone(error))
    throw error
  }
}

/** What `pay` and `payRequest` are asked for. */
interface CostlyRequest {
  readonly id?: string
  readonly to?: string
  readonly request?: string
  readonly amount?: Satoshi
}

/**
 * The name and the amount by which a payment counts. The amount is part of the name: a second call
 * under the first one's name must not pay more than was counted.
 */
async function costOf(
  node: LocalNode,
  asked: Record<string, unknown>
): Promise<{ readonly payment: string; readonly amount: Satoshi }> {
  const { id = '', to, request, amount } = asked as CostlyRequest
  const terms = request === undefined ? undefined : await node.requests.read(request)
  const cost = amount ?? terms?.amount ?? satoshi(0n)
  const name =
    terms === undefined
      ? ['pay', to, id, String(cost)]
      : ['request', terms.payee, terms.id, terms.reusable ? nameInBudget(id) : '', String(cost)]
  return { payment: JSON.stringify(name), amount: cost }
}

/**
 * Each call that pays a reusable request without an id may be a payment of its own. It gets no id:
 * the node goes on with one that has not come to an end, and whoever does not know a drawn id would
 * pay that twice.
 */
function nameInBudget(id: string): string {
  return id === '' ? randomUUID() : id
}
