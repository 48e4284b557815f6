/**
 * The accounts of a buyer with the servers that it pays by the unit: what each was paid, which
 * units are used, and the limits of both. What a server asks for, and how a unit is shown to it, is
 * the business of whoever has the headers.
 */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { isConfidential } from '../node/system.js'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import { formatAmount, satoshi, ZERO_SAT, type Satoshi } from '../types/units.js'
import { scopeOf } from './payment-auth.js'
import { Prepaid, Purse, type PurseOptions } from './purse.js'
import type { Offer } from './x402.js'

export type { Offer } from './x402.js'

export interface AccountsOptions extends PurseOptions {
  /** The most that one unit may cost. */
  readonly mostPerRequest: Satoshi
}

/** The payments to a server. */
export interface Account extends Offer {
  /** The name of the payee in sentences. */
  readonly seller: string
  readonly prepaid: Prepaid
  /** The number of the newest unit. */
  number: bigint
  /**
   * When a request is sent: alongside its payment, or after it, since the server does not wait;
   * `new` as long as none was sent alongside.
   */
  pace: 'new' | 'alongside' | 'after'
}

/** An account of an earlier process. */
export interface KeptAccount extends Offer {
  readonly seller: string
  readonly before: Pick<Prepaid, 'paid' | 'taken'>
  readonly number: bigint
}

/** A unit whose payment is under way. */
export interface UnitUnderWay {
  readonly number: bigint
  readonly isSoon: boolean
  readonly paid: Promise<void>
}

/** A session that ends so soon is used no more: the request takes time. */
const MARGIN_MS = 5_000

/** The account, as long as its session lives. */
export function lively<A extends Pick<Offer, 'challenge'>>(account: A | undefined): A | undefined {
  const { expires } = account?.challenge ?? {}
  const isOver = expires !== undefined && Date.parse(expires) < Date.now() + MARGIN_MS
  return isOver ? undefined : account
}

export class Accounts {
  /** By seller, price, payee and scope. */
  readonly #accounts = new Map<string, Account>()
  readonly #purse: Purse
  /** The network of the node, which never changes. */
  #network: Network | undefined
  spent: Satoshi = ZERO_SAT
  readonly #options: AccountsOptions

  constructor(options: AccountsOptions, kept: readonly KeptAccount[] = []) {
    this.#options = options
    this.#purse = new Purse(options)
    for (const { seller, before, number, ...offer } of kept) {
      const account = this.#account(seller, offer, before)
      account.number = number
      this.#accounts.set(keyOf(account), account)
    }
  }

  #account(seller: string, offer: Offer, before?: KeptAccount['before']): Account {
    const { challenge, terms } = offer
    const bill = {
      session: challenge.id,
      payee: terms.recipient,
      multiaddrs: terms.multiaddrs,
      name: seller,
      leastFirst: terms.minFirstPayment
    }
    return {
      seller,
      ...offer,
      prepaid: new Prepaid(this.#purse, bill, before),
      number: 0n,
      pace: 'new'
    }
  }

  get paid(): Satoshi {
    return this.#purse.paid
  }

  /** Those whose sessions live. */
  get lively(): Account[] {
    return [...this.#accounts.values()].filter((account) => lively(account) !== undefined)
  }

  /**
   * The account for an offer: one that was made before for the same seller, price and scope, else a
   * new one. Nothing is paid yet.
   *
   * @throws PaychanError `ERR_WRONG_NETWORK`, `ERR_PRICE_TOO_HIGH`
   */
  async accountFor(seller: string, offer: Offer): Promise<Account> {
    const account = await this.alone(seller, offer)
    const key = keyOf(account)
    const made = lively(this.#accounts.get(key))
    if (made !== undefined) return made
    this.#accounts.set(key, account)
    return account
  }

  /**
   * An account for one offer, with which no other one goes on. Nothing is paid yet.
   *
   * @throws PaychanError as `accountFor`
   */
  async alone(seller: string, offer: Offer): Promise<Account> {
    const { terms } = offer
    this.#network ??= (await this.#options.node.info()).network
    if (terms.network !== this.#network) {
      throw new PaychanError(
        'ERR_WRONG_NETWORK',
        `${seller} wants to be paid on ${terms.network}, and this node is on ${this.#network}.`,
        { asked: terms.network, network: this.#network }
      )
    }
    this.#checkPrice(seller, terms.price)
    return this.#account(seller, offer)
  }

  forget(account: Account): void {
    const key = keyOf(account)
    if (this.#accounts.get(key) === account) this.#accounts.delete(key)
  }

  /**
   * Pays for a unit, when the account has none left. Resolves with its number, which is its own.
   *
   * @throws PaychanError `ERR_PRICE_TOO_HIGH`, `ERR_BUDGET_USED_UP`, and what `node.pay` rejects
   *   with
   */
  async unit(account: Account): Promise<bigint> {
    const { number, paid } = this.begin(account)
    await paid
    return number
  }

  /**
   * As `unit`, and does not wait for the payment: `isSoon` says that it can be expected within a
   * moment.
   *
   * @throws PaychanError `ERR_PRICE_TOO_HIGH`; `paid` rejects with what `unit` does
   */
  begin(account: Account): UnitUnderWay {
    const { terms, seller, prepaid } = account
    this.#checkPrice(seller, terms.price)
    account.number += terms.price
    const { number } = account
    const isSoon = prepaid.isFlowing(terms.price)
    return { number, isSoon, paid: this.more(account) }
  }

  /** Pays for one unit more of what a request gets; it has no number. Rejects as `unit`. */
  async more(account: Account): Promise<void> {
    const { price } = account.terms
    this.spent = satoshi(this.spent + price)
    try {
      await account.prepaid.take(price)
    } catch (error) {
      this.spent = satoshi(this.spent - price)
      throw error
    }
  }

  /** Another process goes on with the same session: the next number is one that it has not used. */
  skip(account: Account): void {
    account.number += account.terms.price * BigInt(1 + Math.floor(Math.random() * 1_000))
  }

  /** The unit was delivered, though its payment failed. */
  owe(account: Account): void {
    const { price } = account.terms
    account.prepaid.owe(price)
    this.spent = satoshi(this.spent + price)
  }

  /** The unit was not taken: it is left for another request. */
  giveBack(account: Account): void {
    const { price } = account.terms
    account.prepaid.giveBack(price)
    this.spent = satoshi(this.spent - price)
  }

  #checkPrice(seller: string, price: Satoshi): void {
    const { mostPerRequest } = this.#options
    if (price <= mostPerRequest) return
    throw new PaychanError(
      'ERR_PRICE_TOO_HIGH',
      `${seller} asks for ${formatAmount(price)} a unit, and at most ${formatAmount(mostPerRequest)} are allowed: allow more (--most, mostPerRequest) if it is worth that.`,
      { price, most: mostPerRequest }
    )
  }
}

function keyOf({ seller, terms, challenge }: Offer & Pick<Account, 'seller'>): string {
  return `${seller} ${terms.price} ${terms.recipient} ${scopeOf(challenge) ?? ''}`
}

/** @throws PaychanError `ERR_INSECURE_PAYMENT` for a server that must not be paid (HTTP-2) */
export function checkConfidential(server: URL): void {
  if (isConfidential(server)) return
  const { origin } = server
  throw new PaychanError(
    'ERR_INSECURE_PAYMENT',
    `${origin} is not reached by TLS: whoever is on the way could use what is paid. ${adviceOf('ERR_INSECURE_PAYMENT')}`,
    { origin }
  )
}

export function notDelivered(seller: string, paid: bigint): PaychanError {
  return new PaychanError(
    'ERR_PAID_NOT_DELIVERED',
    `${seller} was paid ${formatAmount(satoshi(paid))}, and asks for more before it delivers. It is paid no more; ask its owner.`,
    { origin: seller, paid }
  )
}
