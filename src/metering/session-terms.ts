/**
 * The method `paychan` of the "Payment" scheme, intent `session`: what its challenges ask for, and
 * what its credentials say. The money itself goes over the channel, on libp2p; the header only
 * names the session that it was paid for.
 *
 * Specified in protocols/http/1.0/spec.md.
 */
import { peerIdFromString } from '@libp2p/peer-id'
import { z } from 'zod'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { networkParams } from '../bitcoin/address.js'
import { NETWORKS } from '../bitcoin/network-names.js'
import { SESSION_MEMO } from '../engine/requests.js'
import { satoshi, type Satoshi } from '../types/units.js'
import type { StreamUnit } from './event-stream.js'
import { fromToken, type Challenge } from './payment-auth.js'

export const METHOD = 'paychan'
export const INTENT = 'session'

/** The price of a unit, and the addresses of its payee. */
export interface SessionTerms {
  /** Price of a unit. */
  readonly price: Satoshi
  /** The kind of unit that is sold: `request`, `byte`, `token`. */
  readonly unitType: string
  /** PeerId of the payee. */
  readonly recipient: string
  readonly network: Network
  readonly multiaddrs: readonly string[]
  /** The first payment on a new channel to the payee is at least this (UPD-10). */
  readonly minFirstPayment: Satoshi
  /** A new channel can be paid on once T1 is so deep (FUND-4). */
  readonly minDepth: number
  /** The unit of an answer of events; undefined where an answer is one. */
  readonly streamed?: StreamUnit | undefined
}

const amount = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform((text) => BigInt(text))
  .refine((sats) => sats <= 2_100_000_000_000_000n)
  .transform((sats) => satoshi(sats))

const requestShape = z.object({
  amount,
  currency: z.literal('sat'),
  unitType: z.string().max(64).default('request'),
  recipient: z.string().max(128).refine(isPeerId),
  methodDetails: z.object({
    network: z.string().max(64),
    multiaddrs: z.array(z.string().max(1_024)).max(32).default([]),
    minFirstPayment: amount.default(satoshi(0n)),
    minDepth: z.number().int().min(0).max(1_000).default(1),
    streamed: z
      .union([z.literal('event'), z.object({ bytes: z.number().int().positive() })])
      .optional()
  })
})

/** True in the one form that a PeerId has: a seller that does not deliver is known again by it. */
function isPeerId(text: string): boolean {
  try {
    return peerIdFromString(text).toString() === text
  } catch {
    return false
  }
}

/** CAIP-2. */
export type ChainId = `${string}:${string}`

/** CAIP-2: the first 16 bytes of the hash of block 0. */
export function chainIdOf(network: Network): ChainId {
  return `bip122:${networkParams(network).genesisHash.slice(0, 32)}`
}

/** The data of `request`, to be written canonically. */
export function requestOf(terms: SessionTerms): z.input<typeof requestShape> {
  const { price, unitType, recipient, network, multiaddrs, minFirstPayment, minDepth, streamed } =
    terms
  return {
    amount: price.toString(),
    currency: 'sat',
    unitType,
    recipient,
    methodDetails: {
      network: chainIdOf(network),
      multiaddrs: [...multiaddrs],
      minFirstPayment: minFirstPayment.toString(),
      minDepth,
      ...(streamed === undefined ? {} : { streamed })
    }
  }
}

/** The terms of a challenge; undefined when it is not one of ours, or cannot be read. */
export function termsOf({ method, intent, request }: Challenge): SessionTerms | undefined {
  if (method !== METHOD || intent !== INTENT) return undefined
  const read = requestShape.safeParse(fromToken(request))
  if (!read.success) return undefined
  const { amount: price, unitType, recipient, methodDetails } = read.data
  const { multiaddrs, minFirstPayment, minDepth, streamed } = methodDetails
  const network = NETWORKS.find((each) => chainIdOf(each) === methodDetails.network)
  if (network === undefined || price === 0n) return undefined
  return { price, unitType, recipient, network, multiaddrs, minFirstPayment, minDepth, streamed }
}

/**
 * `voucher`: one unit, numbered by `cumulativeAmount`, is to be spent; `open`: a channel to pay
 * with has been opened, and is not deep enough yet.
 */
export const payloadShape = z.discriminatedUnion('action', [
  z.object({ action: z.literal('voucher'), cumulativeAmount: amount }),
  z.object({
    action: z.literal('open'),
    channelId: z.string().regex(/^[0-9a-f]{64}$/),
    cumulativeAmount: amount
  })
])

export type SessionPayload = z.output<typeof payloadShape>

/** The type of the problem that the number of a unit was taken before (HTTP-5). */
export const NUMBER_USED = 'session/delta-too-small'

/** The memo of what is paid for a session: it credits the session, on whatever channel it comes. */
export function memoOf(challengeId: string): string {
  return `${SESSION_MEMO}${challengeId}`
}

/** The session that a received payment is for; undefined when it is for none. */
export function sessionOfMemo(memo: string): string | undefined {
  return memo.startsWith(SESSION_MEMO) ? memo.slice(SESSION_MEMO.length) : undefined
}
