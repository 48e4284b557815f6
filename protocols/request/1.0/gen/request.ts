// @ts-nocheck
import { writeUint64 } from '../../../uint64.js'
import { decodeMessage, encodeMessage, enumeration, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export enum Network {
  NETWORK_UNSPECIFIED = 'NETWORK_UNSPECIFIED',
  MAINNET = 'MAINNET',
  TESTNET = 'TESTNET',
  SIGNET = 'SIGNET',
  REGTEST = 'REGTEST',
  TESTNET4 = 'TESTNET4'
}

enum __NetworkValues {
  NETWORK_UNSPECIFIED = 0,
  MAINNET = 1,
  TESTNET = 2,
  SIGNET = 3,
  REGTEST = 4,
  TESTNET4 = 5
}

export namespace Network {
  export const codec = (): Codec<Network> => {
    return enumeration<Network>(__NetworkValues)
  }
}

export interface Signed {
  content: Uint8Array<ArrayBuffer>
  signature: Uint8Array<ArrayBuffer>
}

export namespace Signed {
  let _codec: Codec<Signed>

  export const codec = (): Codec<Signed> => {
    if (_codec == null) {
      _codec = message<Signed>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.content != null && obj.content.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.content)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          content: uint8ArrayAlloc(0),
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.content = reader.bytes()
              break
            }
            case 2: {
              obj.signature = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.content`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.signature`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface SignedContentFieldEvent {
    field: '$.content'
    value: Uint8Array<ArrayBuffer>
  }

  export interface SignedSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Signed>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Signed.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Signed>): Signed {
    return decodeMessage(buf, Signed.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Signed>): Generator<SignedContentFieldEvent | SignedSignatureFieldEvent> {
    return streamMessage(buf, Signed.codec(), opts)
  }
}

export interface Request {
  version: number
  network: Network
  payeeKey: Uint8Array<ArrayBuffer>
  addresses: Uint8Array<ArrayBuffer>[]
  id: Uint8Array<ArrayBuffer>
  amount: bigint
  memo: string
  made: bigint
  expires: bigint
  reusable: boolean
  leastFirstPayment: bigint
}

export namespace Request {
  let _codec: Codec<Request>

  export const codec = (): Codec<Request> => {
    if (_codec == null) {
      _codec = message<Request>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.version != null && obj.version !== 0)) {
          w.uint32(8)
          w.uint32(obj.version)
        }

        if (obj.network != null && __NetworkValues[obj.network] !== 0) {
          w.uint32(16)
          Network.codec().encode(obj.network, w)
        }

        if ((obj.payeeKey != null && obj.payeeKey.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.payeeKey)
        }

        if (obj.addresses != null && obj.addresses.length > 0) {
          for (const value of obj.addresses) {
            w.uint32(34)
            w.bytes(value)
          }
        }

        if ((obj.id != null && obj.id.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.id)
        }

        if ((obj.amount != null && obj.amount !== 0n)) {
          w.uint32(48)
          writeUint64(w, obj.amount)
        }

        if ((obj.memo != null && obj.memo !== '')) {
          w.uint32(58)
          w.string(obj.memo)
        }

        if ((obj.made != null && obj.made !== 0n)) {
          w.uint32(64)
          writeUint64(w, obj.made)
        }

        if ((obj.expires != null && obj.expires !== 0n)) {
          w.uint32(72)
          writeUint64(w, obj.expires)
        }

        if ((obj.reusable != null && obj.reusable !== false)) {
          w.uint32(80)
          w.bool(obj.reusable)
        }

        if ((obj.leastFirstPayment != null && obj.leastFirstPayment !== 0n)) {
          w.uint32(88)
          writeUint64(w, obj.leastFirstPayment)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          version: 0,
          network: Network.NETWORK_UNSPECIFIED,
          payeeKey: uint8ArrayAlloc(0),
          addresses: [],
          id: uint8ArrayAlloc(0),
          amount: 0n,
          memo: '',
          made: 0n,
          expires: 0n,
          reusable: false,
          leastFirstPayment: 0n
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.version = reader.uint32()
              break
            }
            case 2: {
              obj.network = Network.codec().decode(reader)
              break
            }
            case 3: {
              obj.payeeKey = reader.bytes()
              break
            }
            case 4: {
              if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements')
              }

              obj.addresses.push(reader.bytes())
              break
            }
            case 5: {
              obj.id = reader.bytes()
              break
            }
            case 6: {
              obj.amount = reader.uint64()
              break
            }
            case 7: {
              obj.memo = reader.string()
              break
            }
            case 8: {
              obj.made = reader.uint64()
              break
            }
            case 9: {
              obj.expires = reader.uint64()
              break
            }
            case 10: {
              obj.reusable = reader.bool()
              break
            }
            case 11: {
              obj.leastFirstPayment = reader.uint64()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          addresses: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.version`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.network`,
                value: Network.codec().decode(reader)
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.payeeKey`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              if (opts.limits?.addresses != null && obj.addresses === opts.limits.addresses) {
                throw new MaxLengthError('Streaming decode error - repeated field "addresses" had too many elements')
              }

              yield {
                field: `${prefix}.addresses[]`,
                index: obj.addresses,
                value: reader.bytes()
              }

              obj.addresses++

              break
            }
            case 5: {
              yield {
                field: `${prefix}.id`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.amount`,
                value: reader.uint64()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.memo`,
                value: reader.string()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.made`,
                value: reader.uint64()
              }
              break
            }
            case 9: {
              yield {
                field: `${prefix}.expires`,
                value: reader.uint64()
              }
              break
            }
            case 10: {
              yield {
                field: `${prefix}.reusable`,
                value: reader.bool()
              }
              break
            }
            case 11: {
              yield {
                field: `${prefix}.leastFirstPayment`,
                value: reader.uint64()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface RequestVersionFieldEvent {
    field: '$.version'
    value: number
  }

  export interface RequestNetworkFieldEvent {
    field: '$.network'
    value: Network
  }

  export interface RequestPayeeKeyFieldEvent {
    field: '$.payeeKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface RequestAddressesFieldEvent {
    field: '$.addresses[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface RequestIdFieldEvent {
    field: '$.id'
    value: Uint8Array<ArrayBuffer>
  }

  export interface RequestAmountFieldEvent {
    field: '$.amount'
    value: bigint
  }

  export interface RequestMemoFieldEvent {
    field: '$.memo'
    value: string
  }

  export interface RequestMadeFieldEvent {
    field: '$.made'
    value: bigint
  }

  export interface RequestExpiresFieldEvent {
    field: '$.expires'
    value: bigint
  }

  export interface RequestReusableFieldEvent {
    field: '$.reusable'
    value: boolean
  }

  export interface RequestLeastFirstPaymentFieldEvent {
    field: '$.leastFirstPayment'
    value: bigint
  }

  export function encode (obj: Partial<Request>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Request.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Request>): Request {
    return decodeMessage(buf, Request.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Request>): Generator<RequestVersionFieldEvent | RequestNetworkFieldEvent | RequestPayeeKeyFieldEvent | RequestAddressesFieldEvent | RequestIdFieldEvent | RequestAmountFieldEvent | RequestMemoFieldEvent | RequestMadeFieldEvent | RequestExpiresFieldEvent | RequestReusableFieldEvent | RequestLeastFirstPaymentFieldEvent> {
    return streamMessage(buf, Request.codec(), opts)
  }
}

export interface Receipt {
  version: number
  network: Network
  payeeKey: Uint8Array<ArrayBuffer>
  payer: string
  id: Uint8Array<ArrayBuffer>
  nonce: Uint8Array<ArrayBuffer>
  amount: bigint
  memo: string
  paid: bigint
}

export namespace Receipt {
  let _codec: Codec<Receipt>

  export const codec = (): Codec<Receipt> => {
    if (_codec == null) {
      _codec = message<Receipt>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.version != null && obj.version !== 0)) {
          w.uint32(8)
          w.uint32(obj.version)
        }

        if (obj.network != null && __NetworkValues[obj.network] !== 0) {
          w.uint32(16)
          Network.codec().encode(obj.network, w)
        }

        if ((obj.payeeKey != null && obj.payeeKey.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.payeeKey)
        }

        if ((obj.payer != null && obj.payer !== '')) {
          w.uint32(34)
          w.string(obj.payer)
        }

        if ((obj.id != null && obj.id.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.id)
        }

        if ((obj.nonce != null && obj.nonce.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.nonce)
        }

        if ((obj.amount != null && obj.amount !== 0n)) {
          w.uint32(56)
          writeUint64(w, obj.amount)
        }

        if ((obj.memo != null && obj.memo !== '')) {
          w.uint32(66)
          w.string(obj.memo)
        }

        if ((obj.paid != null && obj.paid !== 0n)) {
          w.uint32(72)
          writeUint64(w, obj.paid)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          version: 0,
          network: Network.NETWORK_UNSPECIFIED,
          payeeKey: uint8ArrayAlloc(0),
          payer: '',
          id: uint8ArrayAlloc(0),
          nonce: uint8ArrayAlloc(0),
          amount: 0n,
          memo: '',
          paid: 0n
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.version = reader.uint32()
              break
            }
            case 2: {
              obj.network = Network.codec().decode(reader)
              break
            }
            case 3: {
              obj.payeeKey = reader.bytes()
              break
            }
            case 4: {
              obj.payer = reader.string()
              break
            }
            case 5: {
              obj.id = reader.bytes()
              break
            }
            case 6: {
              obj.nonce = reader.bytes()
              break
            }
            case 7: {
              obj.amount = reader.uint64()
              break
            }
            case 8: {
              obj.memo = reader.string()
              break
            }
            case 9: {
              obj.paid = reader.uint64()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.version`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.network`,
                value: Network.codec().decode(reader)
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.payeeKey`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.payer`,
                value: reader.string()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.id`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.nonce`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.amount`,
                value: reader.uint64()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.memo`,
                value: reader.string()
              }
              break
            }
            case 9: {
              yield {
                field: `${prefix}.paid`,
                value: reader.uint64()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface ReceiptVersionFieldEvent {
    field: '$.version'
    value: number
  }

  export interface ReceiptNetworkFieldEvent {
    field: '$.network'
    value: Network
  }

  export interface ReceiptPayeeKeyFieldEvent {
    field: '$.payeeKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ReceiptPayerFieldEvent {
    field: '$.payer'
    value: string
  }

  export interface ReceiptIdFieldEvent {
    field: '$.id'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ReceiptNonceFieldEvent {
    field: '$.nonce'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ReceiptAmountFieldEvent {
    field: '$.amount'
    value: bigint
  }

  export interface ReceiptMemoFieldEvent {
    field: '$.memo'
    value: string
  }

  export interface ReceiptPaidFieldEvent {
    field: '$.paid'
    value: bigint
  }

  export function encode (obj: Partial<Receipt>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Receipt.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Receipt>): Receipt {
    return decodeMessage(buf, Receipt.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Receipt>): Generator<ReceiptVersionFieldEvent | ReceiptNetworkFieldEvent | ReceiptPayeeKeyFieldEvent | ReceiptPayerFieldEvent | ReceiptIdFieldEvent | ReceiptNonceFieldEvent | ReceiptAmountFieldEvent | ReceiptMemoFieldEvent | ReceiptPaidFieldEvent> {
    return streamMessage(buf, Receipt.codec(), opts)
  }
}

export interface Question {
  id: Uint8Array<ArrayBuffer>
  nonce: Uint8Array<ArrayBuffer>
}

export namespace Question {
  let _codec: Codec<Question>

  export const codec = (): Codec<Question> => {
    if (_codec == null) {
      _codec = message<Question>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.id != null && obj.id.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.id)
        }

        if ((obj.nonce != null && obj.nonce.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.nonce)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          id: uint8ArrayAlloc(0),
          nonce: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.id = reader.bytes()
              break
            }
            case 2: {
              obj.nonce = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.id`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.nonce`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface QuestionIdFieldEvent {
    field: '$.id'
    value: Uint8Array<ArrayBuffer>
  }

  export interface QuestionNonceFieldEvent {
    field: '$.nonce'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Question>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Question.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Question>): Question {
    return decodeMessage(buf, Question.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Question>): Generator<QuestionIdFieldEvent | QuestionNonceFieldEvent> {
    return streamMessage(buf, Question.codec(), opts)
  }
}

export enum State {
  STATE_UNSPECIFIED = 'STATE_UNSPECIFIED',
  UNKNOWN = 'UNKNOWN',
  OPEN = 'OPEN',
  PAID = 'PAID',
  EXPIRED = 'EXPIRED'
}

enum __StateValues {
  STATE_UNSPECIFIED = 0,
  UNKNOWN = 1,
  OPEN = 2,
  PAID = 3,
  EXPIRED = 4
}

export namespace State {
  export const codec = (): Codec<State> => {
    return enumeration<State>(__StateValues)
  }
}

export interface Answer {
  state: State
  receipt: Uint8Array<ArrayBuffer>
}

export namespace Answer {
  let _codec: Codec<Answer>

  export const codec = (): Codec<Answer> => {
    if (_codec == null) {
      _codec = message<Answer>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.state != null && __StateValues[obj.state] !== 0) {
          w.uint32(8)
          State.codec().encode(obj.state, w)
        }

        if ((obj.receipt != null && obj.receipt.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.receipt)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          state: State.STATE_UNSPECIFIED,
          receipt: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.state = State.codec().decode(reader)
              break
            }
            case 2: {
              obj.receipt = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.state`,
                value: State.codec().decode(reader)
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.receipt`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface AnswerStateFieldEvent {
    field: '$.state'
    value: State
  }

  export interface AnswerReceiptFieldEvent {
    field: '$.receipt'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Answer>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Answer.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Answer>): Answer {
    return decodeMessage(buf, Answer.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Answer>): Generator<AnswerStateFieldEvent | AnswerReceiptFieldEvent> {
    return streamMessage(buf, Answer.codec(), opts)
  }
}
