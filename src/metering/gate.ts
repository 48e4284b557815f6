/**
 * Puts a price on HTTP: a request without a payment is answered with 402 and what it costs, as the
 * "Payment" scheme and x402 say it; one with a paid unit goes on, and its answer gets a receipt.
 * What could not be delivered (a status from 500 on) is not charged, unless it may have been done.
 *
 * @example
 * const gate = new Gate({ node, price: satoshi(2n), realm: 'api.example.com' })
 * app.use('/paid/*', gate.hono())
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { adviceOf } from '../types/error-advice.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { formatAmount, type Satoshi } from '../types/units.js'
import { Answers, fingerprintOf, type Identity, privateCaching, toSharedCaches } from './answers.js'
import { isEventStream } from './event-stream.js'
import {
  type Challenge,
  challengeHeader,
  isPayment,
  readCredential,
  receiptHeader
} from './payment-auth.js'
import { payloadShape, type SessionPayload } from './session-terms.js'
import {
  PAYMENT_REQUIRED,
  type Problem,
  problemDetails,
  type Taken,
  Till,
  type TillOptions,
  UNAVAILABLE,
  type Untaken
} from './till.js'
import {
  IDENTIFIER_DECLARATION,
  PAYMENT_IDENTIFIER,
  readPayment,
  requirementOf,
  settlementOf,
  toX402Header,
  unsettledOf,
  X402_VERSION,
  type X402Required,
  type X402Settlement
} from './x402.js'

/*
 * A gate before the handlers of Express, Connect or a bare `node:http` server: made to what these
 * give it, so that none of them has to be there.
 */

/** A request as Express has it; a bare one of `node:http` will do. */
export type ServedRequest = IncomingMessage & {
  /** The path and query that were asked for, wherever the handler hangs. */
  readonly originalUrl?: string
  /** `https` behind a proxy that is trusted. */
  readonly protocol?: string
}

export type ServedHandler = (
  request: ServedRequest,
  response: ServerResponse,
  next: (error?: unknown) => void
) => void

/** Lets requests through that are admitted; the rest is answered. */
export function middleware(admit: (request: PricedRequest) => Promise<Admission>): ServedHandler {
  return (request, response, next) => {
    const priced = pricedOf(request)
    if (priced === undefined) {
      response.statusCode = 400
      response.end('The path can be read in two ways.\n')
      return
    }
    admit(priced).then(
      (admission) => {
        if (admission.refusal === undefined) {
          settle(request, response, admission)
          next()
        } else {
          answer(response, admission.refusal).catch(next)
        }
      },
      (error: unknown) => {
        next(error)
      }
    )
  }
}

/** A name or an address, perhaps with a port: anything else in `Host` could pass for a path. */
const HOST = /^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i

/** A segment that a URL resolves, and a router need not: `..`, `.`, what is after a backslash. */
const RESOLVED = /\\|\/(\.|%2e){1,2}(\/|$)/i

/** What no client sends, and a URL or a router drops, or cuts the path at: spaces, tabs, `#`. */
const DROPPED = /[^\x21-\x7e]|#/

/**
 * The request as its price is asked for. The URL has the path that the handlers behind the gate
 * see, which is what is sold; undefined where they could see another one.
 */
function pricedOf(request: ServedRequest): PricedRequest | undefined {
  const { headers, method = 'GET', protocol, originalUrl, url = '/' } = request
  // Behind a proxy that is trusted, it may be whatever the visitor has written.
  const isSecure = protocol === undefined ? 'encrypted' in request.socket : protocol === 'https'
  const { host = '' } = headers
  const target = originalUrl ?? url
  const [path = ''] = target.split('?', 1)
  if (!path.startsWith('/') || RESOLVED.test(path) || DROPPED.test(target)) return undefined
  return {
    method,
    url: `${isSecure ? 'https' : 'http'}://${HOST.test(host) ? host : 'localhost'}${target}`,
    headers: {
      get: (name) => {
        const value = headers[name.toLowerCase()]
        return value === undefined ? null : [value].flat().join(', ')
      }
    }
  }
}

async function answer(response: ServerResponse, refusal: Response): Promise<void> {
  response.statusCode = refusal.status
  refusal.headers.forEach((value, name) => {
    response.setHeader(name, value)
  })
  response.end(await refusal.text())
}

/** The receipt goes with the headers of the answer, whose status says if there is one. */
function settle(
  { socket }: ServedRequest,
  response: ServerResponse,
  { receipt, giveBack }: Extract<Admission, { readonly refusal: undefined }>
): void {
  if (receipt === undefined) return
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse
  let given: { readonly header: PricedReceipt | undefined } | undefined
  response.writeHead = (...args: unknown[]) => {
    // A head that is out has said what was charged.
    if (response.headersSent) return writeHead(...args)
    const status = typeof args[0] === 'number' ? args[0] : response.statusCode
    // Who has gone is charged: it could have the work done, and break off before each answer.
    if (status >= 500 && !socket.destroyed) given ??= { header: giveBack() }
    const header = given === undefined ? receipt : given.header
    response.removeHeader(receipt.name)
    if (header !== undefined) {
      setHeaders(response, args)
      response.setHeader(header.name, header.value)
      // What was paid for is for the payer alone.
      for (const name of toSharedCaches(response.getHeaderNames())) response.removeHeader(name)
      const caching = response.getHeader('cache-control')?.toString() ?? null
      response.setHeader('cache-control', privateCaching(caching))
    }
    return writeHead(...args)
  }
}

/**
 * Sets the headers that `writeHead` is given, and takes them out: they would go past what is set.
 */
function setHeaders(response: ServerResponse, args: unknown[]): void {
  const headers = args.at(-1)
  if (typeof headers !== 'object' || headers === null) return
  args.pop()
  // A flat list may name a header more than once.
  const pairs: Array<[unknown, unknown]> = Array.isArray(headers)
    ? Array.from({ length: headers.length / 2 }, (_, at) => [headers[2 * at], headers[2 * at + 1]])
    : Object.entries(headers)
  for (const [name] of pairs) response.removeHeader(String(name))
  for (const [name, value] of pairs) {
    if (value !== undefined) response.appendHeader(String(name), textsOf(value))
  }
}

function textsOf(value: unknown): string | string[] {
  return Array.isArray(value) ? value.map(String) : String(value)
}

/** The parts of a request that a price may depend on. */
export interface PricedRequest {
  readonly method: string
  readonly url: string
  readonly headers: { get: (name: string) => string | null }
}

export interface GateOptions extends TillOptions {
  /** The price of a request; nothing is asked for where it is 0. */
  readonly price: Satoshi | ((request: PricedRequest) => Satoshi)
}

/** A request that may go on. */
export interface Admitted {
  readonly refusal: undefined
  /** The header that the answer gets; undefined where nothing was paid. */
  readonly receipt: PricedReceipt | undefined
  /** Says that it was not delivered, so that it costs nothing: the header that the answer gets. */
  readonly giveBack: () => PricedReceipt | undefined
}

/** One whose answer may be metered. */
interface AdmittedUnit extends Admitted {
  readonly taken?: Taken
}

/** The unit of a request that a handler answers. */
export interface SoldUnit {
  /**
   * Says that it is used, whatever the answer will say: what was begun for it may have been done.
   * Otherwise an answer with a status from 500 on, and an error, give it back.
   */
  readonly charge: () => void
}

export interface PricedReceipt {
  readonly name: 'payment-receipt' | 'payment-response'
  readonly value: string
}

/** A request that may go on, or the answer that it gets instead. */
export type Admission = Admitted | { readonly refusal: Response }

const FREE: Admission = { refusal: undefined, receipt: undefined, giveBack: () => undefined }

/** The scheme by which a request is paid. */
type Scheme = 'mpp' | 'x402'

/** The payment that a request names. */
interface Payment {
  readonly scheme: Scheme
  readonly challenge: Challenge
  readonly payload: SessionPayload
  /** The identifier by which its answer is kept. */
  readonly id: string | undefined
}

/** A request that is refused: why, and in which session it could be paid. */
interface Refused extends Untaken {
  readonly scheme?: Scheme | undefined
}

export class Gate {
  readonly #options: GateOptions
  readonly #till: Till
  readonly #answers = new Answers()

  constructor(options: GateOptions) {
    this.#options = options
    this.#till = new Till(options)
  }

  /** Listens to the node no more. Requests that wait for a payment are refused. */
  stop(): void {
    this.#till.stop()
  }

  /**
   * Answers a request, with the handler where it is paid. One whose client has gone is charged: it
   * could have the work done, and break off before each answer.
   */
  async handle(request: Request, next: (unit: SoldUnit) => Promise<Response>): Promise<Response> {
    const serve = async (): Promise<Response> => {
      const admission = await this.#admit(request, true)
      if (admission.refusal !== undefined) return admission.refusal
      let isCharged = false
      const isUsed = (): boolean => isCharged || request.signal.aborted
      const charge = (): void => {
        isCharged = true
      }
      let answer: Response
      try {
        answer = await next({ charge })
      } catch (error) {
        if (!isUsed()) admission.giveBack()
        throw error
      }
      const { taken } = admission
      const given = settled(answer, admission, isUsed)
      return taken === undefined ? given : this.#till.metered(given, taken)
    }
    const identity = identityOf(request)
    if (identity === undefined) return await serve()
    return await this.#answers.once(identity, serve, isSettled, conflict)
  }

  /** Decides if a request may go on, and takes its unit when it may. */
  async admit(request: PricedRequest): Promise<Admission> {
    return await this.#admit(request, false)
  }

  /** For Hono: `app.use('/paid/*', gate.hono())`. */
  hono(): (
    context: { readonly req: { readonly raw: Request }; res: Response },
    next: () => Promise<void>
  ) => Promise<Response | undefined> {
    return async (context, next) => {
      const made: Response[] = []
      const answer = await this.handle(context.req.raw, async () => {
        await next()
        made.push(context.res)
        return context.res
      })
      if (made.length === 0) return answer
      if (!made.includes(answer)) context.res = answer
      return undefined
    }
  }

  /**
   * For Express, Connect and `node:http`: `app.use('/paid', gate.express())`. Answers are not kept:
   * a payment that comes again is refused. Streams of events are not metered there.
   *
   * @throws PaychanError `ERR_INVALID_REQUEST` with the option `streamed`
   */
  express(): ServedHandler {
    if (this.#options.streamed !== undefined) {
      throw new PaychanError(
        'ERR_INVALID_REQUEST',
        'Handlers of Express write past the gate, so it cannot sell them by the event: use gate.hono() or gate.handle(), or leave out streamed.'
      )
    }
    return middleware(async (request) => await this.#admit(request, false))
  }

  async #admit(
    request: PricedRequest,
    keepsAnswers: boolean
  ): Promise<AdmittedUnit | Exclude<Admission, Admitted>> {
    const { price } = this.#options
    const asked = typeof price === 'function' ? price(request) : price
    if (asked === 0n) return FREE
    const refused = async (refusal: Refused): Promise<Exclude<Admission, Admitted>> => ({
      refusal: await this.#refused(request, asked, refusal, keepsAnswers)
    })
    try {
      const payment = paymentIn(request)
      if (payment === undefined) {
        const detail = `This costs ${formatAmount(asked)}. Pay the session of the challenge, and ask again with its credential.`
        return await refused({ problem: { ...PAYMENT_REQUIRED, detail } })
      }
      const { scheme, challenge, payload } = payment
      const taken = await this.#till.take(asked, challenge, payload)
      if (taken.problem !== undefined) return await refused({ ...taken, scheme })
      return {
        taken,
        refusal: undefined,
        receipt:
          scheme === 'mpp' ? this.#receiptHeader(taken) : settlementHeader(settlementOf(taken)),
        giveBack: () => {
          this.#till.giveBack(taken)
          return scheme === 'mpp' ? undefined : settlementHeader(unsettledOf(taken))
        }
      }
    } catch (error) {
      if (codeOf(error) !== 'ERR_MALFORMED_CREDENTIAL') throw error
      return await refused({
        problem: {
          status: 400,
          type: 'malformed-credential',
          title: 'Malformed Payment Credential',
          detail: messageOf(error)
        }
      })
    }
  }

  #receiptHeader(taken: Taken): PricedReceipt {
    return { name: 'payment-receipt', value: receiptHeader(this.#till.receipt(taken)) }
  }

  /** An answer that says what is wrong, with a challenge: a new one, or that of the session. */
  async #refused(
    request: PricedRequest,
    price: Satoshi,
    { problem, challenge: same, scheme }: Refused,
    keepsAnswers: boolean
  ): Promise<Response> {
    const { retryAfter, type } = problem
    if (!(await this.#till.isAvailable())) {
      return problemOf(503, UNAVAILABLE, { 'retry-after': RETRY_S.toString() })
    }
    const challenge = same ?? (await this.#till.challenge(price))
    // x402 knows 402 only, where a payment is not the one that is asked for.
    const status = scheme === 'x402' && problem.status === 401 ? 402 : problem.status
    return problemOf(
      status,
      { ...problemDetails(problem, challenge.id), status },
      {
        'www-authenticate': challengeHeader(challenge),
        'payment-required': toX402Header(this.#required(request, challenge, type, keepsAnswers)),
        ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter.toString() })
      }
    )
  }

  /** A challenge in x402. */
  #required(
    { url }: PricedRequest,
    challenge: Challenge,
    error: Problem['type'],
    keepsAnswers: boolean
  ): X402Required {
    const { description } = this.#options
    return {
      x402Version: X402_VERSION,
      error,
      resource: { url, ...(description === undefined ? {} : { description }) },
      accepts: [requirementOf(challenge, this.#till.lifetime)],
      ...(keepsAnswers ? { extensions: { [PAYMENT_IDENTIFIER]: IDENTIFIER_DECLARATION } } : {})
    }
  }
}

/** Seconds after which a node may see the chain again. */
const RETRY_S = 30

/** @throws PaychanError `ERR_MALFORMED_CREDENTIAL` */
function paymentIn({ headers }: PricedRequest): Payment | undefined {
  const authorization = headers.get('authorization')
  const signature = headers.get('payment-signature')
  if (!isPayment(authorization)) {
    return signature === null ? undefined : { scheme: 'x402', ...readPayment(signature) }
  }
  if (signature !== null) {
    throw new PaychanError(
      'ERR_MALFORMED_CREDENTIAL',
      'The request has two payments, in Authorization and in PAYMENT-SIGNATURE. Ask with one of them.'
    )
  }
  const { challenge, payload } = readCredential(authorization)
  const said = payloadShape.safeParse(payload)
  if (!said.success) {
    throw new PaychanError(
      'ERR_MALFORMED_CREDENTIAL',
      `The credential has no payload of the method paychan. ${adviceOf('ERR_MALFORMED_CREDENTIAL')}`
    )
  }
  return { scheme: 'mpp', challenge, payload: said.data, id: undefined }
}

/**
 * The identity of a payment with an identifier, and of its request; undefined where there is none.
 */
function identityOf(request: PricedRequest): Identity | undefined {
  const signature = request.headers.get('payment-signature')
  if (signature === null || isPayment(request.headers.get('authorization'))) return undefined
  try {
    const { id } = readPayment(signature)
    const fingerprint = fingerprintOf(request.method, request.url, signature)
    return id === undefined ? undefined : { id, fingerprint }
  } catch {
    return undefined
  }
}

function problemOf(
  status: number,
  problem: object,
  headers: Record<string, string> = {}
): Response {
  return new Response(JSON.stringify({ status, ...problem }), {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...headers
    }
  })
}

function conflict(): Response {
  return problemOf(409, {
    type: 'about:blank',
    title: 'Conflict',
    detail:
      'Another payment, or another request, has had this identifier. Give each its own; nothing was charged.'
  })
}

function settlementHeader(settlement: X402Settlement): PricedReceipt {
  return { name: 'payment-response', value: toX402Header(settlement) }
}

/** True for what was sold, and can be answered again. */
function isSettled(answer: Response): boolean {
  return answer.status < 500 && answer.headers.has('payment-response') && !isEventStream(answer)
}

/**
 * The answer to a request that went on: with its receipt; not charged where nothing was delivered.
 */
function settled(
  answer: Response,
  { receipt, giveBack }: Admitted,
  isUsed: () => boolean
): Response {
  const header = answer.status < 500 || isUsed() ? receipt : giveBack()
  return header === undefined ? answer : withReceipt(answer, header)
}

/**
 * The answer with its receipt. What was paid for is for the payer alone. A copy is made only of one
 * whose headers cannot be set, as of `fetch`: a server sends an answer that was not touched much
 * faster.
 */
function withReceipt(answer: Response, { name, value }: PricedReceipt): Response {
  const caching = privateCaching(answer.headers.get('cache-control'))
  try {
    setReceipt(answer.headers, name, value, caching)
    return answer
  } catch {
    const headers = new Headers(answer.headers)
    setReceipt(headers, name, value, caching)
    const { status, statusText } = answer
    return new Response(answer.body, { status, statusText, headers })
  }
}

function setReceipt(headers: Headers, name: string, value: string, caching: string): void {
  headers.set(name, value)
  for (const name of toSharedCaches(headers.keys())) headers.delete(name)
  headers.set('cache-control', caching)
}
