/**
 * The sessions of `paychan` as a scheme of x402, version 2: a server asks with `PAYMENT-REQUIRED`,
 * a client answers with `PAYMENT-SIGNATURE`, and the answer that it gets has `PAYMENT-RESPONSE`.
 * Each is base64 of JSON. A requirement carries the challenge of a session, so that a session is
 * the same whichever header names it.
 *
 * Specified in protocols/http/1.0/spec.md, HTTP-9 to HTTP-12.
 */
import { z } from 'zod'
import { PaychanError } from '../types/errors.js'
import { challengeShape, type Challenge } from './payment-auth.js'
import {
  chainIdOf,
  payloadShape,
  termsOf,
  type ChainId,
  type SessionPayload,
  type SessionTerms
} from './session-terms.js'
import type { Taken } from './till.js'

export const X402_VERSION = 2
export const X402_SCHEME = 'paychan'
/** The asset: amounts are satoshis. */
export const X402_ASSET = 'sat'
/** A unit is taken before the resource is made, and given back when it could not be (HTTP-7). */
export const X402_FLOW = 'upfront'
/** The extension by which a payment that comes again gets the same answer (HTTP-11). */
export const PAYMENT_IDENTIFIER = 'payment-identifier'

/** More than any honest header has. */
const MOST_LENGTH = 65_536

/** The demand of a server, in one of the ways in which it can be paid. */
export interface X402Requirement {
  readonly scheme: string
  readonly network: ChainId
  readonly asset: string
  /** In the smallest unit of the asset. */
  readonly amount: string
  readonly payTo: string
  readonly maxTimeoutSeconds: number
  readonly extra: Record<string, unknown>
}

/** The same as `@x402/core` types it, which may write to it. */
export type X402Writable = {
  -readonly [Field in keyof X402Requirement]: X402Requirement[Field]
}

export interface X402Resource {
  readonly url: string
  readonly description?: string
}

/** The data of `PAYMENT-REQUIRED`. */
export interface X402Required {
  readonly x402Version: number
  readonly error?: string
  readonly resource: X402Resource
  readonly accepts: readonly X402Requirement[]
  readonly extensions?: Record<string, unknown>
}

/** The data of `PAYMENT-SIGNATURE`. */
export interface X402Payload {
  readonly x402Version: number
  readonly resource?: X402Resource
  readonly accepted: X402Requirement
  readonly payload: Record<string, unknown>
  readonly extensions?: Record<string, unknown>
}

/** The data of `PAYMENT-RESPONSE`. */
export interface X402Settlement {
  readonly success: boolean
  readonly errorReason?: string
  readonly errorMessage?: string
  /** The identifier of the payment: there is no transaction for each. */
  readonly transaction: string
  readonly network: ChainId
  readonly amount?: string
  readonly extra?: Record<string, unknown>
}

/** The demand of a server. */
export interface Offer {
  readonly challenge: Challenge
  readonly terms: SessionTerms
  /** The same in x402, when the server is paid that way. */
  readonly x402?: X402Offer | undefined
}

/** An offer as it came, which a client keeps to answer it. */
export interface X402Offer {
  readonly accepted: X402Requirement
  readonly resource?: X402Resource | undefined
  readonly extensions?: Record<string, unknown> | undefined
}

const facts = z.record(z.string(), z.unknown())

const requirementShape = z.looseObject({
  scheme: z.string().max(64),
  network: z.templateLiteral([z.string(), ':', z.string()]),
  asset: z.string().max(256),
  amount: z.string().max(64),
  payTo: z.string().max(256),
  maxTimeoutSeconds: z.number().positive(),
  extra: facts
})

const resourceShape = z.looseObject({ url: z.string().max(8_192) })

export const x402OfferShape = z.object({
  accepted: requirementShape,
  resource: resourceShape.optional(),
  extensions: facts.optional()
})

const requiredShape = z.object({
  x402Version: z.literal(X402_VERSION),
  resource: resourceShape.optional(),
  accepts: z.array(z.unknown()).max(64),
  extensions: facts.nullish()
})

const sessionShape = z.object({ challenge: challengeShape.optional() })

const paymentShape = z.object({
  x402Version: z.literal(X402_VERSION),
  accepted: requirementShape,
  payload: z.unknown(),
  extensions: facts.nullish()
})

const identifierShape = z.object({
  info: z.object({
    id: z
      .string()
      .regex(/^[A-Za-z0-9_-]{16,128}$/)
      .optional()
  })
})

/** Writes data for a header. */
export function toX402Header(data: object): string {
  return Buffer.from(JSON.stringify(data)).toString('base64')
}

/** The data of a header; undefined when it is none. */
function fromX402Header(header: string | null): unknown {
  if (header === null || header.length > MOST_LENGTH) return undefined
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(header)) return undefined
  try {
    return JSON.parse(Buffer.from(header, 'base64').toString('utf8'))
  } catch {
    return undefined
  }
}

function ownTermsOf(challenge: Challenge): SessionTerms {
  const terms = termsOf(challenge)
  if (terms === undefined) throw new Error('A till makes challenges of its own method.')
  return terms
}

/** The requirement that asks for what a challenge asks for. */
export function requirementOf(challenge: Challenge, lifetime: number): X402Requirement {
  const { network, price, recipient } = ownTermsOf(challenge)
  return {
    scheme: X402_SCHEME,
    network: chainIdOf(network),
    asset: X402_ASSET,
    amount: price.toString(),
    payTo: recipient,
    maxTimeoutSeconds: lifetime,
    extra: { challenge, paymentFlow: X402_FLOW }
  }
}

/** The challenge of a requirement, when both ask for the same (HTTP-10); else undefined. */
export function challengeOf(requirement: X402Requirement): Challenge | undefined {
  const read = challengeShape.safeParse(requirement.extra['challenge'])
  return read.success && isFor(requirement, read.data) ? read.data : undefined
}

/** True when a requirement and a challenge ask for the same. */
export function isFor(requirement: X402Requirement, challenge: Challenge): boolean {
  const terms = termsOf(challenge)
  const { scheme, network, asset, amount, payTo } = requirement
  return (
    terms !== undefined &&
    scheme === X402_SCHEME &&
    asset === X402_ASSET &&
    network === chainIdOf(terms.network) &&
    amount === terms.price.toString() &&
    payTo === terms.recipient
  )
}

/** The offer of a requirement of this scheme; undefined for any other one. */
export function x402OfferOf(offer: X402Offer): Offer | undefined {
  const challenge = challengeOf(offer.accepted)
  const terms = challenge === undefined ? undefined : termsOf(challenge)
  if (challenge === undefined || terms === undefined) return undefined
  return { challenge, terms, x402: offer }
}

/** The offers in a value of `PAYMENT-REQUIRED` that can be paid by this scheme. */
export function readRequired(header: string | null): Offer[] {
  const read = requiredShape.safeParse(fromX402Header(header))
  if (!read.success) return []
  const { accepts, resource, extensions } = read.data
  return accepts.flatMap((each) => {
    const accepted = requirementShape.safeParse(each)
    if (!accepted.success) return []
    const offer = x402OfferOf({
      accepted: accepted.data,
      resource,
      extensions: extensions ?? undefined
    })
    return offer === undefined ? [] : [offer]
  })
}

/** The declaration of a server so that payments may carry an identifier. */
export const IDENTIFIER_DECLARATION = {
  info: { required: false },
  schema: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: {
      required: { type: 'boolean' },
      id: { type: 'string', minLength: 16, maxLength: 128, pattern: '^[a-zA-Z0-9_-]+$' }
    },
    required: ['required']
  }
} as const

/** The extensions of a payment: those that were declared, with an identifier where one is taken. */
export function withIdentifier(
  declared: Record<string, unknown> | undefined,
  id: string
): Record<string, unknown> | undefined {
  const extension = z.looseObject({ info: facts }).safeParse(declared?.[PAYMENT_IDENTIFIER])
  if (!extension.success) return declared
  const { info, ...rest } = extension.data
  return { ...declared, [PAYMENT_IDENTIFIER]: { ...rest, info: { id, ...info } } }
}

/** The value of `PAYMENT-SIGNATURE` for a unit of a session. */
export function paymentHeader(offer: X402Offer, challenge: Challenge, number: bigint): string {
  const { accepted, resource, extensions } = offer
  const payment: X402Payload = {
    x402Version: X402_VERSION,
    ...(resource === undefined ? {} : { resource }),
    accepted,
    payload: unitOf(challenge, number, accepted)
  }
  const declared = withIdentifier(extensions, `${challenge.id}_${number}`)
  return toX402Header(declared === undefined ? payment : { ...payment, extensions: declared })
}

/** The payload for a unit: it names its session where that is not the one of the requirement. */
export function unitOf(
  challenge: Challenge,
  number: bigint,
  accepted: X402Requirement
): Record<string, unknown> {
  const unit = { action: 'voucher', cumulativeAmount: number.toString() }
  return challengeOf(accepted)?.id === challenge.id ? unit : { ...unit, challenge }
}

/** A payment as a server reads it. */
export interface X402Payment {
  readonly challenge: Challenge
  readonly payload: SessionPayload
  readonly id: string | undefined
}

/** Reads a value of `PAYMENT-SIGNATURE`. @throws PaychanError `ERR_MALFORMED_CREDENTIAL` */
export function readPayment(header: string): X402Payment {
  return paymentOf(fromX402Header(header))
}

/** @throws PaychanError `ERR_MALFORMED_CREDENTIAL` */
export function paymentOf(data: unknown): X402Payment {
  const read = paymentShape.safeParse(data)
  if (!read.success) throw malformed('has no readable payment')
  const { accepted, payload, extensions } = read.data
  const [unit, session] = [payloadShape.safeParse(payload), sessionShape.safeParse(payload)]
  if (!unit.success || !session.success) throw malformed('names no unit of a session')
  const offered = challengeOf(accepted)
  const challenge = session.data.challenge ?? offered
  if (offered === undefined || challenge === undefined || !isFor(accepted, challenge)) {
    throw malformed('accepts something else than the session that it names was opened for')
  }
  const named = identifierShape.safeParse(extensions?.[PAYMENT_IDENTIFIER] ?? { info: {} })
  if (!named.success) {
    throw malformed('has an identifier that is not 16 to 128 letters, digits, - or _')
  }
  return { challenge, payload: unit.data, id: named.data.info.id }
}

/** `PAYMENT-RESPONSE` for a unit that was taken. */
export function settlementOf({ challenge, number, price, standing }: Taken): X402Settlement {
  const { paid, spent, units } = standing
  return {
    success: true,
    transaction: `${challenge.id}:${number}`,
    network: chainIdOf(ownTermsOf(challenge).network),
    amount: price.toString(),
    extra: { acceptedCumulative: paid.toString(), spent: spent.toString(), units }
  }
}

/** A settlement of nothing: the unit was given back. */
export const NOTHING = '0'

/** `PAYMENT-RESPONSE` for a unit that was given back (HTTP-7). */
export function unsettledOf(taken: Taken): X402Settlement {
  return { ...settlementOf(taken), amount: NOTHING }
}

function malformed(what: string): PaychanError {
  return new PaychanError(
    'ERR_MALFORMED_CREDENTIAL',
    `The PAYMENT-SIGNATURE header ${what}. Ask once more without it, and answer the PAYMENT-REQUIRED that comes.`
  )
}

const settlementShape = z.object({
  success: z.boolean(),
  errorReason: z.string().optional(),
  amount: z.string().optional()
})

/** True when a `PAYMENT-RESPONSE` says that a unit is used; one that was given back is not. */
export function isUnitUsed(header: string | null): boolean {
  const { data } = settlementShape.safeParse(fromX402Header(header))
  return data?.success === true && data.amount !== NOTHING
}

/**
 * The reason why a server did not take a payment, by its `PAYMENT-RESPONSE`; undefined when it did,
 * or says nothing.
 */
export function refusalIn(header: string | null): string | undefined {
  const read = settlementShape.safeParse(fromX402Header(header))
  return read.success && !read.data.success ? (read.data.errorReason ?? '') : undefined
}
