/**
 * `fetch` that pays: a request that is answered with 402 and a challenge of the method paychan is
 * paid over a channel, within limits, and asked again. Later requests to the same server are paid in
 * advance, so they take one round trip.
 *
 * What is signed is spent, and a server may take a payment and deliver nothing. So nothing is paid
 * for a request twice, and a server that does not deliver what was paid is paid no more by this
 * `fetch`: it keeps one unit, or what the first payment on a new channel has to be.
 */
import { z } from 'zod'
import { isConfidential } from '../node/system.js'
import { PaychanError } from '../types/errors.js'
import { formatAmount, satoshi, ZERO_SAT, type Satoshi } from '../types/units.js'
import {
  challengeShape,
  credentialHeader,
  readChallenges,
  readReceipt,
  type Challenge,
  type Receipt
} from './payment-auth.js'
import { Prepaid, Purse, type PurseOptions } from './purse.js'
import { termsOf, type SessionTerms } from './session-terms.js'

export interface PayingOptions extends PurseOptions {
  /** The most that one request may cost. */
  readonly mostPerRequest: Satoshi
  /** Sessions that an earlier process has paid for. */
  readonly sessions?: readonly PaidSession[]
  /** Asks and answers; the global `fetch` when left out. */
  readonly fetch?: typeof fetch
}

/** What a server was paid for a session, and is left of it: to go on with it in another process. */
export interface PaidSession {
  readonly origin: string
  readonly challenge: Challenge
  readonly paidSat: number
  readonly spentSat: number
  readonly number: number
}

const sats = z.number().int().nonnegative()
const paidSessionsShape = z.array(
  z.object({
    origin: z.string(),
    challenge: challengeShape,
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

/** What a server was paid. */
interface Account {
  readonly origin: string
  readonly challenge: Challenge
  readonly terms: SessionTerms
  readonly prepaid: Prepaid
  /** The number of the newest unit. */
  number: bigint
}

export interface PayingFetch {
  (input: string | URL | Request, init?: RequestInit): Promise<Response>
  /**
   * Pays for one request, and leaves it to another client: resolves with the value of its
   * `Authorization` header, which is good for one. Rejects with `ERR_NOTHING_TO_PAY` as well.
   */
  readonly credential: (input: string | URL | Request, init?: RequestInit) => Promise<string>
  /** What has been paid so far. */
  readonly paid: Satoshi
  /** What the requests so far have cost: less than was paid, as long as some of that is left. */
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
 * and with these, before anything is paid: `ERR_PRICE_TOO_HIGH`, `ERR_BUDGET_USED_UP` (facts: price,
 * paid, budget), `ERR_NO_PAYMENT_METHOD`, `ERR_WRONG_NETWORK`, `ERR_INSECURE_PAYMENT`; and with
 * `ERR_PAID_NOT_DELIVERED` (facts: paid) when the server asks for more after it was paid.
 *
 * @example
 * const pay = payingFetch({ node, mostPerRequest: satoshi(5n), budget: satoshi(1_000n) })
 * console.log(await (await pay('https://api.example.com/weather')).json())
 */
export function payingFetch(options: PayingOptions): PayingFetch {
  const payer = new Payer(options)
  const call = async (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
    await payer.fetch(new Request(input, init))
  return Object.defineProperties(call, {
    paid: { get: () => payer.paid },
    spent: { get: () => payer.spent },
    sessions: { get: () => payer.sessions() },
    credential: {
      value: async (input: string | URL | Request, init?: RequestInit) =>
        await payer.credential(new Request(input, init))
    }
  }) as PayingFetch
}

class Payer {
  /** By what is asked for, without the query: the account that paid for it last. */
  readonly #byPlace = new Map<string, Account>()
  /** By server and price. */
  readonly #accounts = new Map<string, Account>()
  readonly #purse: Purse
  readonly #ask: typeof fetch
  /** The network of the node, which never changes. */
  #network: string | undefined
  spent: Satoshi = ZERO_SAT

  constructor(private readonly options: PayingOptions) {
    this.#ask = options.fetch ?? fetch
    this.#purse = new Purse(options)
    for (const { origin, challenge, paidSat, spentSat, number } of options.sessions ?? []) {
      const terms = termsOf(challenge)
      if (terms === undefined) continue
      const before = { paid: BigInt(paidSat), taken: BigInt(spentSat) }
      const account = this.#account({ origin, challenge, terms }, before)
      account.number = BigInt(number)
      this.#accounts.set(keyOf(account), account)
    }
  }

  get paid(): Satoshi {
    return this.#purse.paid
  }

  #account(
    asked: Pick<Account, 'origin' | 'challenge' | 'terms'>,
    before?: Pick<Prepaid, 'paid' | 'taken'>
  ): Account {
    const { origin, challenge, terms } = asked
    const bill = {
      session: challenge.id,
      payee: terms.recipient,
      multiaddrs: terms.multiaddrs,
      name: origin
    }
    return { ...asked, prepaid: new Prepaid(this.#purse, bill, before), number: 0n }
  }

  sessions(): PaidSession[] {
    return [...this.#accounts.values()].flatMap((account) => {
      const { origin, challenge, prepaid, number } = account
      if (this.#lively(account) === undefined) return []
      const [paidSat, spentSat] = [Number(prepaid.paid), Number(prepaid.taken)]
      return [{ origin, challenge, paidSat, spentSat, number: Number(number) }]
    })
  }

  async fetch(request: Request): Promise<Response> {
    const { origin, pathname } = new URL(request.url)
    const place = `${origin}${pathname}`
    let account = this.#lively(this.#byPlace.get(place))
    let isNew = false
    // A body is read once; each try has its own copy.
    let answer =
      account === undefined
        ? await this.#ask(request.clone())
        : await this.#paidFor(request.clone(), account)
    while (answer.status === 402 || (answer.status === 401 && account !== undefined)) {
      const asked = this.#asked(answer, origin)
      if (account !== undefined) {
        // A server that asks for more after it was paid takes, and does not deliver. An older session
        // may have been lost with a restart of the server.
        if (isNew || asked.challenge.id === account.challenge.id) {
          this.#forget(account)
          throw notDelivered(origin, account.prepaid.paid)
        }
        this.#giveBack(account)
        if (asked.terms.price === account.terms.price) this.#forget(account)
      }
      const made = await this.#accountFor(request, asked)
      isNew = made.challenge.id === asked.challenge.id
      account = made
      this.#remember(place, account)
      answer = await this.#paidFor(request.clone(), account)
    }
    return answer
  }

  /** The account, as long as its session lives. */
  #lively(account: Account | undefined): Account | undefined {
    const { expires } = account?.challenge ?? {}
    const isOver = expires !== undefined && Date.parse(expires) < Date.now() + MARGIN_MS
    return isOver ? undefined : account
  }

  #remember(place: string, account: Account): void {
    this.#byPlace.delete(place)
    this.#byPlace.set(place, account)
    const [oldest] = this.#byPlace.keys()
    if (this.#byPlace.size > MOST_PLACES && oldest !== undefined) this.#byPlace.delete(oldest)
  }

  #forget(account: Account): void {
    for (const accounts of [this.#byPlace, this.#accounts]) {
      for (const [key, each] of accounts) if (each === account) accounts.delete(key)
    }
  }

  /**
   * The account for a price: one that another request has made meanwhile, or that other places of
   * the server are paid by; else a new one, for a server that may be paid. Nothing is paid yet.
   */
  async #accountFor(
    { url }: Request,
    { challenge, terms }: Pick<Account, 'challenge' | 'terms'>
  ): Promise<Account> {
    const server = new URL(url)
    const { origin } = server
    if (!isConfidential(server)) {
      throw new PaychanError(
        'ERR_INSECURE_PAYMENT',
        `${origin} is not reached by TLS: whoever is on the way could use what is paid. Use https.`,
        { origin }
      )
    }
    this.#network ??= (await this.options.node.info()).network
    if (terms.network !== this.#network) {
      throw new PaychanError(
        'ERR_WRONG_NETWORK',
        `${origin} wants to be paid on ${terms.network}, and this node is on ${this.#network}.`,
        { asked: terms.network, network: this.#network }
      )
    }
    this.#checkPrice(origin, terms.price)
    const account = this.#account({ origin, challenge, terms })
    const key = keyOf(account)
    const made = this.#lively(this.#accounts.get(key))
    if (made !== undefined) return made
    this.#accounts.set(key, account)
    return account
  }

  #checkPrice(origin: string, price: Satoshi): void {
    const { mostPerRequest } = this.options
    if (price <= mostPerRequest) return
    throw new PaychanError(
      'ERR_PRICE_TOO_HIGH',
      `${origin} asks for ${formatAmount(price)} a unit, and at most ${formatAmount(mostPerRequest)} are allowed: allow more (--most, mostPerRequest) if it is worth that.`,
      { price, most: mostPerRequest }
    )
  }

  async credential(request: Request): Promise<string> {
    const { origin } = new URL(request.url)
    const answer = await this.#ask(request)
    await answer.body?.cancel()
    if (answer.status !== 402) {
      throw new PaychanError(
        'ERR_NOTHING_TO_PAY',
        `${request.url} answers with ${answer.status}, and does not ask to be paid.`,
        { status: answer.status }
      )
    }
    const asked = this.#asked(answer, origin)
    return await this.#unit(origin, await this.#accountFor(request, asked))
  }

  /** @throws PaychanError `ERR_NO_PAYMENT_METHOD` */
  #asked(answer: Response, origin: string): Pick<Account, 'challenge' | 'terms'> {
    for (const challenge of readChallenges(answer.headers.get('www-authenticate') ?? '')) {
      const terms = termsOf(challenge)
      if (terms !== undefined) return { challenge, terms }
    }
    throw new PaychanError(
      'ERR_NO_PAYMENT_METHOD',
      `${origin} wants to be paid, and not by the method paychan. Pay it by another client.`,
      { origin }
    )
  }

  /** Asks with a unit that is paid. */
  async #paidFor(request: Request, account: Account): Promise<Response> {
    const headers = new Headers(request.headers)
    // A server that sends the request elsewhere must not hand the payment on.
    const ask = async (credential: string): Promise<Response> => {
      headers.set('authorization', credential)
      return await this.#ask(new Request(request.clone(), { headers, redirect: 'manual' }))
    }
    let answer = await ask(await this.#unit(new URL(request.url).origin, account))
    // Another process may go on with the same session, and have used the number.
    for (let tries = 0; tries < MOST_NUMBERS && (await isNumberUsed(answer)); tries++) {
      account.number += account.terms.price * BigInt(1 + Math.floor(Math.random() * 1_000))
      answer = await ask(credentialOf(account))
    }
    // The server charges nothing for what it could not deliver.
    if (answer.status >= 500) this.#giveBack(account)
    return answer
  }

  /** Pays for a unit, when the account has none left; its number is its own. */
  async #unit(origin: string, account: Account): Promise<string> {
    const { terms } = account
    this.#checkPrice(origin, terms.price)
    account.number += terms.price
    const credential = credentialOf(account)
    await account.prepaid.take(terms.price)
    this.spent = satoshi(this.spent + terms.price)
    return credential
  }

  /** The unit was not taken: it is left for another request. */
  #giveBack(account: Account): void {
    const { price } = account.terms
    account.prepaid.giveBack(price)
    this.spent = satoshi(this.spent - price)
  }
}

/** A session that ends so soon is used no more: the request takes time. */
const MARGIN_MS = 5_000
/** Places whose prices are remembered; the one that was asked for longest ago goes first. */
const MOST_PLACES = 10_000

/** The credential for the newest unit. */
function credentialOf({ challenge, number }: Account): string {
  const payload = { action: 'voucher', cumulativeAmount: number.toString() }
  return credentialHeader({ challenge, payload })
}

const problemShape = z.object({ type: z.string() })

/** True when the number of a unit was spent already. */
async function isNumberUsed(answer: Response): Promise<boolean> {
  if (answer.status !== 402) return false
  const problem = problemShape.safeParse(
    await answer
      .clone()
      .json()
      .catch(() => undefined)
  )
  return problem.success && problem.data.type.endsWith('session/delta-too-small')
}

/** Numbers that are tried for one unit. */
const MOST_NUMBERS = 3

function keyOf({ origin, terms }: Pick<Account, 'origin' | 'terms'>): string {
  return `${origin} ${terms.price} ${terms.recipient}`
}

function notDelivered(origin: string, paid: bigint): PaychanError {
  return new PaychanError(
    'ERR_PAID_NOT_DELIVERED',
    `${origin} was paid ${formatAmount(satoshi(paid))}, and asks for more before it delivers. It is paid no more; ask its owner.`,
    { origin, paid }
  )
}
