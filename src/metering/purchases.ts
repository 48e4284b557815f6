/**
 * Units for a client of another library: that one makes the requests, and tells what became of each
 * unit that it has shown. A server that does not take what it was paid for its own offer is paid no
 * more. And requests and answers as a buyer sees them: repeated until paid, charged or not.
 */
import { z } from 'zod'
import { remember } from '../types/allowance.js'
import type { PaychanError } from '../types/errors.js'
import {
  type Account,
  Accounts,
  type AccountsOptions,
  notDelivered,
  type Offer
} from './accounts.js'
import { boughtEvents, isEventStream } from './event-stream.js'
import { readChallenges } from './payment-auth.js'
import { NUMBER_USED } from './session-terms.js'
import { isUnitUsed, readRequired, refusalIn } from './x402.js'

/*
 * What sellers did with what they were paid. One that takes and does not deliver is paid no more;
 * one that says it has lost a session, as after a restart, may lose a unit, and one more for each
 * hundred that it has delivered.
 */

interface Dealings {
  delivered: number
  lost: number
  /** The payments to it in the sessions that it lost, or did not deliver for. */
  paid: bigint
  isRefused: boolean
}

/** Units that a seller delivers for each further one that it may lose. */
const DELIVERED_PER_LOSS = 100

export class Deliveries {
  /** Each has cost at least a unit, so the budget bounds them. */
  readonly #sellers = new Map<string, Dealings>()
  readonly #lost = new WeakSet<Account>()

  delivered(seller: string): void {
    this.#of(seller).delivered++
  }

  /** True for a seller that is paid no more. */
  isRefused(seller: string): boolean {
    return this.#sellers.get(seller)?.isRefused === true
  }

  /**
   * @throws PaychanError `ERR_PAID_NOT_DELIVERED` (facts: paid) for a seller that is paid no more
   */
  check(seller: string): void {
    const { isRefused = false, paid = 0n } = this.#sellers.get(seller) ?? {}
    if (isRefused) throw notDelivered(seller, paid)
  }

  /** Notes that the account with a seller is lost, with a unit that was paid and not used. */
  lost(account: Account): void {
    this.#count(account, 1)
  }

  /**
   * As `lost`, and it asks for more: the request fails. One that has delivered little is paid no
   * more.
   */
  undelivered(account: Account): PaychanError {
    this.#count(account, 0)
    return notDelivered(account.seller, account.prepaid.paid)
  }

  /** One that many requests find to be lost is lost once. */
  #count(account: Account, most: number): void {
    if (this.#lost.has(account)) return
    this.#lost.add(account)
    const record = this.#of(account.seller)
    record.lost++
    record.paid += account.prepaid.paid
    if (record.lost > most + Math.floor(record.delivered / DELIVERED_PER_LOSS)) {
      record.isRefused = true
    }
  }

  #of(seller: string): Dealings {
    const none = { delivered: 0, lost: 0, paid: 0n, isRefused: false }
    const record = this.#sellers.get(seller) ?? none
    this.#sellers.set(seller, record)
    return record
  }
}

/** A unit that is paid. */
export interface Bought {
  readonly account: Account
  readonly number: bigint
}

export class Purchases {
  readonly accounts: Accounts
  readonly #deliveries = new Deliveries()

  constructor(options: AccountsOptions) {
    this.accounts = new Accounts(options)
  }

  /**
   * Pays for a unit, when none is left of what was paid before. `seller` is by what it is known
   * again.
   *
   * @throws PaychanError `ERR_PAID_NOT_DELIVERED`, and as `Accounts.accountFor` and `Accounts.unit`
   */
  async buy(
    seller: string,
    offer: Offer,
    accountFor = async (): Promise<Account> => await this.accounts.accountFor(seller, offer)
  ): Promise<Bought> {
    this.#deliveries.check(seller)
    const account = await accountFor()
    return { account, number: await this.accounts.unit(account) }
  }

  /** The unit was delivered. */
  delivered(account: Account): void {
    this.#deliveries.delivered(account.seller)
  }

  /** It could not be, and costs nothing (HTTP-7). */
  giveBack(account: Account): void {
    this.accounts.giveBack(account)
  }

  /**
   * It was refused, for the reason that the type of a problem gives. Undefined when another unit
   * may be tried for the same request; else the error that the request ends with.
   *
   * @param isLast - true when it was paid for the offer that its own request had got, or behind
   *   another
   */
  refused(account: Account, reason: string | undefined, isLast: boolean): PaychanError | undefined {
    this.accounts.giveBack(account)
    if (reason === NUMBER_USED) {
      this.accounts.skip(account)
      return undefined
    }
    if (isLast) return this.undelivered(account)
    // An older session may have been lost with a restart of the server.
    this.accounts.forget(account)
    this.#deliveries.lost(account)
    return undefined
  }

  /** One that asks for more than it was paid, as it delivers: the reading fails. */
  undelivered(account: Account): PaychanError {
    this.accounts.forget(account)
    return this.#deliveries.undelivered(account)
  }
}

/*
 * Which server has made an offer, as the `fetch` below a client of another library sees it: what a
 * server says of itself may be the word of another one. So it is that `fetch` that decides in whose
 * sessions an offer may be paid.
 */

/** Offers, and units, that are remembered until something comes of them; the oldest goes first. */
export const MOST_OPEN = 10_000

export interface SeenOffer {
  /** What was asked for, where the payment is going to be shown. */
  readonly server: URL
  /** True when it answers a payment: the request is paid once more, and no further (HTTP-6). */
  readonly isFurther: boolean
}

export class SeenOffers {
  /** By the id of the challenge. */
  readonly #offers = new Map<string, SeenOffer>()

  /** The offer with a challenge; undefined when the fetch did not see it. */
  of(challenge: string): SeenOffer | undefined {
    return this.#offers.get(challenge)
  }

  /** Notes what an answer offers, by whichever header; the ids of its challenges. */
  note({ headers }: Response, request: Request, isFurther = false): string[] {
    // Not where a redirection led to: the payment is shown to whoever was asked (HTTP-2).
    const server = new URL(request.url)
    const ids = [
      ...readChallenges(headers.get('www-authenticate') ?? ''),
      ...readRequired(headers.get('payment-required')).map(({ challenge }) => challenge)
    ].map(({ id }) => id)
    for (const id of ids) remember(this.#offers, id, { server, isFurther }, MOST_OPEN)
    return ids
  }
}

/*
 * What an answer says of the unit that its request was paid with, and how its events are bought.
 */

/** True when an answer says that it cost its unit, whatever its status. */
export function isCharged({ headers }: Response): boolean {
  return headers.has('payment-receipt') || isUnitUsed(headers.get('payment-response'))
}

const problemShape = z.object({ type: z.string() })

/** True when the number of a unit was spent already. */
export async function isNumberUsed(answer: Response): Promise<boolean> {
  if (answer.status !== 402) return false
  const refusal = refusalIn(answer.headers.get('payment-response'))
  if (refusal !== undefined) return refusal === NUMBER_USED
  const problem = problemShape.safeParse(
    await answer
      .clone()
      .json()
      .catch(() => undefined)
  )
  return problem.success && problem.data.type.endsWith(NUMBER_USED)
}

/** The answer, whose events are paid as they are read, where they are sold (HTTP-14). */
export function boughtAnswer(
  answer: Response,
  account: Account,
  accounts: Accounts,
  undelivered: () => PaychanError
): Response {
  const { terms, prepaid } = account
  const { streamed: unit } = terms
  if (unit === undefined || answer.body === null) return answer
  if (!answer.ok || !isEventStream(answer)) return answer
  const events = boughtEvents(answer.body as ReadableStream<Uint8Array>, {
    unit,
    pay: async () => {
      await accounts.more(account)
    },
    giveBack: () => {
      accounts.giveBack(account)
    },
    check: (required) => {
      if (required > prepaid.paid) throw undelivered()
    }
  })
  const { status, statusText, headers } = answer
  return new Response(events, { status, statusText, headers })
}

/*
 * A request that is sent as often as it takes to have it paid. One that can be made anew from what
 * it was given as is not copied: a copy of a `Request` costs more than all that is paid for it.
 */

/** A header that shows a payment. */
export interface ShownHeader {
  readonly name: string
  readonly value: string
}

export class RepeatableRequest {
  readonly url: URL
  /** Its copies are sent; undefined where it is made anew each time. */
  readonly #source: Request | undefined
  readonly #init: RequestInit

  /** @throws TypeError as `fetch` rejects, before anything is paid */
  constructor(input: string | URL | Request, init: RequestInit = {}) {
    this.url = new URL(input instanceof Request ? input.url : input)
    const { username, password } = this.url
    const isBare = Object.keys(init).length === 0 && username === '' && password === ''
    const isNew = !(input instanceof Request) && isRepeatable(init.body)
    // What has more to it than a URL could be refused.
    const request = isNew && isBare ? undefined : new Request(input, init)
    this.#source = isNew ? undefined : request
    this.#init = init
  }

  get isAborted(): boolean {
    return (this.#source?.signal ?? this.#init.signal)?.aborted === true
  }

  /**
   * What `fetch` gets to send it once. It follows no redirection: what it leads to would be paid in
   * the name of the one that was asked, and a server that sends it elsewhere would hand a payment
   * on.
   */
  once(shown?: ShownHeader): Parameters<typeof fetch> {
    const [source, init] = [this.#source, this.#init]
    const asked = (source ?? init).redirect
    const redirect = shown === undefined && asked === 'error' ? 'error' : 'manual'
    if (shown === undefined && source !== undefined) {
      return [new Request(source.clone(), { redirect })]
    }
    const headers = new Headers(source?.headers ?? init.headers)
    if (shown !== undefined) headers.set(shown.name, shown.value)
    return source === undefined
      ? [this.url.href, { ...init, headers, redirect }]
      : [new Request(source.clone(), { headers, redirect })]
  }
}

/** True for a body that can be sent again as it is. */
function isRepeatable(body: RequestInit['body']): boolean {
  return body === undefined || body === null || typeof body === 'string'
}
