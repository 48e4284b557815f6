/**
 * What sellers did with what they were paid. One that takes and does not deliver is paid no more;
 * one that says it has lost a session, as after a restart, may lose a unit, and one more for each
 * hundred that it has delivered.
 */
import type { PaychanError } from '../types/errors.js'
import { notDelivered, type Account } from './accounts.js'

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
