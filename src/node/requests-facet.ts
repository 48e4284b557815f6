/**
 * Payment requests of a node: made and listed by the payee, read and paid by the payer, with the
 * receipt that the payee signs.
 *
 * - `receipt/<id of the request>/<nonce, if it is reusable>`: a receipt that this node was given
 */
import type { PrivateKey } from '@libp2p/interface'
import { z } from 'zod'
import { requestOfUri, requestUri } from '../bitcoin/uri.js'
import { sha256OfText } from '../bitcoin/hashes.js'
import { memoRefusal } from '../channel/paying.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import {
  type Answer,
  isTextOf,
  MAX_ADDRESSES,
  type Question,
  REQUEST_ID_BYTES,
  textOf
} from '../../protocols/request/1.0/index.js'
import { checkPaymentId } from '../engine/keyed-payments.js'
import { nameOfRequest } from '../engine/paid-records.js'
import type { RequestRecord } from '../engine/requests.js'
import {
  dialledAddresses,
  signReceipt,
  signRequest,
  type VerifiedRequest,
  verifyReceipt,
  verifyRequest
} from '../p2p/requests.js'
import { toHex } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { parseRecord, recordChange } from '../types/records.js'
import { formatAmount, satoshi, type Satoshi } from '../types/units.js'
import { payNamed } from './payments-facet.js'
import { amountOf } from './plan-payment.js'
import type {
  PayRequestOptions,
  ReceiptInfo,
  RequestInfo,
  RequestPayment,
  RequestsApi,
  RequestTerms
} from './requests-api.js'
import type { Running } from './running.js'
import { systemClock, systemRandom } from './system.js'

export const RECEIPT_PREFIX = 'receipt/'

const TEN_YEARS_S = 315_360_000

/** What the requests of a node need beside its running parts. */
export interface RequestsEnv {
  readonly network: Network
  readonly privateKey: PrivateKey
  /** Multiaddrs that others can dial, with or without `/p2p` at the end. */
  readonly multiaddrs: () => readonly string[]
}

/** The facet `requests`; `running` throws while the node is stopped. */
export function requestsFacet(running: () => Running, env: RequestsEnv): RequestsApi {
  return {
    make: async (options = {}) => {
      const { engine, peers } = running()
      const { memo = '', reusable = false } = options
      const amount = options.amount === undefined ? undefined : payable(options.amount)
      const refusal = memoRefusal(memo)
      if (refusal !== undefined) throw refusal
      const now = seconds(systemClock.now())
      const request = {
        network: env.network,
        addresses: env.multiaddrs().map(withoutPeer(peers.self)).slice(0, MAX_ADDRESSES),
        id: toHex(systemRandom.bytes(REQUEST_ID_BYTES)),
        amount,
        memo,
        made: now,
        expires: options.expiresIn === undefined ? undefined : now + lifetime(options.expiresIn),
        reusable,
        leastFirstPayment: engine.leastFirstPayment
      }
      const text = await signRequest(request, env.privateKey)
      const { id, expires, leastFirstPayment } = request
      const record = await engine.requests.make({
        id,
        text,
        amount,
        memo,
        made: 1_000 * now,
        expires: expires === undefined ? undefined : 1_000 * expires,
        reusable,
        leastFirstPayment
      })
      return requestInfo(record)
    },

    list: async ({ limit } = {}) => {
      const all: RequestRecord[] = []
      for await (const record of running().engine.requests.all()) all.push(record)
      return all
        .sort((a, b) => (a.made === b.made ? (a.id < b.id ? -1 : 1) : b.made - a.made))
        .slice(0, limit)
        .map(requestInfo)
    },

    read: async (text) => termsOf(await readable(text, env.network)),

    pay: async (options) => await payRequest(running(), env, options),

    receipt: async (given, id) => {
      const parts = running()
      const isText = isRequestText(given)
      const terms = isText ? await readable(given, env.network) : undefined
      const request = terms?.id ?? given
      const nonce = id === undefined ? undefined : nonceOf(id)
      const kept = await keptReceipt(parts, request, nonce)
      if (kept !== undefined) return await readReceipt(kept)
      if (terms === undefined) {
        throw new PaychanError(
          'ERR_NO_RECEIPT',
          `This node has no receipt for the request ${request}. Give the text of the request (paychan1...), so that its payee can be asked.`,
          { request }
        )
      }
      await reach(parts, terms)
      return await readReceipt(await fetchReceipt(parts, terms, nonce))
    }
  }
}

/* The payee. */

/** REQ-11: says to a peer how a request stands, and gives the receipt to the one that has paid it. */
export async function answerQuestion(
  { engine }: Running,
  env: RequestsEnv,
  { id, nonce }: Question,
  peer: string
): Promise<Answer> {
  const record = await engine.requests.find(id)
  if (record === undefined || record.reusable !== (nonce !== undefined)) {
    return { state: 'unknown', receipt: undefined }
  }
  const received = await engine.requests.receivedFrom(peer, id, nonce)
  const isPaid = received !== undefined && received.amount >= (record.amount ?? 1n)
  const receipt = isPaid
    ? await signReceipt(
        {
          network: env.network,
          payer: peer,
          id,
          nonce,
          amount: received.amount,
          memo: record.memo,
          paid: seconds(received.time)
        },
        env.privateKey
      )
    : undefined
  if (isPaid || record.paidBy !== undefined) return { state: 'paid', receipt }
  return { state: isExpired(record.expires) ? 'expired' : 'open', receipt }
}

export function requestInfo(record: RequestRecord): RequestInfo {
  const { amount, expires, paidBy, paidAt } = record
  return {
    ...record,
    amount,
    expires,
    paidBy,
    paidAt,
    uri: requestUri(record.text),
    state: stateOf(record)
  }
}

function stateOf({ paidBy, expires, reusable, received }: RequestRecord): RequestInfo['state'] {
  if (paidBy !== undefined) return 'paid'
  if (isExpired(expires)) return 'expired'
  return received > 0n && !reusable ? 'partly' : 'open'
}

/** The address of a request has no PeerId: its key says who is meant. */
function withoutPeer(self: string): (address: string) => string {
  const end = `/p2p/${self}`
  return (address) => (address.endsWith(end) ? address.slice(0, -end.length) : address)
}

function lifetime(wanted: number): number {
  if (Number.isInteger(wanted) && wanted >= 1 && wanted <= TEN_YEARS_S) return wanted
  throw new PaychanError(
    'ERR_INVALID_EXPIRY',
    'A request lives for a whole number of seconds, from 1 to ten years.',
    { asked: wanted }
  )
}

/* The payer. */

async function payRequest(
  parts: Running,
  { network }: RequestsEnv,
  options: PayRequestOptions
): Promise<RequestPayment> {
  const { engine, peers } = parts
  const terms = await readable(options.request, network)
  const { payee, id } = terms
  if (payee === peers.self) {
    throw new PaychanError('ERR_INVALID_PEER', 'That is a request of this node itself.', {
      peer: payee
    })
  }
  const amount = amountFor(terms, options.amount)
  const nonce = nonceFor(terms, options.id)
  const name = nameOfRequest({ id, nonce })
  // What was begun is ended: its parts would be lost to a request that has expired meanwhile.
  if (await engine.hasBegun(payee, name)) await reach(parts, terms).catch(() => {})
  else await assertOpen(parts, terms, nonce)
  const made = await payNamed(parts, { to: payee, amount, memo: terms.memo, id: name }).catch(
    (error: unknown) => {
      throw codeOf(error) === 'ERR_NO_CHANNEL' ? noChannel(terms, amount) : error
    }
  )
  const kept = await keptReceipt(parts, id, nonce)
  let receiptProblem: string | undefined
  const receipt =
    kept ??
    (await fetchReceipt(parts, terms, nonce).catch((error: unknown) => {
      receiptProblem = messageOf(error)
      return undefined
    }))
  return { ...made, request: id, receipt, receiptProblem }
}

/**
 * A request that this node may pay, whether it is a text or in a URI.
 *
 * @throws PaychanError `ERR_INVALID_PAYMENT_REQUEST`, `ERR_REQUEST_NETWORK`
 */
async function readable(given: string, network: Network): Promise<VerifiedRequest> {
  const request = await verifyRequest(requestOfUri(given) ?? given)
  if (request.network !== network) {
    throw new PaychanError(
      'ERR_REQUEST_NETWORK',
      `The request is for ${request.network}, and this node is on ${network}. Ask the payee for one on ${network}, or pay with a node on ${request.network}.`,
      { asked: request.network, network }
    )
  }
  return request
}

/** True for a request, or a URI that has one. */
export function isRequestText(text: string): boolean {
  return isTextOf('request', text) || requestOfUri(text) !== undefined
}

/**
 * Reads the text of a payment request, or a `bitcoin:` URI with one, and checks that its payee has
 * signed it. Needs no node; `node.requests.read` also checks the network.
 *
 * @throws PaychanError `ERR_INVALID_PAYMENT_REQUEST` (facts: rule), `ERR_INVALID_URI`
 * @example
 * const { payee, amount, memo } = await readRequest('paychan1...')
 */
export async function readRequest(text: string): Promise<RequestTerms> {
  return termsOf(await verifyRequest(requestOfUri(text) ?? text))
}

function termsOf(request: VerifiedRequest): RequestTerms {
  return {
    id: request.id,
    network: request.network,
    payee: request.payee,
    multiaddrs: dialledAddresses(request),
    amount: request.amount === undefined ? undefined : satoshi(request.amount),
    memo: request.memo,
    made: 1_000 * request.made,
    expires: request.expires === undefined ? undefined : 1_000 * request.expires,
    reusable: request.reusable,
    leastFirstPayment: satoshi(request.leastFirstPayment)
  }
}

function amountFor({ amount: asked }: VerifiedRequest, named: Satoshi | undefined): Satoshi {
  if (named !== undefined) {
    const amount = payable(named)
    if (asked === undefined || amount >= asked) return amount
    throw new PaychanError(
      'ERR_REQUEST_AMOUNT',
      `The request asks for ${formatAmount(asked)}, and ${formatAmount(amount)} would not pay it. Leave the amount out, or name a higher one.`,
      { asked, amount }
    )
  }
  if (asked !== undefined) return satoshi(asked)
  throw new PaychanError(
    'ERR_REQUEST_AMOUNT',
    'The request leaves the amount to the payer: name one.'
  )
}

function payable(value: unknown): Satoshi {
  const amount = amountOf(value)
  if (amount > 0n) return amount
  throw new PaychanError('ERR_INVALID_AMOUNT', 'A payment is at least 1 sat.', { asked: amount })
}

function nonceFor({ reusable }: VerifiedRequest, id: string | undefined): string | undefined {
  if (reusable) return id === undefined ? toHex(systemRandom.bytes(REQUEST_ID_BYTES)) : nonceOf(id)
  if (id === undefined) return undefined
  throw new PaychanError(
    'ERR_INVALID_PAYMENT_ID',
    'This request is paid once in any case: leave the id out.',
    { id }
  )
}

/** The nonce that a name stands for. @throws PaychanError `ERR_INVALID_PAYMENT_ID` */
function nonceOf(id: string): string {
  checkPaymentId(id)
  return toHex(sha256OfText(`paychan/request-nonce/${id}`).slice(0, REQUEST_ID_BYTES))
}

/**
 * Asks the payee before anything is signed: somebody else may have paid meanwhile.
 *
 * @throws PaychanError `ERR_REQUEST_EXPIRED`, `ERR_REQUEST_PAID`, `ERR_REQUEST_UNKNOWN`, or why the
 *   payee cannot be asked
 */
async function assertOpen(
  parts: Running,
  terms: VerifiedRequest,
  nonce: string | undefined
): Promise<void> {
  const { id, payee, expires, reusable } = terms
  if (expires !== undefined && isExpired(1_000 * expires)) throw expired(id)
  await reach(parts, terms)
  const { state, receipt } = await parts.questions.ask(payee, { id, nonce })
  if (state === 'expired') throw expired(id)
  if (state === 'paid' && !reusable) {
    throw new PaychanError(
      'ERR_REQUEST_PAID',
      receipt === undefined
        ? 'The payee says that somebody else has paid this request. Ask for another one; nothing was paid.'
        : 'The payee says that this node has paid this request, before it lost its data. Nothing was paid now; `paychan receipt get` fetches the receipt.',
      { request: id }
    )
  }
  if (state === 'unknown') {
    throw new PaychanError(
      'ERR_REQUEST_UNKNOWN',
      'The payee does not know this request: its data may have been lost. Ask for another one; nothing was paid.',
      { request: id }
    )
  }
}

function expired(id: string): PaychanError {
  return new PaychanError(
    'ERR_REQUEST_EXPIRED',
    'The request has expired. Ask the payee for another one; nothing was paid.',
    { request: id }
  )
}

/** REQ-10: a channel that is opened for less would be of no use. */
function noChannel(
  { payee, leastFirstPayment: least }: VerifiedRequest,
  amount: Satoshi
): PaychanError {
  const tooSmall =
    amount < least
      ? ` The payee takes ${formatAmount(satoshi(least))} at least as the first payment on a channel, and this is ${formatAmount(amount)}.`
      : ''
  return new PaychanError(
    'ERR_NO_CHANNEL',
    `There is no channel to pay ${payee} on. Open one (\`paychan open\`, or \`paychan pay --open\`), then pay.${tooSmall}`,
    { payee, amount, leastFirstPayment: satoshi(least) }
  )
}

/**
 * Connects to the payee, at whichever of its addresses answers first, unless it is connected.
 *
 * @throws PaychanError `ERR_PEER_UNREACHABLE`
 */
async function reach({ peers }: Running, terms: VerifiedRequest): Promise<void> {
  const { payee } = terms
  if (peers.isConnected(payee)) return
  const addresses = dialledAddresses(terms)
  try {
    // Where the request has none, libp2p may know one.
    await Promise.any(
      (addresses.length === 0 ? [payee] : addresses).map(async (to) => {
        await peers.dial(to)
      })
    )
  } catch (cause) {
    const [first] = cause instanceof AggregateError ? (cause.errors as unknown[]) : [cause]
    throw new PaychanError(
      'ERR_PEER_UNREACHABLE',
      `The payee ${payee} cannot be reached at ${addresses.length === 0 ? 'any address' : addresses.join(' or ')}: ${messageOf(first)} Nothing was paid.`,
      { peer: payee },
      { cause }
    )
  }
}

/* Receipts. */

/**
 * REQ-12: asks the payee for a receipt, checks that it is for this payment, and keeps it.
 *
 * @throws PaychanError `ERR_NO_RECEIPT`, or why the payee cannot be asked
 */
async function fetchReceipt(
  { questions, peers, store }: Running,
  { payee, id, network, amount }: VerifiedRequest,
  nonce: string | undefined
): Promise<string> {
  const { receipt: signed } = await questions.ask(payee, { id, nonce })
  if (signed === undefined) {
    throw new PaychanError(
      'ERR_NO_RECEIPT',
      'The payee gives no receipt: it does not know of the whole payment. Compare `paychan payments` on both sides.',
      { request: id }
    )
  }
  const text = textOf('receipt', signed)
  const receipt = await verifyReceipt(text)
  if (
    receipt.payee !== payee ||
    receipt.payer !== peers.self ||
    receipt.id !== id ||
    receipt.nonce !== nonce ||
    receipt.network !== network ||
    receipt.amount < (amount ?? 1n)
  ) {
    throw new PaychanError(
      'ERR_NO_RECEIPT',
      'The payee gave a receipt for another payment. Compare `paychan payments` on both sides.',
      { request: id }
    )
  }
  await store.commit([recordChange(receiptKey(id, nonce), text)])
  return text
}

async function keptReceipt(
  { store }: Running,
  id: string,
  nonce: string | undefined
): Promise<string | undefined> {
  const key = receiptKey(id, nonce)
  const value = await store.get(key)
  return value === undefined ? undefined : readReceiptRecord(key, value)
}

function receiptKey(id: string, nonce: string | undefined): string {
  return `${RECEIPT_PREFIX}${id}${nonce === undefined ? '' : `/${nonce}`}`
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readReceiptRecord(key: string, value: Uint8Array): string {
  return parseRecord(key, value, z.string())
}

/**
 * Reads the text of a receipt, and checks that the payee which it names has signed it. Needs no
 * node; the receipt is worth as much as that peer id is known.
 *
 * @throws PaychanError `ERR_INVALID_RECEIPT` (facts: rule)
 * @example
 * const { payee, payer, amount } = await readReceipt('paychanreceipt1...')
 */
export async function readReceipt(text: string): Promise<ReceiptInfo> {
  const { id, nonce, payee, payer, amount, memo, paid } = await verifyReceipt(text)
  return {
    text: text.replace(/\s+/g, ''),
    request: id,
    nonce,
    payee,
    payer,
    amount: satoshi(amount),
    memo,
    paid: 1_000 * paid
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000)
}

/** True after a time in milliseconds, by this node's clock. */
function isExpired(expires: number | undefined): boolean {
  return expires !== undefined && systemClock.now() > expires
}
