/**
 * The method `paychan`, intent `session`, for the package `mppx`: its servers sell with a
 * `MppxSeller` and its clients pay with a `MppxBuyer`, each an entry of `Mppx.create({ methods })`.
 * Both are made to the interfaces of that package (`Method.Server`, `Method.Client`), and import
 * nothing of it: who does not use it does not install it.
 */
import { z } from 'zod'
import { parseAmount } from '../types/amount.js'
import { PaychanError } from '../types/errors.js'
import { remember } from '../types/allowance.js'
import { checkConfidential, type AccountsOptions } from './accounts.js'
import {
  type Bought,
  boughtAnswer,
  isCharged,
  isNumberUsed,
  MOST_OPEN,
  Purchases,
  SeenOffers
} from './purchases.js'
import { credentialHeader, toToken, type Challenge, type Receipt } from './payment-auth.js'
import {
  INTENT,
  METHOD,
  NUMBER_USED,
  payloadShape,
  requestOf,
  termsOf,
  type SessionPayload
} from './session-terms.js'
import {
  problemDetails,
  sessionNonce,
  Till,
  UNAVAILABLE,
  type Problem,
  type Taken,
  type TillOptions
} from './till.js'

/** A challenge as mppx has it: its request is data, not text. */
export interface MppxChallenge extends Omit<Challenge, 'request'> {
  readonly request: Readonly<Record<string, unknown>>
  /** The header for the credential, when it is not `Authorization`. */
  readonly header?: string | undefined
}

/** A credential as mppx has it, with the payload that the schema has read. */
export interface MppxCredential {
  readonly challenge: MppxChallenge
  readonly source?: string | undefined
  readonly payload: SessionPayload
}

const routeShape = z.object({
  amount: z.string().transform((text) => parseAmount(text).toString()),
  currency: z.literal('sat').default('sat'),
  unitType: z.string().default('request'),
  recipient: z.string().default(''),
  methodDetails: z.record(z.string(), z.unknown()).default({})
})

/** What a route asks for; the seller fills up all but the amount. */
export interface MppxRoute {
  /** Price of a unit: `2`, or `2sat`. */
  readonly amount: string
  readonly currency?: 'sat' | undefined
  readonly unitType?: string | undefined
  readonly recipient?: string | undefined
  readonly methodDetails?: Record<string, unknown> | undefined
}

export const MPPX_SCHEMA = {
  credential: { payload: payloadShape },
  request: routeShape
} as const

/** Of `Errors` of mppx, which knows its own errors by their class. */
export interface MppxErrors {
  readonly VerificationFailedError: new () => Error
}

/** A transport of mppx, as `Transport.http()` makes it. */
export interface MppxTransport {
  respondReceipt(answered: MppxAnswered): unknown
}

export interface MppxAnswered {
  readonly credential: object
  readonly input: unknown
  readonly response: unknown
}

export interface MppxSellerOptions extends Omit<TillOptions, 'realm' | 'description' | 'secret'> {
  /** That of `Mppx.create`. */
  readonly secretKey: string
  /** Those of mppx, whose main module exports them. */
  readonly Errors: MppxErrors
  /** The transport of the server: `Transport.http()` of `mppx/server`. */
  readonly transport: MppxTransport
}

/** What mppx hands to the hooks of a server. */
export interface MppxSubmitted {
  readonly credential: MppxCredential
  readonly request: MppxRoute
}

/**
 * Sells by the servers of `mppx`. A unit is taken before the handler runs; it is given back when
 * `withReceipt` gets an answer with a status from 500 on, and a stream of events is metered there
 * with the option `streamed`. A session lives as long as its challenge: five minutes, or `expires`
 * of the route.
 *
 * @example
 * import { Errors } from 'mppx'
 * import { Mppx, Transport } from 'mppx/server'
 *
 * const seller = new MppxSeller({ node, secretKey, Errors, transport: Transport.http() })
 * const mppx = Mppx.create({ methods: [seller], secretKey })
 * const result = await mppx.session({ amount: '2' })(request)
 * return result.status === 402 ? result.challenge : result.withReceipt(await answer(request))
 */
export class MppxSeller {
  readonly name = METHOD
  readonly intent = INTENT
  readonly schema = MPPX_SCHEMA
  /** The given one, which gives back what was not delivered, and meters streams of events. */
  readonly transport: MppxTransport
  /**
   * What a credential and its route have in common: a session is for one price, whoever pays it.
   */
  readonly stableBinding = ({
    amount,
    currency,
    unitType,
    recipient,
    methodDetails: { network, streamed }
  }: z.output<typeof routeShape>): Record<string, unknown> => ({
    amount,
    currency,
    unitType,
    recipient,
    network,
    streamed
  })

  readonly #till: Till
  readonly #Errors: MppxErrors
  /** What was taken, by the credential that named it. */
  readonly #taken = new WeakMap<object, Taken>()

  constructor({ secretKey, Errors, transport, ...options }: MppxSellerOptions) {
    this.#Errors = Errors
    // The challenges are those of mppx, which has the realm; the till knows them by the same key.
    this.#till = new Till({ ...options, realm: '', secret: new TextEncoder().encode(secretKey) })
    this.transport = {
      ...transport,
      respondReceipt: (answered: MppxAnswered) => this.#answered(transport, answered)
    }
  }

  /** Listens to the node no more. Units that wait for a payment are refused. */
  stop(): void {
    this.#till.stop()
  }

  /** Asks for the price of a route, in a session of its own. */
  readonly request = async ({
    credential,
    request
  }: {
    readonly credential?: object | null | undefined
    readonly request: MppxRoute
  }): Promise<MppxRoute> => {
    const isAsked = credential === null || credential === undefined
    if (isAsked && !(await this.#till.isAvailable())) throw this.#refusal(UNAVAILABLE)
    const { methodDetails, ...terms } = requestOf(
      await this.#till.terms(parseAmount(request.amount))
    )
    return { ...terms, methodDetails: { ...methodDetails, nonce: sessionNonce() } }
  }

  /** Says if a credential is for a session of this seller; takes nothing. */
  readonly validate = async ({ credential, request }: MppxSubmitted): Promise<object> => {
    const { challenge, source } = credential
    const problem = this.#till.refusal(parseAmount(request.amount), textOf(challenge))
    if (problem !== undefined) throw this.#refusal(problem)
    const { name: method, intent } = this
    return { challenge, credential, details: {}, intent, method, request, source }
  }

  /** Takes the unit of a credential, and waits a moment for its payment. */
  readonly broadcast = async ({ credential, request }: MppxSubmitted): Promise<Receipt> => {
    const { challenge, payload } = credential
    const taken = await this.#till.take(parseAmount(request.amount), textOf(challenge), payload)
    if (taken.problem !== undefined) throw this.#refusal(taken.problem)
    this.#taken.set(credential, taken)
    return this.#till.receipt(taken)
  }

  /** The same, as older parts of mppx call it. */
  readonly verify = this.broadcast

  #answered(transport: MppxTransport, answered: MppxAnswered): unknown {
    const { credential, input, response } = answered
    const taken = this.#taken.get(credential)
    if (taken === undefined || !(response instanceof Response)) {
      return transport.respondReceipt(answered)
    }
    // One whose client has gone is charged, as at a gate.
    const isLeft = input instanceof Request && input.signal.aborted
    if (response.status >= 500 && !isLeft) {
      this.#taken.delete(credential)
      this.#till.giveBack(taken)
      return response
    }
    return transport.respondReceipt({ ...answered, response: this.#till.metered(response, taken) })
  }

  /** The error of mppx for a problem, whose answer has its details. */
  #refusal(problem: Problem): Error {
    const { status, title, type, detail: message } = problem
    return Object.assign(new this.#Errors.VerificationFailedError(), {
      status,
      title,
      type,
      message,
      toProblemDetails: (challengeId?: string) => problemDetails(problem, challengeId)
    })
  }
}

/** A challenge in texts, as it stands in the header. */
function textOf(challenge: MppxChallenge): Challenge {
  const { id, realm, method, intent, request, expires, description, digest, opaque } = challenge
  const texts = { id, realm, method, intent, expires, description, digest, opaque }
  return { ...texts, request: toToken(request) }
}

export interface MppxBuyerOptions extends AccountsOptions {
  /** Asks and answers; the global `fetch`, as it is now, when left out. */
  readonly fetch?: typeof fetch
}

interface Shown extends Bought {
  /**
   * A further unit is not tried: it was paid for the offer that it answers, or behind another one.
   */
  readonly isLast: boolean
}

/**
 * Pays for the clients of `mppx`: within limits, over a channel, before the credential is made. It
 * has to have the `fetch` below that client, where it sees which server asks, and what becomes of
 * each unit: a server that does not take what it was paid for its own offer is paid no more.
 *
 * The fetch rejects with `ERR_PAID_NOT_DELIVERED`, and follows no redirection of a paid request.
 *
 * @example
 * import { Mppx } from 'mppx/client'
 *
 * const buyer = new MppxBuyer({ node, mostPerRequest: satoshi(5n), budget: satoshi(1_000n) })
 * const mppx = Mppx.create({ methods: [buyer], fetch: buyer.fetch })
 * console.log(await (await mppx.fetch('https://api.example.com/weather')).text(), buyer.paid)
 */
export class MppxBuyer {
  readonly name = METHOD
  readonly intent = INTENT
  readonly schema = MPPX_SCHEMA

  readonly #purchases: Purchases
  readonly #ask: typeof fetch
  readonly #offers = new SeenOffers()
  readonly #shown = new Map<string, Shown>()

  constructor({ fetch: ask = fetch, ...options }: MppxBuyerOptions) {
    this.#purchases = new Purchases(options)
    this.#ask = ask
  }

  /** What has been paid so far, in satoshis. */
  get paid(): bigint {
    return this.#purchases.accounts.paid
  }

  /** What the requests so far have cost: less than was paid, as long as some of that is left. */
  get spent(): bigint {
    return this.#purchases.accounts.spent
  }

  readonly canHandleChallenge = ({ challenge }: { readonly challenge: MppxChallenge }): boolean =>
    challenge.header === undefined && termsOf(textOf(challenge)) !== undefined

  /**
   * Pays for a unit, when none is left of what was paid before.
   *
   * @throws PaychanError `ERR_INVALID_REQUEST` for an offer that did not come by the fetch of this
   *   buyer; `ERR_NO_PAYMENT_METHOD`, `ERR_WRONG_NETWORK`, `ERR_PRICE_TOO_HIGH`,
   *   `ERR_BUDGET_USED_UP`, `ERR_INSECURE_PAYMENT`, `ERR_PAID_NOT_DELIVERED`, and what `node.pay`
   *   and `node.channels.open` do
   */
  readonly createCredential = async ({
    challenge: asked
  }: {
    readonly challenge: MppxChallenge
  }): Promise<string> => {
    const challenge = textOf(asked)
    const terms = termsOf(challenge)
    const offer = this.#offers.of(challenge.id)
    if (offer === undefined || terms === undefined) {
      throw new PaychanError(
        'ERR_INVALID_REQUEST',
        'The buyer has not seen which server asks for this. Give the client its fetch: Mppx.create({ methods: [buyer], fetch: buyer.fetch }).',
        { challenge: challenge.id }
      )
    }
    checkConfidential(offer.server)
    const bought = await this.#purchases.buy(offer.server.origin, { challenge, terms })
    const { account, number } = bought
    const payload = { action: 'voucher', cumulativeAmount: number.toString() }
    const credential = credentialHeader({ challenge: account.challenge, payload })
    remember(
      this.#shown,
      credential,
      {
        ...bought,
        isLast: offer.isFurther || account.challenge.id === challenge.id
      },
      MOST_OPEN
    )
    return credential
  }

  /** Asks and answers for the client: `Mppx.create({ fetch: buyer.fetch })`. */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init)
    const credential = request.headers.get('authorization') ?? ''
    const shown = this.#shown.get(credential)
    if (shown === undefined) {
      const answer = await this.#ask(request)
      this.#offers.note(answer, request)
      return answer
    }
    this.#shown.delete(credential)
    // A server that sends the request elsewhere must not hand the payment on.
    const answer = await this.#ask(new Request(request, { redirect: 'manual' }))
    return await this.#heard(answer, request, shown)
  }

  /** The answer to a paid request, for the client. */
  async #heard(answer: Response, request: Request, shown: Shown): Promise<Response> {
    const purchases = this.#purchases
    const { account, isLast } = shown
    if (answer.status === 402 || answer.status === 401) {
      const isSame = this.#offers.note(answer, request, true).includes(account.challenge.id)
      const reason = (await isNumberUsed(answer)) ? NUMBER_USED : undefined
      const error = purchases.refused(account, reason, isLast || isSame)
      if (error !== undefined) throw error
      // The client asks again after 402 only.
      const { headers, body } = answer
      return answer.status === 402 ? answer : new Response(body, { status: 402, headers })
    }
    if (answer.status >= 500 && !isCharged(answer)) purchases.giveBack(account)
    else purchases.delivered(account)
    return boughtAnswer(answer, account, purchases.accounts, () => purchases.undelivered(account))
  }
}
