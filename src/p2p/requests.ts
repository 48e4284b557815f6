/**
 * Payment requests and receipts with their signatures, and `/paychan/request/1.0`: what a payer
 * asks the payee about a request.
 */
import type { Connection, PrivateKey, Stream, StreamHandler } from '@libp2p/interface'
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { lpStream } from '@libp2p/utils'
import {
  type Answer,
  decodeAnswer,
  decodeQuestion,
  decodeReceipt,
  decodeRequest,
  encodeAnswer,
  encodeQuestion,
  encodeReceipt,
  encodeRequest,
  MAX_ANSWER_BYTES,
  type PaymentRequest,
  type Question,
  type Receipt,
  REQUEST_PROTOCOL,
  type Signed,
  signedBytes,
  signedOf,
  type TextKind,
  textOf
} from '../../protocols/request/1.0/index.js'
import { ProtocolError } from '../../protocols/paychan/1.0/index.js'
import type { ErrorCode } from '../types/error-codes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import { parseDialTarget } from './dial-target.js'
import { asError } from './guarded-listener.js'
import {
  connectionTo,
  openStream,
  type PeersComponents,
  type StreamsInit,
  unreachable
} from './peers.js'

/* Signing and verifying. */

/** The text that a node of ours signs: its key goes in by itself. */
export type Unsigned<T> = Omit<T, 'payeeKey'>

/** Signs a request as its payee. */
export async function signRequest(
  request: Unsigned<PaymentRequest>,
  key: PrivateKey
): Promise<string> {
  const payeeKey = publicKeyToProtobuf(key.publicKey)
  return textOf('request', await sign('request', encodeRequest({ ...request, payeeKey }), key))
}

/** Signs a receipt as the payee. */
export async function signReceipt(receipt: Unsigned<Receipt>, key: PrivateKey): Promise<Signed> {
  const payeeKey = publicKeyToProtobuf(key.publicKey)
  return await sign('receipt', encodeReceipt({ ...receipt, payeeKey }), key)
}

async function sign(kind: TextKind, content: Uint8Array, key: PrivateKey): Promise<Signed> {
  return { content, signature: new Uint8Array(await key.sign(signedBytes(kind, content))) }
}

/** A request whose signature is its payee's. */
export interface VerifiedRequest extends PaymentRequest {
  /** The payee's PeerId. */
  readonly payee: string
}

/** A receipt whose signature is the payee's. */
interface VerifiedReceipt extends Receipt {
  /** The payee's PeerId. */
  readonly payee: string
}

/**
 * Reads the text of a request, and checks who signed it. Needs no node.
 *
 * @throws PaychanError `ERR_INVALID_PAYMENT_REQUEST` (facts: rule)
 * @example
 * const { payee, amount } = await verifyRequest('paychan1...')
 */
export async function verifyRequest(text: string): Promise<VerifiedRequest> {
  return await verified('request', text, decodeRequest)
}

/**
 * Reads the text of a receipt, and checks that the payee signed it. Needs no node.
 *
 * @throws PaychanError `ERR_INVALID_RECEIPT` (facts: rule)
 * @example
 * const { payee, payer, amount } = await verifyReceipt('paychanreceipt1...')
 */
export async function verifyReceipt(text: string): Promise<VerifiedReceipt> {
  return await verified('receipt', text, decodeReceipt)
}

const INVALID: Readonly<Record<TextKind, { readonly code: ErrorCode; readonly what: string }>> = {
  request: { code: 'ERR_INVALID_PAYMENT_REQUEST', what: 'payment request' },
  receipt: { code: 'ERR_INVALID_RECEIPT', what: 'receipt' }
}

async function verified<T extends { readonly payeeKey: Uint8Array }>(
  kind: TextKind,
  text: string,
  decode: (content: Uint8Array) => T
): Promise<T & { readonly payee: string }> {
  try {
    const { content, signature } = signedOf(kind, text)
    const value = decode(content)
    const key = publicKeyFromProtobuf(value.payeeKey)
    if (!(await isSignedBy(key, signedBytes(kind, content), signature))) {
      throw new ProtocolError('REQ-5', 'It is not signed by the payee that it names.')
    }
    return { ...value, payee: peerIdFromPublicKey(key).toString() }
  } catch (cause) {
    const { code, what } = INVALID[kind]
    const rule = cause instanceof ProtocolError ? cause.rule : 'REQ-4'
    throw new PaychanError(
      code,
      `That is not a valid ${what}: ${messageOf(cause)} Ask for it again, and copy all of it.`,
      { rule },
      { cause }
    )
  }
}

async function isSignedBy(
  key: ReturnType<typeof publicKeyFromProtobuf>,
  bytes: Uint8Array,
  signature: Uint8Array
): Promise<boolean> {
  try {
    return await key.verify(bytes, signature)
  } catch {
    // A signature of another length than the key's.
    return false
  }
}

/* The question to the payee. */

/** Milliseconds for a question and its answer, on either side. */
const ANSWER_MS = 10_000

/** Streams of one connection that may ask at the same time. */
const MOST_STREAMS = 4

/** Each takes some reads of the disk, and a signature. */
const MOST_ANSWERS = 32

/** Questions of one peer that may be answered at the same time. */
const MOST_OF_A_PEER = 4

export type RequestComponents = Pick<PeersComponents, 'registrar' | 'connectionManager'>

interface QuestionOptions extends Pick<StreamsInit, 'runOnLimitedConnection'> {
  readonly most?: number | undefined
}

/** Asks payees about requests, and answers payers. */
export class RequestQuestions {
  /** Number of questions that are being answered, by peer. */
  readonly #answering = new Map<string, number>()
  readonly #components: RequestComponents
  readonly #answer: (question: Question, peer: string) => Promise<Answer>
  readonly #onError: (error: Error) => void
  readonly #options: QuestionOptions

  /**
   * @param answer - what the payee says to a peer; may reject
   * @param options - `most`: questions that may be answered at the same time, of all peers
   *   together; `runOnLimitedConnection`: as in `StreamsInit`
   */
  constructor(
    components: RequestComponents,
    answer: (question: Question, peer: string) => Promise<Answer>,
    onError: (error: Error) => void,
    options: QuestionOptions = {}
  ) {
    this.#components = components
    this.#answer = answer
    this.#onError = onError
    this.#options = options
  }

  async start(): Promise<void> {
    const handler: StreamHandler = async (stream, connection) => {
      await this.#onStream(stream, connection)
    }
    await this.#components.registrar.handle(REQUEST_PROTOCOL, handler, {
      maxInboundStreams: MOST_STREAMS,
      maxOutboundStreams: 64,
      runOnLimitedConnection: this.#runOnLimitedConnection
    })
  }

  async stop(): Promise<void> {
    await this.#components.registrar.unhandle(REQUEST_PROTOCOL)
  }

  /**
   * Asks a peer about a request of its own. A receipt in the answer is not verified yet.
   *
   * @param to - a PeerId that is connected, or a full multiaddr
   * @throws PaychanError `ERR_PEER_UNREACHABLE`, `ERR_NO_REQUESTS_SPOKEN`, `ERR_BAD_ANSWER`
   */
  async ask(to: string, question: Question): Promise<Answer> {
    const target = parseDialTarget(to)
    const signal = AbortSignal.timeout(ANSWER_MS)
    const name = target.peer.toString()
    const runOnLimitedConnection = this.#runOnLimitedConnection
    const connection = await connectionTo(
      this.#components,
      target,
      signal,
      runOnLimitedConnection
    ).catch((cause: unknown) => {
      throw unreachable(name, cause)
    })
    const options = { signal, runOnLimitedConnection }
    const stream = await openStream(connection, REQUEST_PROTOCOL, options, [
      'ERR_NO_REQUESTS_SPOKEN',
      `${name} does not speak ${REQUEST_PROTOCOL}: it can be paid, and gives no receipt.`
    ])
    try {
      const framed = lpStream(stream, { maxDataLength: MAX_ANSWER_BYTES })
      await framed.write(encodeQuestion(question), { signal })
      const answer = decodeAnswer((await framed.read({ signal })).subarray())
      await stream.close({ signal })
      return answer
    } catch (cause) {
      stream.abort(asError(cause))
      throw new PaychanError(
        'ERR_BAD_ANSWER',
        `The payee ${name} did not answer the question about its request: ${messageOf(cause)}`,
        { peer: name },
        { cause }
      )
    }
  }

  get #runOnLimitedConnection(): boolean {
    return this.#options.runOnLimitedConnection ?? true
  }

  /** Never rejects: a peer can call this whenever it likes. */
  async #onStream(stream: Stream, { remotePeer }: Connection): Promise<void> {
    const signal = AbortSignal.timeout(ANSWER_MS)
    try {
      const framed = lpStream(stream, { maxDataLength: MAX_ANSWER_BYTES })
      // Whoever says nothing takes nobody's place.
      const question = decodeQuestion((await framed.read({ signal })).subarray())
      const answer = await this.#answered(question, remotePeer.toString())
      await framed.write(encodeAnswer(answer), { signal })
      await stream.close({ signal })
    } catch (error) {
      const reason = asError(error)
      stream.abort(reason)
      // A fault of ours; what a peer does wrong ends its stream, and is told to nobody.
      if (error instanceof PaychanError) this.#onError(reason)
    }
  }

  async #answered(question: Question, peer: string): Promise<Answer> {
    const own = this.#answering.get(peer) ?? 0
    const all = [...this.#answering.values()].reduce((sum, each) => sum + each, 0)
    if (own >= MOST_OF_A_PEER || all >= (this.#options.most ?? MOST_ANSWERS)) {
      throw new Error('too many questions at once')
    }
    this.#answering.set(peer, own + 1)
    try {
      return await this.#answer(question, peer)
    } finally {
      const left = (this.#answering.get(peer) ?? 1) - 1
      if (left > 0) this.#answering.set(peer, left)
      else this.#answering.delete(peer)
    }
  }
}

/** The multiaddrs of a payee as a payer dials them, with its PeerId at their end. */
export function dialledAddresses({ addresses, payee }: VerifiedRequest): string[] {
  return addresses.map((address) => `${address}/p2p/${peerIdFromString(payee).toString()}`)
}
