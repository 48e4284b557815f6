/**
 * `fetch` that pays: a request that is answered with 402 and a challenge of the method paychan, or
 * with x402 and a requirement of the scheme paychan, is paid over a channel, within limits, and
 * asked again. Later requests to the same server are paid in advance, so they take one round trip.
 *
 * What is signed is spent, and a server may take a payment and deliver nothing. So nothing is paid
 * for a request twice, but where a server has lost the session of an earlier one, and a server that
 * does not deliver what was paid is paid no more by this `fetch`: it keeps one unit, or what the
 * first payment on a new channel has to be. See `deliveries.ts`.
 *
 * Redirections are not followed: whoever they lead to is not the one that may be paid.
 */
import { z } from 'zod'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import type { Satoshi } from '../types/units.js'
import { remember } from '../types/allowance.js'
import {
  Accounts,
  checkConfidential,
  lively,
  type Account,
  type AccountsOptions,
  type KeptAccount,
  type Offer
} from './accounts.js'
import {
  boughtAnswer,
  Deliveries,
  isCharged,
  isNumberUsed,
  RepeatableRequest,
  type ShownHeader
} from './purchases.js'
import {
  challengeShape,
  credentialHeader,
  readChallenges,
  readReceipt,
  type Challenge,
  type Receipt
} from './payment-auth.js'
import { termsOf } from './session-terms.js'
import {
  PAYMENT_IDENTIFIER,
  paymentHeader,
  readRequired,
  refusalIn,
  x402OfferShape,
  type X402Offer
} from './x402.js'

export interface PayingOptions extends AccountsOptions {
  /** Sessions that an earlier process has paid for. */
  readonly sessions?: readonly PaidSession[]
  /** Asks and answers; the global `fetch` when left out. */
  readonly fetch?: typeof fetch
}

/**
 * The payments to a server for a session, and the rest of them: to go on with it in another
 * process.
 */
export interface PaidSession {
  readonly origin: string
  readonly challenge: Challenge
  /** The same demand in x402, when the server is paid that way. */
  readonly x402?: X402Offer | undefined
  readonly paidSat: number
  readonly spentSat: number
  readonly number: number
}

const sats = z.number().int().nonnegative()
const paidSessionsShape = z.array(
  z.object({
    origin: z.string(),
    challenge: challengeShape,
    x402: x402OfferShape.optional(),
    paidSat: sats,
    spentSat: sats,
    number: sats
  })
)

/** Reads kept sessions. A text that is damaged has none: new ones are paid for then. */
export function readPaidSessions(text: string): PaidSession[] {
  try {
    return paidSessionsShape.parse(JSON.parse(text))
  } catch {
    return []
  }
}

export interface PayingFetch {
  (input: string | URL | Request, init?: RequestInit): Promise<Response>
  /**
   * Pays for one request, and leaves it to another client: resolves with the value of its
   * `Authorization` header, which is good for one. Rejects with `ERR_NOTHING_TO_PAY` as well.
   */
  readonly credential: (input: string | URL | Request, init?: RequestInit) => Promise<string>
  /** The sum paid so far, in satoshis. */
  readonly paid: Satoshi
  /**
   * The cost of the requests so far, in satoshis: less than was paid, as long as some of that is
   * left.
   */
  readonly spent: Satoshi
  /** The sessions that can be gone on with. */
  readonly sessions: readonly PaidSession[]
}

/** The receipt of an answer that was paid; undefined when there is none. */
export function receiptOf(answer: Response): Receipt | undefined {
  return readReceipt(answer.headers.get('payment-receipt'))
}

/**
 * Makes a `fetch` that pays. It rejects as `fetch` does, as `node.pay` and `node.channels.open` do,
 * and with these, before anything is paid: `ERR_PRICE_TOO_HIGH`, `ERR_BUDGET_USED_UP` (facts:
 * price, paid, budget), `ERR_NO_PAYMENT_METHOD`, `ERR_WRONG_NETWORK`, `ERR_INSECURE_PAYMENT`; and
 * with `ERR_PAID_NOT_DELIVERED` (facts: paid) when the server asks for more after it was paid, and
 * then for whatever it asks later. A redirection is handed on as it is.
 *
 * @example
 * const pay = payingFetch({ node, mostPerRequest: satoshi(5n), budget: satoshi(1_000n) })
 * console.log(await (await pay('https://api.example.com/weather')).json())
 */
export function payingFetch(options: PayingOptions): PayingFetch {
  const payer = new Payer(options)
  const call = async (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
    await payer.fetch(new RepeatableRequest(input, init))
  return Object.defineProperties(call, {
    paid: { get: () => payer.paid },
    spent: { get: () => payer.spent },
    sessions: { get: () => payer.sessions() },
    credential: {
      value: async (input: string | URL | Request, init?: RequestInit) =>
        await payer.credential(new RepeatableRequest(input, init))
    }
  }) as PayingFetch
}

class Payer {
  /** By what is asked for, without the query: the account that paid for it last. */
  readonly #byPlace = new Map<string, Account>()
  readonly #accounts: Accounts
  readonly #deliveries = new Deliveries()
  readonly #ask: typeof fetch

  constructor(options: PayingOptions) {
    this.#ask = options.fetch ?? fetch
    this.#accounts = new Accounts(options, (options.sessions ?? []).flatMap(accountOf))
  }

  get paid(): Satoshi {
    return this.#accounts.paid
  }

  get spent(): Satoshi {
    return this.#accounts.spent
  }

  sessions(): PaidSession[] {
    return this.#accounts.lively.map((account) => {
      const { seller: origin, challenge, x402, prepaid, number } = account
      const [paidSat, spentSat] = [Number(prepaid.paid), Number(prepaid.taken)]
      return { origin, challenge, x402, paidSat, spentSat, number: Number(number) }
    })
  }

  async fetch(request: RepeatableRequest): Promise<Response> {
    const { origin, pathname } = request.url
    const place = `${origin}${pathname}`
    let account = this.#deliveries.isRefused(origin) ? undefined : lively(this.#byPlace.get(place))
    let isNew = false
    let refusals = 0
    let answer =
      account === undefined ? await this.#unpaid(request) : await this.#paidFor(request, account)
    while (account === undefined ? answer.status === 402 : isRefused(answer)) {
      const asked = offerIn(answer)
      if (account !== undefined) {
        refusals++
        // A server that asks for more after it was paid takes, and does not deliver. An older
        // session may have been lost with a restart of the server, or be for another price: once
        // for a request.
        if (isNew || refusals > 1 || asked?.challenge.id === account.challenge.id) {
          this.#forget(account)
          throw this.#deliveries.undelivered(account)
        }
        this.#accounts.giveBack(account)
        if (asked === undefined || asked.terms.price === account.terms.price) {
          this.#forget(account)
          this.#deliveries.lost(account)
        }
      }
      if (asked === undefined) {
        // Some servers say why they do not take a payment, and not what they would take.
        if (account === undefined || !isRefusal(answer)) throw noMethod(origin)
        account = undefined
        answer = await this.#unpaid(request)
        continue
      }
      account = await this.#accountFor(request, asked)
      isNew = account.challenge.id === asked.challenge.id
      remember(this.#byPlace, place, account, MOST_PLACES)
      answer = await this.#paidFor(request, account)
    }
    return answer
  }

  #forget(account: Account): void {
    this.#accounts.forget(account)
    for (const [place, each] of this.#byPlace) if (each === account) this.#byPlace.delete(place)
  }

  /** The account for an offer of a server that may be paid. */
  async #accountFor({ url: server }: RepeatableRequest, offer: Offer): Promise<Account> {
    const { origin } = server
    this.#deliveries.check(origin)
    checkConfidential(server)
    return await this.#accounts.accountFor(origin, offer)
  }

  async credential(request: RepeatableRequest): Promise<string> {
    const { origin, href } = request.url
    const answer = await this.#unpaid(request)
    await answer.body?.cancel()
    if (answer.status !== 402) {
      throw new PaychanError(
        'ERR_NOTHING_TO_PAY',
        `${href} answers with ${answer.status}, and does not ask to be paid.`,
        { status: answer.status }
      )
    }
    const asked = offerIn(answer)
    if (asked?.x402 !== undefined || asked === undefined) throw noMethod(origin)
    const account = await this.#accountFor(request, asked)
    return showing(account, await this.#accounts.unit(account)).value
  }

  /**
   * Pays for a unit and asks with it: at the same time, where the payment can be expected to come
   * within the moment that the server waits for it (HTTP-6). With a server that does not wait so
   * long it goes one after the other from then on.
   */
  async #paidAlongside(
    account: Account,
    ask: (number: bigint) => Promise<Response>
  ): Promise<Response> {
    const { number, isSoon, paid } = this.#accounts.begin(account)
    const isAlongside = isSoon && account.pace !== 'after'
    if (isAlongside) account.pace = 'alongside'
    const { pace } = account
    // Where it is not awaited here, it is below, or by nobody where the connection breaks.
    paid.catch(() => {})
    if (!isAlongside) await paid
    const answer = await ask(number)
    if (!isRefused(answer)) {
      paid.catch(() => {
        this.#accounts.owe(account)
      })
      return answer
    }
    if (pace !== 'alongside') return answer
    // It came before its payment, or one that did has taken what was paid for it.
    account.pace = 'after'
    await answer.body?.cancel()
    await paid
    await account.prepaid.settled()
    return await ask(number)
  }

  /** Asks without a payment. */
  async #unpaid(request: RepeatableRequest): Promise<Response> {
    return await this.#ask(...request.once())
  }

  /** Asks with a unit that is paid. */
  async #paidFor(request: RepeatableRequest, account: Account): Promise<Response> {
    const show = async (number: bigint): Promise<Response> =>
      await this.#ask(...request.once(showing(account, number)))
    const ask = async (number: bigint): Promise<Response> => {
      try {
        return await show(number)
      } catch (error) {
        // A payment with an identifier may come again: it gets the answer that was lost (HTTP-11).
        if (!isIdentified(account) || request.isAborted) throw error
        return await show(number)
      }
    }
    let answer = await this.#paidAlongside(account, ask)
    for (let tries = 0; tries < MOST_NUMBERS && (await isNumberUsed(answer)); tries++) {
      this.#accounts.skip(account)
      answer = await show(account.number)
    }
    // The server charges nothing for what it could not deliver (HTTP-7).
    if (answer.status >= 500 && !isCharged(answer)) this.#accounts.giveBack(account)
    else if (!isRefused(answer)) this.#deliveries.delivered(account.seller)
    return boughtAnswer(answer, account, this.#accounts, () => {
      this.#forget(account)
      return this.#deliveries.undelivered(account)
    })
  }
}

/** Places whose prices are remembered; the one that was asked for longest ago goes first. */
const MOST_PLACES = 10_000

/** An account that an earlier process has made; none when its terms cannot be read. */
function accountOf(session: PaidSession): KeptAccount[] {
  const { origin, challenge, x402, paidSat, spentSat, number } = session
  const terms = termsOf(challenge)
  if (terms === undefined) return []
  const before = { paid: BigInt(paidSat), taken: BigInt(spentSat) }
  return [{ seller: origin, challenge, terms, x402, before, number: BigInt(number) }]
}

/** The demand of a server that can be paid: by the "Payment" scheme, else by x402. */
function offerIn({ headers }: Response): Offer | undefined {
  for (const challenge of readChallenges(headers.get('www-authenticate') ?? '')) {
    const terms = termsOf(challenge)
    if (terms !== undefined) return { challenge, terms }
  }
  return readRequired(headers.get('payment-required'))[0]
}

/** The header that shows a unit to the server. */
function showing({ challenge, x402 }: Account, number: bigint): ShownHeader {
  if (x402 !== undefined) {
    return { name: 'payment-signature', value: paymentHeader(x402, challenge, number) }
  }
  const payload = { action: 'voucher', cumulativeAmount: number.toString() }
  return { name: 'authorization', value: credentialHeader({ challenge, payload }) }
}

function isIdentified({ x402 }: Account): boolean {
  return x402?.extensions?.[PAYMENT_IDENTIFIER] !== undefined
}

/** True for the answer to a request that was paid, and is not taken to be. */
function isRefused({ status }: Response): boolean {
  return status === 402 || status === 401
}

/** True when an answer says that a payment was not taken. */
function isRefusal(answer: Response): boolean {
  return refusalIn(answer.headers.get('payment-response')) !== undefined
}

/** Numbers that are tried for one unit. */
const MOST_NUMBERS = 3

function noMethod(origin: string): PaychanError {
  return new PaychanError(
    'ERR_NO_PAYMENT_METHOD',
    `${origin} wants to be paid, and not by the method paychan. ${adviceOf('ERR_NO_PAYMENT_METHOD')}`,
    { origin }
  )
}
