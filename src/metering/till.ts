/**
 * The till of a seller: it makes the challenges that ask for a price, and takes the units that
 * their sessions were paid for, by whatever header they are named.
 */
import { randomBytes } from 'node:crypto'
import type { ChannelInfo, NodeApi, NodeInfo } from '../node/api.js'
import { formatAmount, ZERO_SAT, type Satoshi } from '../types/units.js'
import { remember } from '../types/allowance.js'
import { Credits, HOUR_S, type CreditsOptions, type PaidNode } from './credits.js'
import { isEventStream, soldEvents, type NeedVoucher, type StreamUnit } from './event-stream.js'
import {
  challengeId,
  isOwnChallenge,
  isSame,
  toToken,
  type Challenge,
  type Receipt
} from './payment-auth.js'
import {
  INTENT,
  memoOf,
  METHOD,
  NUMBER_USED,
  requestOf,
  termsOf,
  type SessionPayload,
  type SessionTerms
} from './session-terms.js'
import type { Standing } from './sessions.js'

/** A part of a node; the whole of it fits, also one in another process. */
export type PayeeNode = PaidNode &
  Pick<NodeApi, 'info'> & {
    readonly channels: Pick<NodeApi['channels'], 'list'>
  }

export interface TillOptions extends CreditsOptions {
  /** The node that is paid. */
  readonly node: PayeeNode
  /** The name of what is sold, as the client sees it: mostly the host. */
  readonly realm: string
  /** Its description for people. */
  readonly description?: string
  readonly unitType?: string
  /**
   * What costs a unit of an answer that is a stream of events (`text/event-stream`), which is paid
   * as it goes. When left out, such an answer is one unit.
   */
  readonly streamed?: StreamUnit
  /** Milliseconds that an event waits for its payment; 30,000 when left out. */
  readonly streamPatience?: number
  /** Units that are sold while the first channel of a payer is being opened; none. */
  readonly trustedUnits?: number
}

/** The reason why a unit is not sold. The type is that of the problem (RFC 9457). */
export interface Problem {
  readonly status: number
  readonly type: string
  readonly title: string
  readonly detail: string
  /** Seconds after which asking again makes sense. */
  readonly retryAfter?: number
  readonly session?: Standing & { readonly missing: bigint }
}

/** Problem types of the scheme (section 8 of the draft), and of its sessions. */
const PROBLEMS = 'https://paymentauth.org/problems/'

/** The details of a problem (RFC 9457), in the answer that offers a challenge. */
export function problemDetails(problem: Problem, challengeId: string | undefined): object {
  const { session, retryAfter, type, ...said } = problem
  const facts =
    session === undefined
      ? {}
      : {
          acceptedCumulative: session.paid.toString(),
          spent: session.spent.toString(),
          missing: session.missing.toString()
        }
  return {
    ...said,
    type: type === UNAVAILABLE.type ? type : `${PROBLEMS}${type}`,
    challengeId,
    method: METHOD,
    ...facts,
    ...(retryAfter === undefined ? {} : { retryAfter })
  }
}

/** A unit that was taken. */
export interface Taken {
  readonly problem: undefined
  readonly challenge: Challenge
  readonly number: bigint
  readonly price: Satoshi
  readonly standing: Standing
}

/** A unit that was not; the challenge is that of the session where it can be paid on. */
export interface Untaken {
  readonly problem: Problem
  readonly challenge?: Challenge
}

const STREAM_PATIENCE_MS = 30_000
/** The addresses and limits of a node change seldom. */
const INFO_FOR_MS = 10_000

/** Challenges that are known again without their MAC; the one that was made first goes first. */
const MOST_KNOWN = 1_000

/** Seconds after which a payer may ask again: its channel needs blocks. */
const RETRY_S = 30

/** A channel that is on its way, and cannot be paid on yet. */
const OPENING: ReadonlySet<ChannelInfo['status']> = new Set(['confirming'])

export const PAYMENT_REQUIRED = {
  status: 402,
  type: 'payment-required',
  title: 'Payment Required'
} as const

/** Nothing is asked for where it could not be seen. */
export const UNAVAILABLE = {
  status: 503,
  type: 'about:blank',
  title: 'Service Unavailable',
  detail: 'The node that is paid does not see the chain now, and takes no payments.'
} as const

const EXPIRED = {
  status: 402,
  type: 'payment-expired',
  title: 'Payment Expired',
  detail: 'The session is over. Pay the one that comes with this answer.'
} as const

export class Till {
  readonly #credits: Credits
  /**
   * Challenges whose MAC was found right: of a session that is paid again and again it is looked at
   * once.
   */
  readonly #known = new Map<
    string,
    { readonly challenge: Challenge; readonly terms: SessionTerms }
  >()
  #info: { readonly at: number; readonly info: NodeInfo } | undefined
  readonly #options: TillOptions

  constructor(options: TillOptions) {
    this.#options = options
    this.#credits = new Credits(options)
  }

  /** Listens to the node no more. Units that wait for a payment are refused. */
  stop(): void {
    this.#credits.stop()
  }

  now(): number {
    return this.#credits.now()
  }

  /** Seconds for which a session lives. */
  get lifetime(): number {
    return this.#options.lifetime ?? HOUR_S
  }

  /** The node that is paid, as it was a moment ago. */
  async info(): Promise<NodeInfo> {
    const now = this.now()
    if (this.#info === undefined || now - this.#info.at > INFO_FOR_MS) {
      this.#info = { at: now, info: await this.#options.node.info() }
    }
    return this.#info.info
  }

  /** What a unit costs at a price, and how it is paid. */
  async terms(price: Satoshi): Promise<SessionTerms> {
    const { unitType = 'request', streamed } = this.#options
    const { peerId, network, multiaddrs, policy } = await this.info()
    const { minFirstPayment = ZERO_SAT, minDepth } = policy
    return {
      price,
      unitType,
      recipient: peerId,
      network,
      multiaddrs,
      minFirstPayment,
      minDepth,
      streamed
    }
  }

  /** True when payments may be asked for. */
  async isAvailable(): Promise<boolean> {
    return (await this.info()).chain.status === 'synced'
  }

  /** Asks for a price, in a new session. */
  async challenge(price: Satoshi): Promise<Challenge> {
    const { realm, description } = this.#options
    const asked = {
      realm,
      method: METHOD,
      intent: INTENT,
      request: toToken(requestOf(await this.terms(price))),
      expires: new Date(this.now() + this.lifetime * 1_000).toISOString(),
      description,
      opaque: toToken({ nonce: sessionNonce() })
    }
    return { id: challengeId(this.#credits.secret, asked), ...asked }
  }

  /** The terms of a challenge that this seller has made; undefined for any other. */
  #ownTerms(challenge: Challenge): SessionTerms | undefined {
    const known = this.#known.get(challenge.id)
    if (known !== undefined && isSame(known.challenge, challenge)) return known.terms
    const terms = termsOf(challenge)
    if (!isOwnChallenge(this.#credits.secret, challenge) || terms === undefined) return undefined
    remember(this.#known, challenge.id, { challenge, terms }, MOST_KNOWN)
    return terms
  }

  /** The fault of a credential before its payment is looked at (HTTP-1). */
  refusal(asked: Satoshi, challenge: Challenge): Problem | undefined {
    const terms = this.#ownTerms(challenge)
    if (terms === undefined) {
      return {
        status: 401,
        type: 'verification-failed',
        title: 'Payment Verification Failed',
        detail:
          'The challenge of the credential is not one that this server has made. Pay the one that comes with this answer.'
      }
    }
    if (endOf(challenge) < this.now()) return EXPIRED
    if (terms.price === asked) return undefined
    return {
      ...PAYMENT_REQUIRED,
      detail: `This costs ${formatAmount(asked)}, and the session pays ${formatAmount(terms.price)} a unit. Pay the one that comes with this answer.`
    }
  }

  /** Takes the unit that a credential names; waits a moment for its payment. */
  async take(
    price: Satoshi,
    challenge: Challenge,
    payload: SessionPayload
  ): Promise<Taken | Untaken> {
    const problem = this.refusal(price, challenge)
    if (problem !== undefined) return { problem }
    if (payload.action === 'open') await this.#trust(challenge.id, payload.channelId, price)
    const number = payload.cumulativeAmount
    const ends = endOf(challenge)
    const taking = await this.#credits.take(challenge.id, number, price, { ends })
    const standing = this.#credits.standing(challenge.id)
    switch (taking.kind) {
      case 'taken':
        return { problem: undefined, challenge, number, price, standing }
      case 'over':
        return { problem: EXPIRED }
      case 'spent already':
        return {
          challenge,
          problem: {
            status: 402,
            type: NUMBER_USED,
            title: 'Unit Spent Already',
            detail: `Unit ${number} of this session has been spent: a credential is good for one request. Make another one, with a higher cumulativeAmount.`,
            session: { ...standing, missing: 0n }
          }
        }
      case 'short':
        return {
          challenge,
          problem: {
            status: 402,
            type: 'session/insufficient-balance',
            title: 'Insufficient Balance',
            detail: `${formatAmount(standing.paid)} were paid for this session, and ${formatAmount(standing.spent)} are spent. Pay ${taking.missing} sat with the memo ${memoOf(challenge.id)}.`,
            session: { ...standing, missing: taking.missing },
            ...(payload.action === 'open' ? { retryAfter: RETRY_S } : {})
          }
        }
    }
  }

  /**
   * Takes one more unit of what is delivered already; `ask` is told when it has to be paid first.
   */
  async #takeMore(
    { challenge, price }: Taken,
    ask: (need: NeedVoucher) => void,
    signal: AbortSignal
  ): Promise<boolean> {
    const { id } = challenge
    const onShort = (): void => {
      const { spent, paid } = this.#credits.standing(id)
      ask({ session: id, required: spent + price, accepted: paid })
    }
    const { streamPatience: patience = STREAM_PATIENCE_MS } = this.#options
    const waiting = { patience, onShort, signal }
    const unit = { ends: endOf(challenge) }
    const taking = await this.#credits.take(id, undefined, price, unit, waiting)
    return taking.kind === 'taken'
  }

  /** The answer, of which each event is paid before it goes, where events are sold (HTTP-13). */
  metered(answer: Response, taken: Taken): Response {
    const { streamed: unit } = this.#options
    if (unit === undefined || answer.body === null) return answer
    if (!answer.ok || !isEventStream(answer)) return answer
    const sold = soldEvents(answer.body, {
      unit,
      take: async (ask, signal) => await this.#takeMore(taken, ask, signal),
      receipt: () => this.receipt(taken, this.#credits.standing(taken.challenge.id))
    })
    const { status, statusText } = answer
    const headers = new Headers(answer.headers)
    headers.delete('content-length')
    return new Response(sold, { status, statusText, headers })
  }

  /** The word about a unit that was taken, with what its session was paid. */
  receipt({ challenge: { id }, number, standing: then }: Taken, standing = then): Receipt {
    const { paid, spent, units } = standing
    return {
      method: METHOD,
      intent: INTENT,
      status: 'success',
      timestamp: new Date(this.now()).toISOString(),
      reference: `${id}:${number}`,
      challengeId: id,
      acceptedCumulative: paid.toString(),
      spent: spent.toString(),
      units
    }
  }

  /** Says that a unit was not delivered, so that it costs nothing (HTTP-7). */
  giveBack({ challenge, price }: Taken): void {
    this.#credits.giveBack(challenge.id, price)
  }

  /**
   * Lets the first channel of a payer, while it is opened, have some units before they are paid.
   */
  async #trust(id: string, channelId: string, price: Satoshi): Promise<void> {
    const { trustedUnits = 0, node } = this.#options
    if (trustedUnits === 0 || this.#credits.isTrusted(channelId)) return
    // That one alone: strangers say which, as often as they like.
    const found = await node.channels.list({ id: channelId })
    const channel = found.find(({ id: named }) => named === channelId)
    if (channel?.role !== 'server' || !OPENING.has(channel.status)) return
    // A T1 that no server takes costs whoever makes it up nothing (HTTP-8).
    if (!channel.fundingSeen || !channel.watched) return
    // And one server alone may show a T1 that spends nothing.
    const { chain } = await this.info()
    const isOne = chain.servers.filter(({ state }) => state === 'used').length < 2
    if (!isOne && !channel.fundingAgreed) return
    await this.#credits.trust(id, channelId, price * BigInt(trustedUnits))
  }
}

/** Two sessions that ask for the same at the same moment are two. */
export function sessionNonce(): string {
  return randomBytes(12).toString('base64url')
}

/** The end of the session of a challenge, in milliseconds since 1970. */
function endOf({ expires }: Challenge): number {
  return Date.parse(expires ?? '')
}
