/** Payments of a node: made on the channel that fits, or on several; and listed. */
import type { Channel } from '../channel/state.js'
import type { Payer } from '../engine/waiters.js'
import { toHex } from '../types/bytes.js'
import { asError, codeOf, PaychanError } from '../types/errors.js'
import { type Satoshi, sumShown } from '../types/units.js'
import type { NodeApi, PaymentInfo, PaymentsApi, PayRequest } from './api.js'
import type { PayResult } from './plan-payment.js'
import type { PaymentDetails, PaymentFilter } from './answers.js'
import { channelByPrefix, namesChannel, peerByEnds, peerText } from './choose.js'
import { amountOf, inOnePart, payeeOf, planPayment, soleChannel } from './plan-payment.js'
import { peerNamed, type Running } from './running.js'
import { systemRandom } from './system.js'
import { unlessAborted } from './waiting.js'

/** The facet `payments`; `running` throws while the node is stopped. */
export function paymentsFacet(running: () => Running): PaymentsApi {
  return {
    list: async ({ channel, peer, limit, ...filter } = {}) => {
      const parts = running()
      const { engine, reads } = parts
      const only = channel === undefined ? undefined : channelByPrefix(engine.states(), channel).id
      const peerId = peer === undefined ? undefined : await peerNamed(parts, peerText(peer))
      const of = (each: Pick<Channel, 'id' | 'peer'>): boolean =>
        (only === undefined || each.id === only) && (peerId === undefined || each.peer === peerId)
      return await reads.run(
        async () =>
          await firstOf(fitting(engine.payments({ of, since: filter.since }), filter), limit)
      )
    },

    get: async (id) => {
      const { engine, reads } = running()
      const named = await engine.paymentsUnder(id)
      if (named.length > 0) return detailsOf(named, id)
      const found = await reads.run(async () => await paymentByPrefix(engine.payments(), id))
      return detailsOf([found], undefined)
    }
  }
}

/** The first `most` of what is found, without a look at the rest. */
async function firstOf<T>(found: AsyncIterable<T>, most = Infinity): Promise<T[]> {
  const first: T[] = []
  if (most < 1) return first
  for await (const each of found) if (first.push(each) >= most) break
  return first
}

/** The payments of a log that fit all parts of a filter. */
async function* fitting(
  log: AsyncIterable<PaymentInfo>,
  {
    since = -Infinity,
    until = Infinity,
    direction,
    status,
    memo = ''
  }: Omit<PaymentFilter, 'channel' | 'peer' | 'limit'>
): AsyncGenerator<PaymentInfo> {
  const part = memo.toLowerCase()
  for await (const payment of log) {
    if (
      payment.time >= since &&
      payment.time < until &&
      (direction === undefined || payment.direction === direction) &&
      (status === undefined || payment.status === status) &&
      payment.memo.toLowerCase().includes(part)
    ) {
      yield payment
    }
  }
}

/** At least one part. A payment is what its least certain part is. */
function detailsOf(parts: readonly PaymentInfo[], name: string | undefined): PaymentDetails {
  const [first] = parts
  if (first === undefined) throw new TypeError('a payment has a part')
  const is = (status: PaymentInfo['status']): boolean =>
    parts.some((part) => part.status === status)
  const status = is('unknown') ? 'unknown' : is('failed') ? 'failed' : 'acknowledged'
  return { ...first, amount: sumShown(parts.map(({ amount }) => amount)), status, name, parts }
}

const PAYMENT_PREFIX = /^[0-9a-f]{8,32}$/

async function paymentByPrefix(
  log: AsyncIterable<PaymentInfo>,
  prefix: string
): Promise<PaymentInfo> {
  const found: PaymentInfo[] = []
  if (PAYMENT_PREFIX.test(prefix)) {
    for await (const payment of log) {
      if (payment.id.startsWith(prefix)) found.push(payment)
    }
  }
  // UPD-21: a peer that pays under the id of a payment to it does not hide that.
  const sent = found.filter(({ direction }) => direction === 'sent')
  const [only] = sent.length === 1 ? sent : found
  if (only === undefined) {
    throw new PaychanError(
      'ERR_NO_PAYMENT',
      `No payment was made with the name '${prefix}', and none has an id that begins with it (at least 8 digits); \`paychan payments --json\` has the ids.`,
      { asked: prefix }
    )
  }
  // Peers choose ids, and two may choose the same.
  if (found.length > 1 && sent.length !== 1) {
    throw new PaychanError(
      'ERR_AMBIGUOUS_PAYMENT',
      `${found.length} payments begin with ${prefix}; give more digits, or look for it with \`paychan payments --peer PEER\`.`,
      { asked: prefix, matches: found.length }
    )
  }
  return only
}

/** The call `pay`; `running` throws while the node is stopped. */
export function payCall(running: () => Running): NodeApi['pay'] {
  return (request) =>
    request.signal === undefined
      ? payWith(running, request)
      : unlessAborted(request.signal, async () => await payWith(running, request))
}

/** Tells the meter of an error; what is paid it hears from the events. */
export async function metered<T>(
  { meter }: Pick<Running, 'meter'>,
  amount: Satoshi,
  pay: () => Promise<T>
): Promise<T> {
  try {
    return await pay()
  } catch (error) {
    meter?.failed(amount, error)
    throw error
  }
}

/**
 * Pays on the channel that fits as it is, else by a plan. Of the first kind thousands may wait: the
 * promise of each is the one that its caller has.
 */
function payWith(
  running: () => Running,
  { to, amount: asked, id, memo = '' }: PayRequest
): Promise<PayResult> {
  try {
    const parts = running()
    const amount = amountOf(asked)
    const payee = peerText(to)
    const direct = id === undefined ? parts.engine.channelFor(payee, amount) : undefined
    return direct === undefined
      ? payPlanned(parts, { payee, amount, id, memo })
      : new Promise((resolve) => {
          parts.engine.payFor(
            new DirectPayer(parts, payee, amount, memo, resolve),
            direct,
            amount,
            memo
          )
        })
  } catch (error) {
    return Promise.reject(asError(error))
  }
}

/**
 * Who pays on one open channel, and tries others when that has no room any more. It keeps one of the
 * two functions of its promise: the other one is half as large as a payment that waits.
 */
class DirectPayer implements Payer {
  since = 0
  readonly #parts: Running
  readonly #payee: string
  readonly #amount: Satoshi
  readonly #memo: string
  readonly #settle: (result: PayResult | Promise<PayResult>) => void

  constructor(
    parts: Running,
    payee: string,
    amount: Satoshi,
    memo: string,
    settle: (result: PayResult | Promise<PayResult>) => void
  ) {
    this.#parts = parts
    this.#payee = payee
    this.#amount = amount
    this.#memo = memo
    this.#settle = settle
  }

  paid(payment: PaymentInfo): void {
    this.#settle(inOnePart(payment))
  }

  failed(error: Error): void {
    const [parts, to, amount, memo] = [this.#parts, this.#payee, this.#amount, this.#memo]
    if (mayFitElsewhere(parts, error)) {
      this.#settle(
        metered(parts, amount, () => payNamed(parts, { ...drawnName(), to, amount, memo }))
      )
      return
    }
    parts.meter?.failed(amount, error)
    this.#settle(Promise.reject(error))
  }
}

/** Refused, so not signed. Another caller was faster; a new plan may fit on other channels. */
function mayFitElsewhere({ engine }: Running, error: unknown): boolean {
  return codeOf(error) === 'ERR_INSUFFICIENT_BALANCE' && engine.states().length !== 1
}

function drawnName(): { readonly id: string; readonly isDrawn: true } {
  return { id: toHex(systemRandom.bytes(16)), isDrawn: true }
}

/** Pays when no open channel carries the payment as it is, or the payment has a name. */
async function payPlanned(
  parts: Running,
  {
    payee,
    amount,
    id,
    memo
  }: {
    readonly payee: string
    readonly amount: Satoshi
    readonly id: string | undefined
    readonly memo: string
  }
): Promise<PayResult> {
  return await metered(parts, amount, async () => {
    const { engine, peers } = parts
    const to = await payeeNamed(parts, payee)
    if (to === peers.self) {
      throw new PaychanError(
        'ERR_INVALID_PEER',
        'That is this node itself: it cannot pay itself.',
        {
          peer: to
        }
      )
    }
    if (id !== undefined) return await payNamed(parts, { id, to, amount, memo })
    const channel =
      engine.channelFor(to, amount) ?? soleChannel(planPayment(engine.payable(to), to, amount))
    try {
      if (channel !== undefined) return inOnePart(await engine.pay(channel, amount, memo))
    } catch (error) {
      if (!mayFitElsewhere(parts, error)) throw error
    }
    return await payNamed(parts, { ...drawnName(), to, amount, memo })
  })
}

/**
 * Pays under a name, on as many channels as it takes: what was paid under it before is not paid
 * again.
 */
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
    peer: payeeOf(engine.payable(to), to),
    plan: (rest) => planPayment(engine.payable(to), to, rest),
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
