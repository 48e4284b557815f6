/**
 * Receipts of a payer: fetched from the payee, checked, kept; and the nonces of payments for
 * reusable requests that have none yet.
 *
 * - `receipt/<payee>/<id of the request>[/<nonce>]`: a receipt that this node was given
 * - `request-nonce/<payee>/<id>/<nonce>`: a payment of a reusable request without a name, whose
 *   outcome or receipt is not known yet
 */
import { z } from 'zod'
import { sha256OfText } from '../bitcoin/hashes.js'
import { REQUEST_ID_BYTES, textOf } from '../../protocols/request/1.0/index.js'
import { checkPaymentId } from '../engine/keyed-payments.js'
import { nameOfRequest } from '../engine/payments.js'
import { type VerifiedRequest, verifyReceipt } from '../p2p/requests.js'
import { toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { parseRecord, recordChange } from '../types/records.js'
import { max, satoshi } from '../types/units.js'
import type { ReceiptInfo } from './requests-api.js'
import type { Running } from './running.js'

export const RECEIPT_PREFIX = 'receipt/'
export const NONCE_PREFIX = 'request-nonce/'

/**
 * REQ-12: asks the payee for a receipt, checks that it is for this payment and all of it, and keeps
 * it.
 *
 * @throws PaychanError `ERR_NO_RECEIPT`, or why the payee cannot be asked
 */
export async function fetchReceipt(
  parts: Running,
  terms: VerifiedRequest,
  nonce: string | undefined
): Promise<string> {
  const { payee, id } = terms
  const { receipt: signed } = await parts.questions.ask(payee, { id, nonce })
  if (signed === undefined) {
    throw noReceipt(
      id,
      'The payee gives no receipt: it does not know of the whole payment. Compare `paychan payments` on both sides.'
    )
  }
  const text = textOf('receipt', signed)
  if (!(await isFor(parts, terms, nonce, text))) {
    throw noReceipt(
      id,
      'The payee gave a receipt for another payment, or for a part of it. Compare `paychan payments` on both sides.'
    )
  }
  const ended = (await keptNonces(parts, payee, id)).filter(
    (kept) => kept.nonce === nonce && kept.isPaid
  )
  await parts.store.commit([
    recordChange(receiptKey(payee, id, nonce), text),
    // One that is still being paid is kept: else it would not go on where it was.
    ...ended.map(({ key }) => ({ key, value: undefined }))
  ])
  return text
}

/** True for a receipt of this payment, for all that this node has paid. */
async function isFor(
  { engine, peers }: Running,
  { payee, id, network, amount }: VerifiedRequest,
  nonce: string | undefined,
  text: string
): Promise<boolean> {
  const receipt = await verifyReceipt(text)
  const paid = await engine.paidUnder(payee, nameOfRequest(payee, { id, nonce }))
  return (
    receipt.payee === payee &&
    receipt.payer === peers.self &&
    receipt.id === id &&
    receipt.nonce === nonce &&
    receipt.network === network &&
    receipt.amount >= max(amount ?? 1n, paid)
  )
}

/** A receipt that is here, unless more was paid since. */
export async function keptReceipt(
  parts: Running,
  terms: VerifiedRequest,
  nonce: string | undefined
): Promise<string | undefined> {
  const key = receiptKey(terms.payee, terms.id, nonce)
  const value = await parts.store.get(key)
  if (value === undefined) return undefined
  const text = readReceiptRecord(key, value)
  return (await isFor(parts, terms, nonce, text)) ? text : undefined
}

/**
 * The nonces under which the payment that a person means may have been made, the likeliest first.
 */
export async function noncesOf(
  parts: Running,
  { payee, id, reusable }: VerifiedRequest,
  name: string | undefined
): Promise<ReadonlyArray<string | undefined>> {
  if (!reusable) return [undefined]
  if (name !== undefined) return [nonceOf(name)]
  const waiting = (await keptNonces(parts, payee, id)).map(({ nonce }) => nonce)
  if (waiting.length > 0) return waiting
  const kept = await keysOf(parts, `${RECEIPT_PREFIX}${payee}/${id}/`)
  return kept.length === 1 ? kept.map((key) => key.slice(key.lastIndexOf('/') + 1)) : []
}

/**
 * The one receipt that is here for a request with this id.
 *
 * @throws PaychanError `ERR_NO_RECEIPT`
 */
export async function onlyReceipt(
  parts: Running,
  request: string,
  name: string | undefined
): Promise<string> {
  const nonce = name === undefined ? undefined : nonceOf(name)
  const found = (await keysOf(parts, RECEIPT_PREFIX)).filter((key) => {
    const [, , id, of] = key.split('/')
    return id === request && (nonce === undefined || of === nonce)
  })
  const [key, ...others] = found
  const value = key === undefined ? undefined : await parts.store.get(key)
  if (key !== undefined && value !== undefined && others.length === 0) {
    return readReceiptRecord(key, value)
  }
  throw noReceipt(
    request,
    others.length > 0
      ? `There are ${found.length} receipts for ${request}: name the payment (--id), or give the text of the request.`
      : `This node has no receipt for the request ${request}. Give the text of the request (paychan1...), so that its payee can be asked.`
  )
}

async function keysOf({ store, reads }: Running, prefix: string): Promise<string[]> {
  return await reads.run(async () => {
    const keys: string[] = []
    for await (const [key] of store.entries(prefix)) keys.push(key)
    return keys
  })
}

export function noReceipt(request: string, sentence: string): PaychanError {
  return new PaychanError('ERR_NO_RECEIPT', sentence, { request })
}

function receiptKey(payee: string, id: string, nonce: string | undefined): string {
  return `${RECEIPT_PREFIX}${payee}/${id}${nonce === undefined ? '' : `/${nonce}`}`
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
  const { id, nonce, network, payee, payer, amount, memo, paid } = await verifyReceipt(text)
  return {
    network,
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

/* Nonces of payments without a name. */

/** The nonce that a name stands for. @throws PaychanError `ERR_INVALID_PAYMENT_ID` */
export function nonceOf(id: string): string {
  checkPaymentId(id)
  return toHex(sha256OfText(`paychan/request-nonce/${id}`).slice(0, REQUEST_ID_BYTES))
}

interface KeptNonce {
  readonly key: string
  readonly nonce: string
  readonly isPaid: boolean
}

async function keptNonces({ store }: Running, payee: string, id: string): Promise<KeptNonce[]> {
  const kept: KeptNonce[] = []
  for await (const [key, value] of store.entries(nonceKey(payee, id, ''))) {
    kept.push({ key, nonce: key.slice(key.lastIndexOf('/') + 1), ...readNonce(key, value) })
  }
  return kept
}

export async function begunNonces(parts: Running, payee: string, id: string): Promise<KeptNonce[]> {
  return (await keptNonces(parts, payee, id)).filter(({ isPaid }) => !isPaid)
}

export function nonceKey(payee: string, id: string, nonce: string): string {
  return `${NONCE_PREFIX}${payee}/${id}/${nonce}`
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readNonce(key: string, value: Uint8Array): { readonly isPaid: boolean } {
  return parseRecord(key, value, z.object({ isPaid: z.boolean() }))
}
