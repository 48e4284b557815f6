/** Payments of a node: made on the channel that fits, or on several; and listed. */
import { codeOf, PaychanError } from '../types/errors.js'
import { toHex } from '../types/bytes.js'
import type { Satoshi } from '../types/units.js'
import type { NodeApi, PaymentsApi, PayResult } from './api.js'
import { channelByPrefix, namesChannel, peerByEnds } from './choose.js'
import { newestFirst } from './lists.js'
import { amountOf, inOnePart, payeeOf, planPayment, soleChannel } from './plan-payment.js'
import { peerNamed, type Running } from './running.js'
import { systemRandom } from './system.js'

/** The facet `payments`; `running` throws while the node is stopped. */
export function paymentsFacet(running: () => Running): PaymentsApi {
  return {
    list: async ({ channel, limit } = {}) => {
      const { engine } = running()
      const only =
        channel === undefined ? undefined : channelByPrefix(engine.channels(), channel).id
      return await newestFirst(engine.payments(only), limit)
    }
  }
}

/** The call `pay`; `running` throws while the node is stopped. */
export function payCall(running: () => Running): NodeApi['pay'] {
  return async (request) => {
    const parts = running()
    const { engine, peers } = parts
    const amount = amountOf(request.amount)
    const { id, memo = '' } = request
    const direct = id === undefined ? engine.channelFor(request.to, amount) : undefined
    const to = direct === undefined ? await payeeNamed(parts, request.to) : request.to
    if (to === peers.self) {
      throw new PaychanError(
        'ERR_INVALID_PEER',
        'That is this node itself: it cannot pay itself.',
        {
          peer: to
        }
      )
    }
    if (id === undefined) {
      const channel =
        direct ??
        engine.channelFor(to, amount) ??
        soleChannel(planPayment(engine.payable(), to, amount))
      try {
        if (channel !== undefined) return inOnePart(await engine.pay(channel, amount, memo))
      } catch (error) {
        // Refused, so not signed. Another caller was faster; a new plan may fit on other channels.
        if (codeOf(error) !== 'ERR_INSUFFICIENT_BALANCE' || engine.channels().length === 1) {
          throw error
        }
      }
    }
    const name =
      id === undefined ? { id: toHex(systemRandom.bytes(16)), isDrawn: true as const } : { id }
    return await payNamed(parts, { ...name, to, amount, memo })
  }
}

/** Pays under a name, on as many channels as it takes: what was paid under it before is not paid again. */
export async function payNamed(
  { engine }: Running,
  {
    to,
    ...request
  }: {
    readonly id: string
    readonly isDrawn?: true
    readonly to: string
    readonly amount: Satoshi
    readonly memo: string
  }
): Promise<PayResult> {
  const { amount } = request
  let already = false
  const made = await engine.payOnce({
    ...request,
    peer: payeeOf(engine.payable(), to),
    plan: (rest) => planPayment(engine.payable(), to, rest),
    onMadeBefore: () => {
      already = true
    }
  })
  const [first] = made
  if (first === undefined) {
    throw new PaychanError('ERR_INVALID_AMOUNT', 'A payment is at least 1 sat.', {
      asked: amount
    })
  }
  return { ...first, amount, requestId: request.id, parts: made, already }
}

/**
 * Finds the payee: a peer with a channel comes before strangers whose ids end alike. A channel's id
 * stays as it is.
 */
async function payeeNamed(parts: Running, text: string): Promise<string> {
  const named = parts.aliases.peerOf(text)
  if (named !== undefined) return named
  const channels = parts.engine.states()
  const isChannel = namesChannel(text)
  if (isChannel && channels.some(({ id }) => id.startsWith(text))) return text
  return (
    peerByEnds(
      channels.map(({ peer }) => peer),
      text
    ) ?? (isChannel ? text : await peerNamed(parts, text))
  )
}
