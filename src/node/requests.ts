/**
 * Payment requests of a node: made and listed by the payee, read and paid by the payer, with the
 * receipt that the payee signs.
 */
import type { PrivateKey } from '@libp2p/interface'
import { requestOfUri, requestUri } from '../bitcoin/uri.js'
import { memoRefusal } from '../channel/paying.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import {
  type Answer,
  isTextOf,
  MAX_ADDRESSES,
  type Question,
  REQUEST_ID_BYTES
} from '../../protocols/request/1.0/index.js'
import { nameOfRequest } from '../engine/payments.js'
import { SESSION_MEMO, type RequestRecord } from '../engine/requests.js'
import {
  dialledAddresses,
  signReceipt,
  signRequest,
  type VerifiedRequest,
  verifyRequest
} from '../p2p/requests.js'
import { toHex } from '../types/bytes.js'
import { adviceOf } from '../types/error-advice.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { recordChange } from '../types/records.js'
import { formatAmount, satoshi, type Satoshi } from '../types/units.js'
import { metered, payNamed } from './payments.js'
import {
  begunNonces,
  fetchReceipt,
  keptReceipt,
  nonceKey,
  nonceOf,
  noncesOf,
  noReceipt,
  onlyReceipt,
  readReceipt
} from './receipts.js'
import { amountOf } from './plan-payment.js'
import {
  type PayRequestOptions,
  type ReceiptInfo,
  REQUEST_LIFETIME_S,
  type RequestPayment,
  type RequestsApi,
  type RequestTerms
} from './requests-api.js'
import { type RequestInfo } from './answers.js'
import type { Running } from './running.js'
import { systemClock, systemRandom } from './system.js'
import { unlessAborted, waitEnded } from './waiting.js'

const TEN_YEARS_S = 315_360_000

/** The parts that the requests of a node need beside its running parts. */
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
      const { memo = '', reusable = false, expiresIn = REQUEST_LIFETIME_S, maker } = options
      const amount = options.amount === undefined ? undefined : payable(options.amount)
      const refusal = memoRefusal(memo)
      if (refusal !== undefined) throw refusal
      if (memo.startsWith(SESSION_MEMO)) {
        throw new PaychanError(
          'ERR_INVALID_MEMO',
          `A memo that begins with '${SESSION_MEMO}' pays a priced server; say otherwise what the request is for.`
        )
      }
      const now = seconds(systemClock.now())
      const request = {
        network: env.network,
        addresses: env.multiaddrs().map(withoutPeer(peers.self)).slice(0, MAX_ADDRESSES),
        id: toHex(systemRandom.bytes(REQUEST_ID_BYTES)),
        amount,
        memo,
        made: now,
        expires: expiresIn === 'never' ? undefined : now + lifetime(expiresIn),
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
        maker,
        leastFirstPayment
      })
      return requestInfo(record)
    },

    list: async ({ limit = Infinity } = {}) => {
      const { engine, reads } = running()
      const newest: RequestInfo[] = []
      await reads.run(async () => {
        for await (const record of engine.requests.newest()) {
          newest.push(requestInfo(record))
          if (newest.length >= limit) return
        }
      })
      return newest
    },

    read: async (text) => termsOf(await readable(text, env.network)),

    pay: async (options) =>
      await unlessAborted(options.signal, async () => await payRequest(running(), env, options)),

    receipt: async (given, id, { signal } = {}) =>
      await unlessAborted(signal, async () => await receiptOf(running(), env, given, id))
  }
}

async function receiptOf(
  parts: Running,
  env: RequestsEnv,
  given: string,
  id: string | undefined
): Promise<ReceiptInfo> {
  if (!isRequestText(given)) return await readReceipt(await onlyReceipt(parts, given, id))
  const terms = await readable(given, env.network)
  let problem: unknown = noReceipt(
    terms.id,
    'This request may be paid more than once: name the payment whose receipt you want (--id).'
  )
  for (const nonce of await noncesOf(parts, terms, id)) {
    try {
      const kept = await keptReceipt(parts, terms, nonce)
      if (kept === undefined) await reachKnown(parts, terms)
      return await readReceipt(kept ?? (await fetchReceipt(parts, terms, nonce)))
    } catch (error) {
      problem = error
    }
  }
  throw problem
}

/* The payee. */

/**
 * REQ-11: says to a peer how a request stands, and gives the receipt to the one that has paid it.
 */
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
  const paid = await engine.requests.paidBy(peer, record, nonce)
  const receipt =
    paid === undefined
      ? undefined
      : await signReceipt(
          {
            network: env.network,
            payer: peer,
            id,
            nonce,
            amount: paid.amount,
            memo: record.memo,
            paid: seconds(paid.time)
          },
          env.privateKey
        )
  if (paid !== undefined || record.paidBy !== undefined) return { state: 'paid', receipt }
  return { state: isExpired(record.expires) ? 'expired' : 'open', receipt }
}

export function requestInfo(record: RequestRecord): RequestInfo {
  const { id, text, memo, made, reusable, received, payments, leastFirstPayment } = record
  const { amount, expires, paidBy, paidAt } = record
  return {
    id,
    text,
    memo,
    made,
    reusable,
    received,
    payments,
    leastFirstPayment,
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
    "A request lives for a whole number of seconds, from 1 to ten years, or is to end 'never'.",
    { asked: wanted }
  )
}

/* The payer. */

async function payRequest(
  parts: Running,
  { network }: RequestsEnv,
  options: PayRequestOptions
): Promise<RequestPayment> {
  const { peers } = parts
  const terms = await readable(options.request, network)
  const { payee } = terms
  if (payee === peers.self) {
    throw new PaychanError('ERR_INVALID_PEER', 'That is a request of this node itself.', {
      peer: payee
    })
  }
  const amount = amountFor(terms, options.amount)
  if (options.id !== undefined && !terms.reusable) {
    throw new PaychanError(
      'ERR_INVALID_PAYMENT_ID',
      'This request is paid once in any case: leave the id out.',
      { id: options.id }
    )
  }
  const pay = async (nonce: string | undefined): Promise<RequestPayment> =>
    await payUnder(parts, terms, amount, nonce, options.signal)
  if (!terms.reusable) return await pay(undefined)
  if (options.id !== undefined) return await pay(nonceOf(options.id))
  return await withNonce(parts, terms, pay)
}

/** Pays a request under its one name, or under a nonce, and fetches the receipt. */
async function payUnder(
  parts: Running,
  terms: VerifiedRequest,
  amount: Satoshi,
  nonce: string | undefined,
  signal: AbortSignal | undefined
): Promise<RequestPayment> {
  const { engine } = parts
  const { payee, id } = terms
  const name = nameOfRequest(payee, { id, nonce })
  // What was begun is ended: its parts would be lost to a request that has expired meanwhile.
  if (await engine.hasBegun(payee, name)) await reach(parts, terms).catch(() => {})
  else await assertOpen(parts, terms, nonce)
  if (signal?.aborted === true) throw waitEnded(signal, true)
  const asked = { to: payee, amount, memo: terms.memo, id: name }
  const made = await metered(parts, amount, async () => await payNamed(parts, asked)).catch(
    (error: unknown) => {
      throw codeOf(error) === 'ERR_NO_CHANNEL' ? noChannel(terms, amount) : error
    }
  )
  let receiptProblem: string | undefined
  const receipt =
    (await keptReceipt(parts, terms, nonce)) ??
    (await fetchReceipt(parts, terms, nonce).catch((error: unknown) => {
      receiptProblem = messageOf(error)
      return undefined
    }))
  return { ...made, request: id, receipt, receiptProblem }
}

/* A reusable request without a name for the payment: what was not finished goes on. */

/** The nonces that a call of this process uses now, by their keys. */
const inUse = new WeakMap<Running, Set<string>>()

/**
 * Pays under the nonce of a payment that did not come to an end, else under a new one, which is
 * written down before anything is signed (REQ-9).
 */
async function withNonce(
  parts: Running,
  { payee, id }: VerifiedRequest,
  pay: (nonce: string) => Promise<RequestPayment>
): Promise<RequestPayment> {
  const { store } = parts
  const used = inUse.get(parts) ?? new Set<string>()
  inUse.set(parts, used)
  const begun = (await begunNonces(parts, payee, id)).find(({ key }) => !used.has(key))
  const nonce = begun?.nonce ?? toHex(systemRandom.bytes(REQUEST_ID_BYTES))
  const key = nonceKey(payee, id, nonce)
  used.add(key)
  try {
    if (begun === undefined) await store.commit([recordChange(key, { isPaid: false })])
    const paid = await pay(nonce)
    await store.commit([
      paid.receipt === undefined ? recordChange(key, { isPaid: true }) : { key, value: undefined }
    ])
    return paid
  } catch (error) {
    // Nothing was signed: the next payment is another one.
    const isBegun = await parts.engine.hasBegun(payee, nameOfRequest(payee, { id, nonce }))
    if (!isBegun) await store.commit([{ key, value: undefined }])
    throw error
  } finally {
    used.delete(key)
  }
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
      `The payee does not know this request: it has given way to newer ones, or the payee's data was lost. ${adviceOf('ERR_REQUEST_UNKNOWN')}`,
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

/**
 * As `reach`, for whoever may only read: a request is anybody's text, and the hosts that it names
 * are dialled only for a peer that this node has to do with.
 *
 * @throws PaychanError `ERR_NO_RECEIPT`, `ERR_PEER_UNREACHABLE`
 */
async function reachKnown(parts: Running, terms: VerifiedRequest): Promise<void> {
  const { engine, peers } = parts
  const { id, payee } = terms
  if (!peers.isConnected(payee) && engine.states().every(({ peer }) => peer !== payee)) {
    throw noReceipt(
      id,
      `This node has no channel with the payee ${payee}, and is not connected to it: nobody was asked. If it was paid from here before, connect to it first: \`paychan connect MULTIADDR\`.`
    )
  }
  await reach(parts, terms)
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000)
}

/** True after a time in milliseconds, by this node's clock. */
function isExpired(expires: number | undefined): boolean {
  return expires !== undefined && systemClock.now() > expires
}
