/**
 * Units for a client of another library: that one makes the requests, and tells what became of each
 * unit that it has shown. A server that does not take what it was paid for its own offer is paid no
 * more.
 */
import type { PaychanError } from '../types/errors.js'
import { Accounts, type Account, type AccountsOptions, type Offer } from './accounts.js'
import { Deliveries } from './deliveries.js'
import { NUMBER_USED } from './session-terms.js'

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
