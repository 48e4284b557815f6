/**
 * Payment requests and receipts as bytes and as texts, without the signatures: who has keys signs,
 * and verifies, `signedBytes`. Nothing is let in that would not be written the same way again
 * (REQ-2).
 */
import { bech32m } from '@scure/base'
import { multiaddr } from '@multiformats/multiaddr'
import { concat, equals, fromString, toString } from 'uint8arrays'
import { MAX_AMOUNT, MAX_MEMO_BYTES, type Network } from '../../paychan/1.0/index.js'
import { ProtocolError } from '../../paychan/1.0/errors.js'
import { isLongerThan, isPlainText } from '../../paychan/1.0/text.js'
import {
  Answer as WireAnswer,
  Network as WireNetwork,
  Question as WireQuestion,
  Receipt as WireReceipt,
  Request as WireRequest,
  Signed as WireSigned,
  State as WireState
} from './gen/request.js'

/** The libp2p protocol by which a payer asks the payee about a request. */
export const REQUEST_PROTOCOL = '/paychan/request/1.0'

export const REQUEST_VERSION = 1

/** Bytes of the id of a request, and of the nonce of a payment for a reusable one. */
export const REQUEST_ID_BYTES = 8

export const MAX_ADDRESSES = 8
export const MAX_ADDRESS_BYTES = 256
/** A request with eight long addresses has some 2,400 bytes; a QR code holds 2,953. */
export const MAX_SIGNED_BYTES = 2_500
/** A time beyond the year 36,000 is a mistake. */
const MAX_SECONDS = 2 ** 40

/** A demand of one person to another. Times are seconds since 1970, amounts satoshis. */
export interface PaymentRequest {
  readonly network: Network
  /** libp2p's form of a public key (Ed25519 or secp256k1), of which the PeerId is made. */
  readonly payeeKey: Uint8Array
  /** Multiaddrs without `/p2p`, the best first. */
  readonly addresses: readonly string[]
  /** 16 hex digits. */
  readonly id: string
  /** Undefined when the payer chooses. */
  readonly amount: bigint | undefined
  readonly memo: string
  readonly made: number
  /** Undefined when it never expires. */
  readonly expires: number | undefined
  /** True when it may be paid more than once. */
  readonly reusable: boolean
  /** The payee takes no less as the first payment on a channel. */
  readonly leastFirstPayment: bigint
}

/** The payee's word that it was paid. */
export interface Receipt {
  readonly network: Network
  readonly payeeKey: Uint8Array
  /** The PeerId that paid. */
  readonly payer: string
  /** The id of the request: 16 hex digits. */
  readonly id: string
  /** Tells the payments for a reusable request apart: 16 hex digits; undefined for any other. */
  readonly nonce: string | undefined
  readonly amount: bigint
  readonly memo: string
  /** The time at which the last part of it came. */
  readonly paid: number
}

/** A question of a payer to the payee. */
export interface Question {
  readonly id: string
  readonly nonce: string | undefined
}

export type RequestState = 'unknown' | 'open' | 'paid' | 'expired'

export interface Answer {
  readonly state: RequestState
  /** A signed receipt, when the one who asks has paid. */
  readonly receipt: Signed | undefined
}

/** Content with the signature of the payee over `signedBytes`. */
export interface Signed {
  readonly content: Uint8Array
  readonly signature: Uint8Array
}

/** The kinds of texts, by the human-readable part of their bech32m. */
const PREFIXES = { request: 'paychan', receipt: 'paychanreceipt' } as const

export type TextKind = keyof typeof PREFIXES

const NETWORKS: Readonly<Record<Network, WireNetwork>> = {
  mainnet: WireNetwork.MAINNET,
  testnet: WireNetwork.TESTNET,
  testnet4: WireNetwork.TESTNET4,
  signet: WireNetwork.SIGNET,
  regtest: WireNetwork.REGTEST
}

const STATES: Readonly<Record<RequestState, WireState>> = {
  unknown: WireState.UNKNOWN,
  open: WireState.OPEN,
  paid: WireState.PAID,
  expired: WireState.EXPIRED
}

function refuse(rule: string, sentence: string, options?: ErrorOptions): never {
  throw new ProtocolError(rule, sentence, options)
}

/* Texts. */

/** The text of a signed request or receipt (REQ-1). */
export function textOf(kind: TextKind, signed: Signed): string {
  return bech32m.encode(PREFIXES[kind], bech32m.toWords(encodeSigned(signed)), false)
}

/**
 * The signed content of a text. White space around and within it is left out: mail programs fold
 * long lines.
 *
 * @throws ProtocolError REQ-1, REQ-2
 */
export function signedOf(kind: TextKind, text: string): Signed {
  const whole = text.replace(/\s+/g, '')
  if (!isTextOf(kind, whole)) {
    refuse('REQ-1', `The text of a ${kind} begins with ${PREFIXES[kind]}1.`)
  }
  if (whole.length > MAX_SIGNED_BYTES * 2) refuse('REQ-1', 'The text is too long.')
  return decodeSigned(bytesOf(whole))
}

/** True when a text is meant as one of that kind. */
export function isTextOf(kind: TextKind, text: string): boolean {
  return text.trim().toLowerCase().startsWith(`${PREFIXES[kind]}1`)
}

function bytesOf(text: string): Uint8Array {
  try {
    const { words } = bech32m.decode(text as `${string}1${string}`, false)
    return bech32m.fromWords(words)
  } catch (cause) {
    return refuse(
      'REQ-1',
      'The text has a letter that is wrong, or is not complete: its checksum does not fit.',
      { cause }
    )
  }
}

export function encodeSigned({ content, signature }: Signed): Uint8Array {
  return WireSigned.encode({ content: own(content), signature: own(signature) })
}

/** @throws ProtocolError REQ-2 */
export function decodeSigned(bytes: Uint8Array): Signed {
  if (bytes.length > MAX_SIGNED_BYTES) refuse('REQ-2', 'It is too long.')
  const { content, signature } = canonical(WireSigned, bytes)
  return { content: own(content), signature: own(signature) }
}

/** The bytes that the payee signs: no signature of a request is one of a receipt (REQ-5). */
export function signedBytes(kind: TextKind, content: Uint8Array): Uint8Array {
  return concat([fromString(`/paychan/${kind}/1.0\n`), content])
}

/* Requests and receipts. */

/** @throws ProtocolError REQ-4 when a field is out of range */
export function encodeRequest(request: PaymentRequest): Uint8Array {
  checkRequest(request)
  return WireRequest.encode({
    version: REQUEST_VERSION,
    network: NETWORKS[request.network],
    payeeKey: own(request.payeeKey),
    addresses: request.addresses.map((address) => own(multiaddr(address).bytes)),
    id: hexBytes(request.id),
    amount: request.amount ?? 0n,
    memo: request.memo,
    made: BigInt(request.made),
    expires: BigInt(request.expires ?? 0),
    reusable: request.reusable,
    leastFirstPayment: request.leastFirstPayment
  })
}

/** @throws ProtocolError REQ-2, REQ-3, REQ-4 */
export function decodeRequest(bytes: Uint8Array): PaymentRequest {
  const wire = canonical(WireRequest, bytes)
  checkVersion(wire.version)
  const request: PaymentRequest = {
    network: networkOf(wire.network),
    payeeKey: own(wire.payeeKey),
    addresses: wire.addresses.map(addressOf),
    id: toString(wire.id, 'hex'),
    amount: wire.amount === 0n ? undefined : wire.amount,
    memo: wire.memo,
    made: secondsOf(wire.made),
    expires: wire.expires === 0n ? undefined : secondsOf(wire.expires),
    reusable: wire.reusable,
    leastFirstPayment: wire.leastFirstPayment
  }
  checkRequest(request)
  return request
}

function checkRequest(request: PaymentRequest): void {
  checkKey(request.payeeKey)
  checkId('id', request.id)
  checkAmount('amount', request.amount ?? 0n)
  checkAmount('least_first_payment', request.leastFirstPayment)
  checkMemo(request.memo)
  checkSeconds('made', request.made)
  if (request.addresses.length > MAX_ADDRESSES) {
    refuse('REQ-4', `There are more than ${MAX_ADDRESSES} addresses.`)
  }
  if (request.expires !== undefined) {
    checkSeconds('expires', request.expires)
    if (request.expires <= request.made) refuse('REQ-4', 'It expires before it is made.')
  }
}

/** @throws ProtocolError REQ-4 when a field is out of range */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  checkReceipt(receipt)
  return WireReceipt.encode({
    version: REQUEST_VERSION,
    network: NETWORKS[receipt.network],
    payeeKey: own(receipt.payeeKey),
    payer: receipt.payer,
    id: hexBytes(receipt.id),
    nonce: hexBytes(receipt.nonce ?? ''),
    amount: receipt.amount,
    memo: receipt.memo,
    paid: BigInt(receipt.paid)
  })
}

/** @throws ProtocolError REQ-2, REQ-3, REQ-4 */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  const wire = canonical(WireReceipt, bytes)
  checkVersion(wire.version)
  const receipt: Receipt = {
    network: networkOf(wire.network),
    payeeKey: own(wire.payeeKey),
    payer: wire.payer,
    id: toString(wire.id, 'hex'),
    nonce: nonceOf(wire.nonce),
    amount: wire.amount,
    memo: wire.memo,
    paid: secondsOf(wire.paid)
  }
  checkReceipt(receipt)
  return receipt
}

function checkReceipt(receipt: Receipt): void {
  checkKey(receipt.payeeKey)
  checkId('id', receipt.id)
  if (receipt.nonce !== undefined) checkId('nonce', receipt.nonce)
  checkAmount('amount', receipt.amount)
  if (receipt.amount === 0n) refuse('REQ-4', 'amount is 0: nothing was paid.')
  checkMemo(receipt.memo)
  checkSeconds('paid', receipt.paid)
  // Base58 without 0, O, I and l, as PeerIds are written.
  if (!/^[1-9A-HJ-NP-Za-km-z]{46,64}$/.test(receipt.payer)) {
    refuse('REQ-4', 'payer is not a PeerId.')
  }
}

/* The question to the payee, and its answer. */

/** A question or an answer has no more bytes than this. */
export const MAX_ANSWER_BYTES = MAX_SIGNED_BYTES + 16

export function encodeQuestion({ id, nonce }: Question): Uint8Array {
  return WireQuestion.encode({ id: hexBytes(id), nonce: hexBytes(nonce ?? '') })
}

/** @throws ProtocolError REQ-2, REQ-4 */
export function decodeQuestion(bytes: Uint8Array): Question {
  const wire = canonical(WireQuestion, bytes)
  const id = toString(wire.id, 'hex')
  checkId('id', id)
  const nonce = nonceOf(wire.nonce)
  if (nonce !== undefined) checkId('nonce', nonce)
  return { id, nonce }
}

export function encodeAnswer({ state, receipt }: Answer): Uint8Array {
  return WireAnswer.encode({
    state: STATES[state],
    receipt: receipt === undefined ? own(new Uint8Array(0)) : own(encodeSigned(receipt))
  })
}

/** @throws ProtocolError REQ-2, REQ-4 */
export function decodeAnswer(bytes: Uint8Array): Answer {
  const wire = canonical(WireAnswer, bytes)
  const state = keyOf(STATES, wire.state)
  if (state === undefined) return refuse('REQ-4', 'state is not specified.')
  return { state, receipt: wire.receipt.length === 0 ? undefined : decodeSigned(wire.receipt) }
}

/* The range of each field. */

interface Codec<T> {
  readonly encode: (value: T) => Uint8Array
  readonly decode: (bytes: Uint8Array) => T
}

/** The value of bytes that its encoding gives again. */
function canonical<T>(codec: Codec<T>, bytes: Uint8Array): T {
  let value: T
  try {
    value = codec.decode(bytes)
  } catch (cause) {
    return refuse('REQ-2', 'The bytes are not the encoding of what they should be.', { cause })
  }
  // A later version may have fields that this one does not know.
  const { version } = value as { version?: unknown }
  if (typeof version === 'number') checkVersion(version)
  if (!equals(codec.encode(value), bytes)) {
    refuse('REQ-2', 'The bytes are not the canonical encoding of what they should be.')
  }
  return value
}

function checkVersion(version: number): void {
  if (version === REQUEST_VERSION) return
  refuse(
    'REQ-3',
    version === 0
      ? 'It has no version.'
      : `It has version ${version}, and this program knows version ${REQUEST_VERSION}. Use a later release.`
  )
}

function keyOf<Key extends string, Value>(
  table: Readonly<Record<Key, Value>>,
  value: Value
): Key | undefined {
  return (Object.keys(table) as Key[]).find((key) => table[key] === value)
}

function networkOf(value: WireNetwork): Network {
  return keyOf(NETWORKS, value) ?? refuse('REQ-4', 'network is not specified.')
}

function addressOf(bytes: Uint8Array): string {
  if (bytes.length > MAX_ADDRESS_BYTES) refuse('REQ-4', 'An address is too long.')
  try {
    const address = multiaddr(own(bytes))
    const text = address.toString()
    const names = address.getComponents().map(({ name }) => name)
    // The PeerId of a relay stays: without it the relay cannot be dialled.
    const saysWho = names.some((name, at) => name === 'p2p' && names[at + 1] !== 'p2p-circuit')
    const isPlain = names.length > 0 && !saysWho && /^[\x21-\x7e]+$/.test(text)
    if (isPlain && equals(multiaddr(text).bytes, bytes)) return text
  } catch (cause) {
    return refuse('REQ-4', 'An address is not a multiaddr.', { cause })
  }
  return refuse('REQ-4', 'An address is not a multiaddr in its usual form.')
}

/** `08 01 12 20` and the 32 bytes of Ed25519, or `08 02 12 21` and the 33 of secp256k1. */
function checkKey(key: Uint8Array): void {
  const [field, type, next, length] = key
  const isKnown =
    field === 8 &&
    next === 0x12 &&
    ((type === 1 && length === 32 && key.length === 36) ||
      (type === 2 && length === 33 && key.length === 37))
  if (!isKnown) refuse('REQ-4', 'payee_key is not a key of Ed25519 or secp256k1.')
}

function checkId(name: string, hex: string): void {
  if (hex.length !== 2 * REQUEST_ID_BYTES || !/^[0-9a-f]+$/.test(hex)) {
    refuse('REQ-4', `${name} does not have ${REQUEST_ID_BYTES} bytes.`)
  }
}

function nonceOf(bytes: Uint8Array): string | undefined {
  return bytes.length === 0 ? undefined : toString(bytes, 'hex')
}

function checkAmount(name: string, value: bigint): void {
  if (value < 0n || value > MAX_AMOUNT) {
    refuse('REQ-4', `${name} is not an amount from 0 to 21 million bitcoin.`)
  }
}

function checkMemo(memo: string): void {
  if (isLongerThan(memo, MAX_MEMO_BYTES) || !isPlainText(memo)) {
    refuse('REQ-4', `memo is not one line of at most ${MAX_MEMO_BYTES} bytes.`)
  }
}

function checkSeconds(name: string, value: number): void {
  if (!Number.isInteger(value) || value <= 0 || value > MAX_SECONDS) {
    refuse('REQ-4', `${name} is not a time.`)
  }
}

function secondsOf(value: bigint): number {
  return value > BigInt(MAX_SECONDS) ? refuse('REQ-4', 'A time is too far away.') : Number(value)
}

function hexBytes(hex: string): Uint8Array<ArrayBuffer> {
  return own(fromString(hex, 'hex'))
}

/** A copy: bytes that were received belong to the transport, which uses them again. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
