/** Payments by a token of the API on TCP: each has a name, and counts against the budget once. */
import { randomUUID } from 'node:crypto'
import { checkPaymentId } from '../engine/keyed-payments.js'
import { type Grant, hashOf } from '../node/access.js'
import type { LocalNode } from '../node/api.js'
import { isUndone } from '../node/kept-answers.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { satoshi, type Satoshi } from '../types/units.js'
import type { Verb } from './verb.js'
import type { Wire } from './wire.js'

/**
 * The body with the name of the payment: what the caller calls it, and by `Idempotency-Key` as
 * well. Where there is a budget, a payment needs a name, so that it is counted once however often
 * it is asked for.
 *
 * @throws PaychanError `ERR_INVALID_REQUEST`, `ERR_INVALID_PAYMENT_ID`
 */
export function named(body: unknown, key: string | undefined, grant: Grant): unknown {
  if (!isObject(body)) return body
  const given = body['id']
  if (key !== undefined && given !== undefined && given !== key) {
    throw new PaychanError(
      'ERR_INVALID_REQUEST',
      "The field 'id' and the Idempotency-Key are two names for one payment: give one of them, or the same.",
      { field: 'id' }
    )
  }
  const name = given ?? key ?? (grant.hasBudget && !('request' in body) ? randomUUID() : undefined)
  return typeof name === 'string' ? { ...body, id: ownName(name, grant) } : body
}

/**
 * Looks for a payment by the name that this token has given to it, then by whatever else the `id`
 * may be.
 */
export async function lookedFor(
  body: unknown,
  grant: Grant,
  run: (body: unknown) => Promise<Wire>
): Promise<Wire> {
  const id = isObject(body) ? body['id'] : undefined
  if (!isObject(body) || typeof id !== 'string') return await run(body)
  try {
    return await run({ ...body, id: ownName(id, grant) })
  } catch (error) {
    if (!NOT_FOUND.has(codeOf(error))) throw error
    return await run(body)
  }
}

const NOT_FOUND: ReadonlySet<string> = new Set([
  'ERR_NO_PAYMENT',
  'ERR_NO_RECEIPT',
  'ERR_INVALID_PAYMENT_ID'
])

/** Beyond it a name would not fit beside the id of the token: its hash stands for it. */
const LONGEST_OWN_NAME = 119

/**
 * Payments are named for the whole node, and tokens know nothing of each other: each token has
 * names of its own. One that has the id of the token already stays as it is, since the node tells
 * it like that.
 */
function ownName(name: string, { id }: Grant): string {
  checkPaymentId(name)
  if (name.startsWith(`${id} `)) return name
  return `${id} ${name.length > LONGEST_OWN_NAME ? hashOf(name) : name}`
}

function isObject(body: unknown): body is Readonly<Record<string, unknown>> {
  return typeof body === 'object' && body !== null && !Array.isArray(body)
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

/** The request of `pay` and of `payRequest`. */
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
