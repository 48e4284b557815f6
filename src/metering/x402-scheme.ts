/**
 * The scheme `paychan` for the classes of `@x402/core`: their servers and facilitators sell with an
 * `X402Seller`, their clients pay with an `X402Buyer`. Both are made to the interfaces of that
 * package (`SchemeNetworkServer`, `SchemeNetworkFacilitator`, `FacilitatorClient`,
 * `SchemeNetworkClient`), and need nothing of it: who does not use it does not install it.
 */
import { parseAmount } from '../types/amount.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { satoshi } from '../types/units.js'
import { remember } from '../types/allowance.js'
import { checkConfidential, type Account, type AccountsOptions, type Offer } from './accounts.js'
import { type Bought, MOST_OPEN, Purchases, SeenOffers } from './purchases.js'
import { chainIdOf, NUMBER_USED, type ChainId } from './session-terms.js'
import { Till, type Problem, type Taken, type TillOptions } from './till.js'
import {
  challengeOf,
  isFor,
  NOTHING,
  paymentOf,
  settlementOf,
  unitOf,
  unsettledOf,
  withIdentifier,
  X402_ASSET,
  X402_FLOW,
  X402_SCHEME,
  X402_VERSION,
  x402OfferOf,
  type X402Payload,
  type X402Payment,
  type X402Requirement,
  type X402Writable,
  type X402Settlement
} from './x402.js'

/** The verdict of a facilitator on a payment. */
export interface X402Verdict {
  readonly isValid: boolean
  readonly invalidReason?: string
  readonly invalidMessage?: string
}

/** Units that may be given back; the ones that were taken longest ago go first. */
const MOST_TAKEN = 10_000

/**
 * Sells by `@x402/core`: it is the scheme of a resource server and the facilitator that the server
 * asks, in one. A unit is taken before the resource is made (the flow `upfront`), and given back
 * when it could not be. A payment that comes again is refused, whatever its identifier.
 *
 * @example
 * const seller = new X402Seller({ node, realm: 'api.example.com' })
 * const server = new x402ResourceServer(seller).register('bip122:*', seller)
 * const accepts = { scheme: 'paychan', network: await seller.network(), payTo: '', price: '2sat' }
 * const http = new x402HTTPResourceServer(server, { 'GET /weather': { accepts } })
 * await http.initialize()
 */
export class X402Seller {
  readonly scheme = X402_SCHEME
  readonly caipFamily = 'bip122:*'
  readonly defaultAssetTransferMethod = 'default'
  readonly paymentFlows = { default: { supported: [X402_FLOW], default: X402_FLOW } } as const
  /** Each answer offers a session of its own. */
  readonly dynamicExtraFields = ['challenge']
  readonly schemeHooks = {
    /** A payment that cannot be one of this server's gets a new offer. */
    onBeforeVerify: async ({
      paymentPayload,
      requirements
    }: {
      readonly paymentPayload: unknown
      readonly requirements: object
    }): Promise<{ skip: true; result: X402Verdict } | undefined> => {
      const result = await this.verify(paymentPayload, requirements as X402Requirement)
      return result.isValid ? undefined : { skip: true, result }
    }
  }

  readonly #till: Till
  readonly #taken = new Map<string, Taken>()

  constructor(options: TillOptions) {
    this.#till = new Till(options)
  }

  /** Listens to the node no more. Units that wait for a payment are refused. */
  stop(): void {
    this.#till.stop()
  }

  /** The network of the node, by CAIP-2. */
  async network(): Promise<ChainId> {
    return chainIdOf((await this.#till.info()).network)
  }

  /**
   * Reads a price: `2`, `'2sat'`, or an amount of the asset `sat`.
   *
   * @throws PaychanError `ERR_INVALID_AMOUNT`
   */
  async parsePrice(
    price: string | number | { readonly asset: string; readonly amount: string }
  ): Promise<{ asset: string; amount: string }> {
    const { asset, amount } =
      typeof price === 'object' ? price : { asset: X402_ASSET, amount: price.toString() }
    if (asset === X402_ASSET) return { asset, amount: parseAmount(amount).toString() }
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `${X402_SCHEME} is paid in ${X402_ASSET}, not in ${asset}. Write 2, or 2sat.`,
      { asset }
    )
  }

  getAssetDecimals(asset: string): number | undefined {
    return asset === X402_ASSET ? 0 : undefined
  }

  /**
   * Offers a new session. @throws PaychanError `ERR_INVALID_REQUEST` when another node is to be
   * paid
   */
  async enhancePaymentRequirements(requirement: X402Requirement): Promise<X402Writable> {
    const challenge = await this.#till.challenge(satoshi(BigInt(requirement.amount)))
    const { peerId } = await this.#till.info()
    const payTo = requirement.payTo.trim() === '' ? peerId : requirement.payTo
    const offered = { ...requirement, payTo }
    if (!isFor(offered, challenge)) {
      throw new PaychanError(
        'ERR_INVALID_REQUEST',
        `${payTo} on ${requirement.network} is not the node that sells here: leave payTo empty, and take its network().`,
        { payTo, network: requirement.network }
      )
    }
    return { ...offered, extra: { ...requirement.extra, challenge } }
  }

  async getSupported(): Promise<{
    kinds: { x402Version: number; scheme: string; network: ChainId }[]
    extensions: string[]
    signers: Record<string, string[]>
  }> {
    const kind = { x402Version: X402_VERSION, scheme: X402_SCHEME, network: await this.network() }
    return { kinds: [kind], extensions: [], signers: {} }
  }

  getExtra(): undefined {
    return undefined
  }

  getSigners(): string[] {
    return []
  }

  /** Says if a payment is for a session of this seller; takes nothing. */
  async verify(payment: unknown, requirement: X402Requirement): Promise<X402Verdict> {
    const read = this.#read(payment, requirement)
    return 'type' in read
      ? { isValid: false, invalidReason: read.type, invalidMessage: read.detail }
      : { isValid: true }
  }

  /** Takes the unit of a payment; gives it back when the requirement is for nothing. */
  async settle(payment: unknown, requirement: X402Requirement): Promise<X402Settlement> {
    const { network, amount } = requirement
    if (amount === NOTHING) return this.#giveBack(payment, network)
    const read = this.#read(payment, requirement)
    if ('type' in read) return refused(read, network)
    const taken = await this.#till.take(satoshi(BigInt(amount)), read.challenge, read.payload)
    if (taken.problem !== undefined) return refused(taken.problem, network)
    remember(this.#taken, unitNameOf(read), taken, MOST_TAKEN)
    return settlementOf(taken)
  }

  /**
   * What could not be delivered is settled for nothing; an answer below 500 costs its unit
   * (HTTP-7).
   */
  settleOnCancel({
    requirements,
    reason,
    responseStatus = 0
  }: {
    readonly requirements: object
    readonly reason?: string
    readonly responseStatus?: number
  }): X402Writable | undefined {
    if (reason !== 'handler_threw' && responseStatus < 500) return undefined
    return { ...(requirements as X402Requirement), amount: NOTHING }
  }

  #giveBack(payment: unknown, network: ChainId): X402Settlement {
    const name = unitNameOf(paymentOf(payment))
    const taken = this.#taken.get(name)
    if (taken === undefined) {
      return { success: false, errorReason: 'unknown-unit', transaction: '', network }
    }
    this.#taken.delete(name)
    this.#till.giveBack(taken)
    return unsettledOf(taken)
  }

  /** A payment that may be taken, or what is wrong with it. */
  #read(payment: unknown, requirement: X402Requirement): X402Payment | Problem {
    try {
      const read = paymentOf(payment)
      const price = satoshi(BigInt(requirement.amount))
      return this.#till.refusal(price, read.challenge) ?? read
    } catch (error) {
      if (codeOf(error) !== 'ERR_MALFORMED_CREDENTIAL') throw error
      const detail = messageOf(error)
      return { status: 400, type: 'malformed-credential', title: 'Malformed', detail }
    }
  }
}

function unitNameOf({ challenge, payload }: X402Payment): string {
  return `${challenge.id}:${payload.cumulativeAmount}`
}

function refused({ type, detail }: Problem, network: ChainId): X402Settlement {
  return { success: false, errorReason: type, errorMessage: detail, transaction: '', network }
}

/** The outcome of a payment, as a client of `@x402/core` has it. */
export interface X402Outcome {
  readonly paymentPayload: X402Payload
  readonly requirements: X402Requirement
  readonly settleResponse?: X402Settlement
  readonly paymentRequired?: { readonly error?: string }
}

export interface X402BuyerOptions extends AccountsOptions {
  /** Asks and answers; the global `fetch`, as it is now, when left out. */
  readonly fetch?: typeof fetch
}

/**
 * Pays for the clients of `@x402/core`: within limits, over a channel, before the payload is made.
 * A server that does not take what it was paid for its own offer is paid no more.
 *
 * That package does not tell a scheme whom it pays. So give the client the `fetch` of the buyer,
 * which sees which server asks: only then the buyer goes on with a session that it has paid there
 * before. What came by another way is paid in the session that it offers, and in no other.
 *
 * Spend controls of that package know dollars only: allow the asset `sat`. Whoever sees a payload
 * can spend it: the buyer's fetch pays by https alone, and hands no payment on to where it is
 * redirected.
 *
 * @example
 * const buyer = new X402Buyer({ node, mostPerRequest: satoshi(5n), budget: satoshi(1_000n) })
 * const client = new x402Client().register('bip122:*', buyer)
 * client.setSpendControls({ allowedAssets: [{ network: 'bip122:*', asset: 'sat' }] })
 * const pay = wrapFetchWithPayment(buyer.fetch, client)
 */
export class X402Buyer {
  readonly scheme = X402_SCHEME
  readonly schemeHooks = {
    onPaymentResponse: async (outcome: X402Outcome): Promise<{ recovered: true } | undefined> =>
      this.#heard(outcome)
  }

  readonly #purchases: Purchases
  readonly #ask: typeof fetch
  readonly #offers = new SeenOffers()
  /** By session: the accounts of which a unit was shown. */
  readonly #shown = new Map<string, Account>()

  constructor({ fetch: ask = fetch, ...options }: X402BuyerOptions) {
    this.#purchases = new Purchases(options)
    this.#ask = ask
  }

  /** The sum paid so far, in satoshis. */
  get paid(): bigint {
    return this.#purchases.accounts.paid
  }

  /** The cost of the requests so far: less than was paid, as long as some of that is left. */
  get spent(): bigint {
    return this.#purchases.accounts.spent
  }

  /** Asks and answers for the client: `wrapFetchWithPayment(buyer.fetch, client)`. */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init)
    // A server that sends the request elsewhere must not hand the payment on.
    const isPaid = request.headers.has('payment-signature')
    const answer = await this.#ask(isPaid ? new Request(request, { redirect: 'manual' }) : request)
    this.#offers.note(answer, request)
    return answer
  }

  /**
   * Pays for a unit, when none is left of what was paid before to the server that the buyer's fetch
   * has seen; else in the session that is offered.
   *
   * @throws PaychanError `ERR_NO_PAYMENT_METHOD`, `ERR_WRONG_NETWORK`, `ERR_PRICE_TOO_HIGH`,
   *   `ERR_BUDGET_USED_UP`, `ERR_INSECURE_PAYMENT`, `ERR_PAID_NOT_DELIVERED`, and what `node.pay`
   *   and `node.channels.open` do
   */
  async createPaymentPayload(
    x402Version: number,
    requirement: X402Requirement,
    context: { readonly extensions?: Record<string, unknown> } = {}
  ): Promise<{
    x402Version: number
    payload: Record<string, unknown>
    extensions?: Record<string, unknown>
  }> {
    const offer = x402OfferOf({ accepted: requirement })
    if (x402Version !== X402_VERSION || offer === undefined) {
      throw new PaychanError(
        'ERR_NO_PAYMENT_METHOD',
        `${requirement.payTo} asks for a payment that is not one of the scheme ${X402_SCHEME}, or not the one that its session is for.`,
        { payee: requirement.payTo }
      )
    }
    const { account, number } = await this.#buy(offer)
    remember(this.#shown, account.challenge.id, account, MOST_OPEN)
    const payload = unitOf(account.challenge, number, requirement)
    const id = `${account.challenge.id}_${number}`
    const extensions = withIdentifier(context.extensions, id)
    return { x402Version, payload, ...(extensions === undefined ? {} : { extensions }) }
  }

  async #buy(offer: Offer): Promise<Bought> {
    const { id } = offer.challenge
    const server = this.#offers.of(id)?.server
    if (server !== undefined) {
      checkConfidential(server)
      return await this.#purchases.buy(server.origin, offer)
    }
    // Known again by its PeerId alone: the realm is whatever a server says.
    const { recipient } = offer.terms
    return await this.#purchases.buy(
      recipient,
      offer,
      async () => this.#shown.get(id) ?? (await this.#purchases.accounts.alone(recipient, offer))
    )
  }

  #heard(outcome: X402Outcome): { recovered: true } | undefined {
    const { paymentPayload, requirements, settleResponse, paymentRequired } = outcome
    const { challenge } = paymentOf(paymentPayload)
    const account = this.#shown.get(challenge.id)
    if (account === undefined) return undefined
    if (settleResponse?.success === true) {
      if (settleResponse.amount === NOTHING) this.#purchases.giveBack(account)
      else this.#purchases.delivered(account)
      return undefined
    }
    const reason = settleResponse?.errorReason ?? paymentRequired?.error
    if (settleResponse === undefined && paymentRequired === undefined) return undefined
    const isOwnOffer = challengeOf(requirements)?.id === challenge.id
    if (reason !== NUMBER_USED && isOwnOffer) this.#shown.delete(challenge.id)
    const error = this.#purchases.refused(account, reason, isOwnOffer)
    return error === undefined ? { recovered: true } : undefined
  }
}
