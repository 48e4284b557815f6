/**
 * What may be paid, and what has been: every payment for what is metered goes through a purse,
 * which counts it before it is made.
 */
import type { NodeApi } from '../node/api.js'
import { isEarlyRefusal } from '../types/refusals.js'
import { codeOf, factsOf, PaychanError } from '../types/errors.js'
import { formatAmount, satoshi, ZERO_SAT, type Satoshi } from '../types/units.js'
import { memoOf } from './session-terms.js'

/** A part of a node; the whole of it fits, also one in another process. */
export type PayerNode = Pick<NodeApi, 'info' | 'pay'> & {
  readonly channels: Pick<NodeApi['channels'], 'open'>
}

export interface PurseOptions {
  /** The node that pays. */
  readonly node: PayerNode
  /** The most that may be paid in all. */
  readonly budget: Satoshi
  /**
   * Opens a channel where there is none to pay on, `most` (1) in all; without it that is an error.
   * Its funding transaction costs `mostFee` satoshis at the most, a twentieth of the amount when
   * left out.
   */
  readonly open?: {
    readonly amount: Satoshi
    readonly blocks?: number
    readonly most?: number
    readonly mostFee?: Satoshi
  }
  /**
   * The most that the first payment on a channel may be because its payee asks for it (UPD-10);
   * when left out, four times what the node itself would ask for (`NodeInfo.leastFirstPayment`).
   */
  readonly mostFirstPayment?: Satoshi
}

/** The payee, and the purpose of the payment. */
export interface Bill {
  readonly session: string
  /** PeerId. */
  readonly payee: string
  /** Its addresses; one that does not end with its PeerId is not dialled. */
  readonly multiaddrs: readonly string[]
  /** Its name in sentences. */
  readonly name: string
  /** The least amount of the first payment on a new channel to it, as it says. */
  readonly leastFirst?: Satoshi
}

/**
 * HTTP-17: the least first payment is the word of the payee, who may deliver nothing for it. An
 * honest one reckons with the same fees as our node does, if with other servers.
 */
const FIRST_PAYMENTS = 4n

/** HTTP-18: the part of a channel's amount that opening it by itself may cost. */
const MOST_OF_AMOUNT = 20n

/** Reasons why there is no channel to pay on. */
const NO_CHANNEL: ReadonlySet<string> = new Set(['ERR_NO_CHANNEL', 'ERR_INVALID_PEER'])

export class Purse {
  readonly #opening = new Map<string, Promise<unknown>>()
  #opened = 0
  paid: Satoshi = ZERO_SAT
  readonly #options: PurseOptions

  constructor(options: PurseOptions) {
    this.#options = options
  }

  /** The sum that may still be paid. */
  get left(): bigint {
    return this.#options.budget - this.paid
  }

  /**
   * Pays, or what the first payment on a channel has to be at least. `count` is told of each
   * change: before a payment is made, and when it could not be.
   *
   * @throws PaychanError `ERR_BUDGET_USED_UP`, `ERR_FIRST_PAYMENT_TOO_HIGH`, and whatever
   *   `node.pay` and `node.channels.open` do
   */
  async pay(
    bill: Bill,
    amount: Satoshi,
    count: (change: bigint) => void,
    isOpened = false
  ): Promise<void> {
    try {
      await this.#send(bill, amount, count)
    } catch (error) {
      const code = codeOf(error)
      const least = leastOf(error)
      if (code === 'ERR_BELOW_MIN_FIRST_PAYMENT' && least !== undefined) {
        await this.#checkFirst(bill, least)
        await this.#send(bill, least, count)
        return
      }
      const address = bill.multiaddrs.find((each) => each.endsWith(`/p2p/${bill.payee}`))
      const { open } = this.#options
      if (!NO_CHANNEL.has(code) || address === undefined || isOpened) throw error
      if (open === undefined) {
        throw new PaychanError(
          'ERR_NO_CHANNEL',
          `There is no channel to pay ${bill.name} on. Let one be opened: --open 100000, or the option open.`,
          { payee: bill.payee },
          { cause: error }
        )
      }
      // A channel that could not be paid on within the budget would cost its fees.
      const { leastFirst = ZERO_SAT } = bill
      this.#checkBudget(bill, leastFirst > amount ? leastFirst : amount)
      if (leastFirst > amount) await this.#checkFirst(bill, leastFirst)
      await this.#open(bill, address, open, error)
      await this.pay(bill, amount, count, true)
    }
  }

  async #send(bill: Bill, amount: Satoshi, count: (change: bigint) => void): Promise<void> {
    const { node } = this.#options
    this.#checkBudget(bill, amount)
    this.paid = satoshi(this.paid + amount)
    count(amount)
    try {
      await node.pay({ to: bill.payee, amount, memo: memoOf(bill.session) })
    } catch (error) {
      // What may have been signed counts as paid, all of it: a payee that takes a part, and breaks
      // off, holds that part.
      if (isEarlyRefusal(codeOf(error))) {
        this.paid = satoshi(this.paid - amount)
        count(0n - amount)
      }
      throw error
    }
  }

  /** @throws PaychanError `ERR_BUDGET_USED_UP` (facts: price, paid, budget) */
  #checkBudget({ name }: Bill, amount: Satoshi): void {
    const { budget } = this.#options
    if (this.paid + amount <= budget) return
    throw new PaychanError(
      'ERR_BUDGET_USED_UP',
      `${formatAmount(this.paid)} of a budget of ${formatAmount(budget)} are paid, and ${name} asks for ${formatAmount(amount)}.`,
      { price: amount, paid: this.paid, budget }
    )
  }

  /** @throws PaychanError `ERR_FIRST_PAYMENT_TOO_HIGH` (facts: least, most) */
  async #checkFirst({ name }: Bill, least: Satoshi): Promise<void> {
    const { mostFirstPayment, node } = this.#options
    const most = mostFirstPayment ?? satoshi(FIRST_PAYMENTS * (await node.info()).leastFirstPayment)
    if (least <= most) return
    throw new PaychanError(
      'ERR_FIRST_PAYMENT_TOO_HIGH',
      `${name} wants the first payment on a channel to be ${formatAmount(least)}, and at most ${formatAmount(most)} are allowed: what is paid ahead is lost where it delivers nothing. Allow more (--most-first, mostFirstPayment) if you trust it with that.`,
      { least, most }
    )
  }

  /** One channel for all that wait for it. */
  async #open(
    { payee, name }: Bill,
    address: string,
    { most = 1, ...terms }: NonNullable<PurseOptions['open']>,
    error: unknown
  ): Promise<void> {
    const { mostFee = satoshi(terms.amount / MOST_OF_AMOUNT) } = terms
    const underWay = this.#opening.get(payee)
    if (underWay === undefined && this.#opened >= most) throw error
    if (underWay === undefined) this.#opened++
    const opening =
      underWay ??
      this.#options.node.channels
        .open({ peer: address, ...terms, mostFee })
        .catch((reason: unknown) => {
          if (codeOf(reason) !== 'ERR_FEE_TOO_HIGH') throw reason
          this.#opened--
          throw tooDear(name, mostFee, terms.amount, reason)
        })
        .finally(() => {
          this.#opening.delete(payee)
        })
    this.#opening.set(payee, opening)
    await opening
  }
}

/** HTTP-18: blocks are dear, and nobody has asked for this channel. */
function tooDear(name: string, mostFee: Satoshi, amount: Satoshi, cause: unknown): PaychanError {
  const { fee } = factsOf(cause)
  return new PaychanError(
    'ERR_FEE_TOO_HIGH',
    `No channel is opened to pay ${name} on: its funding transaction would cost ${typeof fee === 'bigint' ? `${formatAmount(fee)}, ` : ''}more than the ${formatAmount(mostFee)} that are paid for a channel of ${formatAmount(amount)} which opens by itself. Wait for lower fees, allow more (--most-open-fee, open.mostFee), or open it yourself.`,
    { fee, amount: mostFee },
    { cause }
  )
}

/**
 * What is paid for a session, and taken of it. One payment is made at a time: those who come
 * meanwhile are paid for together by the next one. Where the budget is not enough for all who wait,
 * it goes to the first of them that it is enough for.
 */
export class Prepaid {
  /** Paid, or about to be. */
  #paid: bigint
  #taken: bigint
  /** Of what is taken, what waits for its payment. */
  #waiting = 0n
  #last: Promise<void> = Promise.resolve()
  /** The newest payment went through. */
  #isFlowing = false
  readonly #purse: Purse
  readonly #bill: Bill

  /** @param before - what was paid and taken earlier */
  constructor(
    purse: Purse,
    bill: Bill,
    before: Pick<Prepaid, 'paid' | 'taken'> = { paid: 0n, taken: 0n }
  ) {
    this.#purse = purse
    this.#bill = bill
    this.#paid = before.paid
    this.#taken = before.taken
  }

  get paid(): bigint {
    return this.#paid
  }

  get taken(): bigint {
    return this.#taken
  }

  /**
   * True when so much has to be paid, and can be expected to be within a moment: what was paid
   * before went through, and the budget is enough for all who wait.
   */
  isFlowing(amount: Satoshi): boolean {
    const isDue = this.#waiting > 0n || this.#paid < this.#taken + amount
    return isDue && this.#isFlowing && this.#waiting + amount <= this.#purse.left
  }

  /**
   * Takes so much, and waits until it is paid. Nothing is taken when it could not be.
   *
   * @throws PaychanError as `Purse.pay`
   */
  async take(amount: Satoshi): Promise<void> {
    this.#taken += amount
    if (this.#waiting === 0n && this.#paid >= this.#taken) return
    this.#waiting += amount
    const paying = this.#last.then(async () => {
      await this.#pay(amount)
    })
    this.#last = paying.catch(() => {})
    try {
      await paying
    } catch (error) {
      this.#isFlowing = false
      this.giveBack(amount)
      throw error
    } finally {
      this.#waiting -= amount
    }
  }

  /** Resolves once no payment is under way of those that are now. */
  async settled(): Promise<void> {
    await this.#last
  }

  /** It was used, though its payment failed. */
  owe(amount: Satoshi): void {
    this.#taken += amount
  }

  /** It was not used: it is left for another. */
  giveBack(amount: Satoshi): void {
    this.#taken -= amount
  }

  async #pay(amount: Satoshi): Promise<void> {
    const left = this.#paid - (this.#taken - this.#waiting)
    if (left >= amount) return
    const all = this.#waiting - left
    const due = all <= this.#purse.left ? all : amount - left
    await this.#purse.pay(this.#bill, satoshi(due), (change) => {
      this.#paid += change
    })
    this.#isFlowing = true
  }
}

/** The least amount of the first payment. Facts from another process are texts. */
function leastOf(error: unknown): Satoshi | undefined {
  const { least } = factsOf(error)
  if (typeof least === 'bigint') return satoshi(least)
  return typeof least === 'string' && /^\d{1,16}$/.test(least) ? satoshi(BigInt(least)) : undefined
}
