/**
 * Puts a price on HTTP: a request without a payment is answered with 402 and a challenge; one with a
 * paid unit goes on, and its answer gets a receipt. What could not be delivered (a status from 500 on)
 * is not charged.
 *
 * @example
 * const gate = new Gate({ node, price: satoshi(2n), realm: 'api.example.com' })
 * app.use('/paid/*', gate.hono())
 */
import { randomBytes } from 'node:crypto'
import type { ChannelInfo, NodeApi, NodeInfo } from '../node/api.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { formatAmount, ZERO_SAT, type Satoshi } from '../types/units.js'
import {
  challengeHeader,
  challengeId,
  isOwnChallenge,
  isPayment,
  readCredential,
  receiptHeader,
  toToken,
  type Challenge
} from './payment-auth.js'
import { Credits, HOUR_S, type CreditsOptions, type PaidNode } from './credits.js'
import type { Standing } from './sessions.js'
import {
  INTENT,
  memoOf,
  METHOD,
  payloadShape,
  requestOf,
  termsOf,
  type SessionPayload
} from './session-terms.js'

/** A part of a node; the whole of it fits, also one in another process. */
export type PayeeNode = PaidNode &
  Pick<NodeApi, 'info'> & {
    readonly channels: Pick<NodeApi['channels'], 'list'>
  }

/** The parts of a request that a price may depend on. */
export interface PricedRequest {
  readonly method: string
  readonly url: string
  readonly headers: { get: (name: string) => string | null }
}

export interface GateOptions extends CreditsOptions {
  /** The node that is paid. */
  readonly node: PayeeNode
  /** The price of a request; nothing is asked for where it is 0. */
  readonly price: Satoshi | ((request: PricedRequest) => Satoshi)
  /** The name of what is sold, as the client sees it: mostly the host. */
  readonly realm: string
  /** What it is, for people. */
  readonly description?: string
  readonly unitType?: string
  /** Requests that are answered while the first channel of a payer is being opened; none. */
  readonly trustedUnits?: number
}

/** A request that may go on. */
export interface Admitted {
  readonly refusal: undefined
  /** Undefined where nothing was paid. */
  readonly receipt: string | undefined
  /** Says that it was not delivered, so that it costs nothing. */
  readonly giveBack: () => void
}

/** A request that may go on, or the answer that it gets instead. */
export type Admission = Admitted | { readonly refusal: Response }

const FREE: Admission = { refusal: undefined, receipt: undefined, giveBack: () => {} }

/** The addresses and limits of a node change seldom. */
const INFO_FOR_MS = 10_000

/** Seconds after which a payer may ask again: its channel needs blocks. */
const RETRY_S = 30

/** A channel that is on its way, and cannot be paid on yet. */
const OPENING: ReadonlySet<ChannelInfo['status']> = new Set(['confirming'])

/** Problem types of the scheme (section 8 of the draft), and of its sessions. */
const PROBLEMS = 'https://paymentauth.org/problems/'

interface Problem {
  readonly status: number
  readonly type: string
  readonly title: string
  readonly detail: string
  readonly retryAfter?: number
  readonly session?: Standing & { readonly missing: bigint }
}

const PAYMENT_REQUIRED = {
  status: 402,
  type: 'payment-required',
  title: 'Payment Required'
} as const

const EXPIRED = {
  status: 402,
  type: 'payment-expired',
  title: 'Payment Expired',
  detail: 'The session is over. Pay the one that comes with this answer.'
} as const

export class Gate {
  readonly #options: GateOptions
  readonly #credits: Credits
  #info: { readonly at: number; readonly info: NodeInfo } | undefined

  constructor(options: GateOptions) {
    this.#options = options
    this.#credits = new Credits(options)
  }

  /** Listens to the node no more. Requests that wait for a payment are refused. */
  stop(): void {
    this.#credits.stop()
  }

  /** Answers a request, with the handler where it is paid. */
  async handle(request: Request, next: () => Promise<Response>): Promise<Response> {
    const admission = await this.admit(request)
    if (admission.refusal !== undefined) return admission.refusal
    let answer: Response
    try {
      answer = await next()
    } catch (error) {
      admission.giveBack()
      throw error
    }
    return settled(answer, admission)
  }

  /** Decides if a request may go on, and takes its unit when it may. */
  async admit(request: PricedRequest): Promise<Admission> {
    const { price } = this.#options
    const asked = typeof price === 'function' ? price(request) : price
    if (asked === 0n) return FREE
    const authorization = request.headers.get('authorization')
    if (!isPayment(authorization)) {
      return await this.#refused(asked, {
        ...PAYMENT_REQUIRED,
        detail: `This costs ${formatAmount(asked)}. Pay the session of the challenge, and ask again with its credential.`
      })
    }
    try {
      const { challenge, payload } = readCredential(authorization)
      const said = payloadShape.safeParse(payload)
      if (!said.success) {
        throw new PaychanError(
          'ERR_MALFORMED_CREDENTIAL',
          'The credential has no payload of the method paychan. Ask once more without it, and answer the challenge that comes.'
        )
      }
      return await this.#answer(asked, challenge, said.data)
    } catch (error) {
      if (codeOf(error) !== 'ERR_MALFORMED_CREDENTIAL') throw error
      return await this.#refused(asked, {
        status: 400,
        type: 'malformed-credential',
        title: 'Malformed Payment Credential',
        detail: messageOf(error)
      })
    }
  }

  /** For Hono: `app.use('/paid/*', gate.hono())`. */
  hono(): (
    context: { readonly req: { readonly raw: Request }; res: Response },
    next: () => Promise<void>
  ) => Promise<Response | undefined> {
    return async (context, next) => {
      const admission = await this.admit(context.req.raw)
      if (admission.refusal !== undefined) return admission.refusal
      await next()
      const answer = settled(context.res, admission)
      if (answer !== context.res) context.res = answer
      return undefined
    }
  }

  async #answer(asked: Satoshi, challenge: Challenge, payload: SessionPayload): Promise<Admission> {
    const terms = termsOf(challenge)
    if (!isOwnChallenge(this.#credits.secret, challenge) || terms === undefined) {
      return await this.#refused(asked, {
        status: 401,
        type: 'verification-failed',
        title: 'Payment Verification Failed',
        detail:
          'The challenge of the credential is not one that this server has made. Pay the one that comes with this answer.'
      })
    }
    const ends = Date.parse(challenge.expires ?? '')
    if (ends < this.#credits.now()) return await this.#refused(asked, EXPIRED)
    if (terms.price !== asked) {
      return await this.#refused(asked, {
        ...PAYMENT_REQUIRED,
        detail: `This costs ${formatAmount(asked)}, and the session pays ${formatAmount(terms.price)} a unit. Pay the one that comes with this answer.`
      })
    }
    if (payload.action === 'open') await this.#trust(challenge.id, payload.channelId, asked)
    const number = payload.cumulativeAmount
    const taking = await this.#credits.take(challenge.id, number, asked, { ends })
    const standing = this.#credits.standing(challenge.id)
    switch (taking.kind) {
      case 'taken':
        return {
          refusal: undefined,
          receipt: this.#receipt(challenge, number, standing),
          giveBack: () => {
            this.#credits.giveBack(challenge.id, asked)
          }
        }
      case 'over':
        return await this.#refused(asked, EXPIRED)
      case 'spent already':
        return await this.#refused(
          asked,
          {
            status: 402,
            type: 'session/delta-too-small',
            title: 'Unit Spent Already',
            detail: `Unit ${number} of this session has been spent: a credential is good for one request. Make another one, with a higher cumulativeAmount.`,
            session: { ...standing, missing: 0n }
          },
          challenge
        )
      case 'short':
        return await this.#refused(
          asked,
          {
            status: 402,
            type: 'session/insufficient-balance',
            title: 'Insufficient Balance',
            detail: `${formatAmount(standing.paid)} were paid for this session, and ${formatAmount(standing.spent)} are spent. Pay ${taking.missing} sat with the memo ${memoOf(challenge.id)}.`,
            session: { ...standing, missing: taking.missing },
            ...(payload.action === 'open' ? { retryAfter: RETRY_S } : {})
          },
          challenge
        )
    }
  }

  /** Lets the first channel of a payer, while it is opened, have some units before they are paid. */
  async #trust(id: string, channelId: string, price: Satoshi): Promise<void> {
    const { trustedUnits = 0, node } = this.#options
    if (trustedUnits === 0 || this.#credits.isTrusted(channelId)) return
    const channel = (await node.channels.list()).find((each) => each.id === channelId)
    if (channel?.role !== 'server' || !OPENING.has(channel.status)) return
    await this.#credits.trust(id, channelId, price * BigInt(trustedUnits))
  }

  #receipt({ id }: Challenge, number: bigint, { paid, spent, units }: Standing): string {
    return receiptHeader({
      method: METHOD,
      intent: INTENT,
      status: 'success',
      timestamp: new Date(this.#credits.now()).toISOString(),
      reference: `${id}:${number}`,
      challengeId: id,
      acceptedCumulative: paid.toString(),
      spent: spent.toString(),
      units
    })
  }

  /** An answer that says what is wrong, with a challenge: a new one, or that of the session. */
  async #refused(price: Satoshi, problem: Problem, same?: Challenge): Promise<Admission> {
    const { session, retryAfter, type, ...said } = problem
    const { chain } = await this.#nodeInfo()
    if (chain.status !== 'synced') {
      return {
        refusal: problemOf(
          503,
          {
            type: 'about:blank',
            title: 'Service Unavailable',
            detail: 'The node that is paid does not see the chain now, and takes no payments.'
          },
          { 'retry-after': RETRY_S.toString() }
        )
      }
    }
    const challenge = same ?? (await this.#challenge(price))
    const facts =
      session === undefined
        ? {}
        : {
            acceptedCumulative: session.paid.toString(),
            spent: session.spent.toString(),
            missing: session.missing.toString()
          }
    return {
      refusal: problemOf(
        problem.status,
        {
          ...said,
          type: `${PROBLEMS}${type}`,
          challengeId: challenge.id,
          method: METHOD,
          ...facts,
          ...(retryAfter === undefined ? {} : { retryAfter })
        },
        {
          'www-authenticate': challengeHeader(challenge),
          ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter.toString() })
        }
      )
    }
  }

  async #challenge(price: Satoshi): Promise<Challenge> {
    const { realm, description, unitType = 'request', lifetime = HOUR_S } = this.#options
    const { peerId, network, multiaddrs, policy } = await this.#nodeInfo()
    const { minFirstPayment = ZERO_SAT, minDepth } = policy
    const terms = {
      price,
      unitType,
      recipient: peerId,
      network,
      multiaddrs,
      minFirstPayment,
      minDepth
    }
    const asked = {
      realm,
      method: METHOD,
      intent: INTENT,
      request: toToken(requestOf(terms)),
      expires: new Date(this.#credits.now() + lifetime * 1_000).toISOString(),
      description,
      // Two sessions that ask for the same at the same moment are two.
      opaque: toToken({ nonce: randomBytes(12).toString('base64url') })
    }
    return { id: challengeId(this.#credits.secret, asked), ...asked }
  }

  async #nodeInfo(): Promise<NodeInfo> {
    const now = this.#credits.now()
    if (this.#info === undefined || now - this.#info.at > INFO_FOR_MS) {
      this.#info = { at: now, info: await this.#options.node.info() }
    }
    return this.#info.info
  }
}

function problemOf(status: number, problem: object, headers: Record<string, string>): Response {
  return new Response(JSON.stringify({ status, ...problem }), {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...headers
    }
  })
}

/** The answer to a request that went on: with its receipt; not charged where nothing was delivered. */
function settled(answer: Response, { receipt, giveBack }: Admitted): Response {
  if (answer.status < 500) return receipt === undefined ? answer : withReceipt(answer, receipt)
  giveBack()
  return answer
}

/** The answer with its receipt. What was paid for is for the payer alone. */
function withReceipt(answer: Response, receipt: string): Response {
  const headers = new Headers(answer.headers)
  headers.set('payment-receipt', receipt)
  if (!headers.has('cache-control')) headers.set('cache-control', 'private')
  const { status, statusText } = answer
  return new Response(answer.body, { status, statusText, headers })
}
