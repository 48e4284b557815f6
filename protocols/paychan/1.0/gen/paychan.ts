// @ts-nocheck
import { writeUint64 } from '../../../uint64.js'
/* eslint-disable require-yield */

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

export enum Mode {
  MODE_UNSPECIFIED = 'MODE_UNSPECIFIED',
  ONE_WAY = 'ONE_WAY',
  TWO_WAY = 'TWO_WAY'
}

enum __ModeValues {
  MODE_UNSPECIFIED = 0,
  ONE_WAY = 1,
  TWO_WAY = 2
}

export namespace Mode {
  export const codec = (): Codec<Mode> => {
    return enumeration<Mode>(__ModeValues)
  }
}

export interface Renewal {
  channelId: Uint8Array<ArrayBuffer>
  turn: number
  sequence: number
  serverBalance: bigint
}

export namespace Renewal {
  let _codec: Codec<Renewal>

  export const codec = (): Codec<Renewal> => {
    if (_codec == null) {
      _codec = message<Renewal>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.channelId != null && obj.channelId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.channelId)
        }

        if ((obj.turn != null && obj.turn !== 0)) {
          w.uint32(16)
          w.uint32(obj.turn)
        }

        if ((obj.sequence != null && obj.sequence !== 0)) {
          w.uint32(24)
          w.uint32(obj.sequence)
        }

        if ((obj.serverBalance != null && obj.serverBalance !== 0n)) {
          w.uint32(32)
          writeUint64(w, obj.serverBalance)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          channelId: uint8ArrayAlloc(0),
          turn: 0,
          sequence: 0,
          serverBalance: 0n
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.channelId = reader.bytes()
              break
            }
            case 2: {
              obj.turn = reader.uint32()
              break
            }
            case 3: {
              obj.sequence = reader.uint32()
              break
            }
            case 4: {
              obj.serverBalance = reader.uint64()
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
                field: `${prefix}.channelId`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.turn`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.serverBalance`,
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

  export interface RenewalChannelIdFieldEvent {
    field: '$.channelId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface RenewalTurnFieldEvent {
    field: '$.turn'
    value: number
  }

  export interface RenewalSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }

  export interface RenewalServerBalanceFieldEvent {
    field: '$.serverBalance'
    value: bigint
  }

  export function encode (obj: Partial<Renewal>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Renewal.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Renewal>): Renewal {
    return decodeMessage(buf, Renewal.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Renewal>): Generator<RenewalChannelIdFieldEvent | RenewalTurnFieldEvent | RenewalSequenceFieldEvent | RenewalServerBalanceFieldEvent> {
    return streamMessage(buf, Renewal.codec(), opts)
  }
}

export interface OpenChannel {
  network: Network
  channelKey: Uint8Array<ArrayBuffer>
  payoutKey: Uint8Array<ArrayBuffer>
  closeScript: Uint8Array<ArrayBuffer>
  capacity: bigint
  refundHeight: number
  mode: Mode
  step: number
  txVersion: number
  renews?: Renewal
  derivation: Uint8Array<ArrayBuffer>
}

export namespace OpenChannel {
  let _codec: Codec<OpenChannel>

  export const codec = (): Codec<OpenChannel> => {
    if (_codec == null) {
      _codec = message<OpenChannel>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.network != null && __NetworkValues[obj.network] !== 0) {
          w.uint32(8)
          Network.codec().encode(obj.network, w)
        }

        if ((obj.channelKey != null && obj.channelKey.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.channelKey)
        }

        if ((obj.payoutKey != null && obj.payoutKey.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.payoutKey)
        }

        if ((obj.closeScript != null && obj.closeScript.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.closeScript)
        }

        if ((obj.capacity != null && obj.capacity !== 0n)) {
          w.uint32(40)
          writeUint64(w, obj.capacity)
        }

        if ((obj.refundHeight != null && obj.refundHeight !== 0)) {
          w.uint32(48)
          w.uint32(obj.refundHeight)
        }

        if (obj.mode != null && __ModeValues[obj.mode] !== 0) {
          w.uint32(56)
          Mode.codec().encode(obj.mode, w)
        }

        if ((obj.step != null && obj.step !== 0)) {
          w.uint32(64)
          w.uint32(obj.step)
        }

        if ((obj.txVersion != null && obj.txVersion !== 0)) {
          w.uint32(72)
          w.uint32(obj.txVersion)
        }

        if (obj.renews != null) {
          w.uint32(82)
          Renewal.codec().encode(obj.renews, w)
        }

        if ((obj.derivation != null && obj.derivation.byteLength > 0)) {
          w.uint32(90)
          w.bytes(obj.derivation)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          network: Network.NETWORK_UNSPECIFIED,
          channelKey: uint8ArrayAlloc(0),
          payoutKey: uint8ArrayAlloc(0),
          closeScript: uint8ArrayAlloc(0),
          capacity: 0n,
          refundHeight: 0,
          mode: Mode.MODE_UNSPECIFIED,
          step: 0,
          txVersion: 0,
          derivation: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.network = Network.codec().decode(reader)
              break
            }
            case 2: {
              obj.channelKey = reader.bytes()
              break
            }
            case 3: {
              obj.payoutKey = reader.bytes()
              break
            }
            case 4: {
              obj.closeScript = reader.bytes()
              break
            }
            case 5: {
              obj.capacity = reader.uint64()
              break
            }
            case 6: {
              obj.refundHeight = reader.uint32()
              break
            }
            case 7: {
              obj.mode = Mode.codec().decode(reader)
              break
            }
            case 8: {
              obj.step = reader.uint32()
              break
            }
            case 9: {
              obj.txVersion = reader.uint32()
              break
            }
            case 10: {
              obj.renews = Renewal.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.renews
              })
              break
            }
            case 11: {
              obj.derivation = reader.bytes()
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
                field: `${prefix}.network`,
                value: Network.codec().decode(reader)
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.channelKey`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.payoutKey`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.closeScript`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.capacity`,
                value: reader.uint64()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.refundHeight`,
                value: reader.uint32()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.mode`,
                value: Mode.codec().decode(reader)
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.step`,
                value: reader.uint32()
              }
              break
            }
            case 9: {
              yield {
                field: `${prefix}.txVersion`,
                value: reader.uint32()
              }
              break
            }
            case 10: {
              yield * Renewal.codec().stream(reader, reader.uint32(), `${prefix}.renews`, {
                limits: opts.limits?.renews
              })

              break
            }
            case 11: {
              yield {
                field: `${prefix}.derivation`,
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

  export interface OpenChannelNetworkFieldEvent {
    field: '$.network'
    value: Network
  }

  export interface OpenChannelChannelKeyFieldEvent {
    field: '$.channelKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface OpenChannelPayoutKeyFieldEvent {
    field: '$.payoutKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface OpenChannelCloseScriptFieldEvent {
    field: '$.closeScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface OpenChannelCapacityFieldEvent {
    field: '$.capacity'
    value: bigint
  }

  export interface OpenChannelRefundHeightFieldEvent {
    field: '$.refundHeight'
    value: number
  }

  export interface OpenChannelModeFieldEvent {
    field: '$.mode'
    value: Mode
  }

  export interface OpenChannelStepFieldEvent {
    field: '$.step'
    value: number
  }

  export interface OpenChannelTxVersionFieldEvent {
    field: '$.txVersion'
    value: number
  }

  export interface OpenChannelRenewsChannelIdFieldEvent {
    field: '$.renews.channelId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface OpenChannelRenewsTurnFieldEvent {
    field: '$.renews.turn'
    value: number
  }

  export interface OpenChannelRenewsSequenceFieldEvent {
    field: '$.renews.sequence'
    value: number
  }

  export interface OpenChannelRenewsServerBalanceFieldEvent {
    field: '$.renews.serverBalance'
    value: bigint
  }

  export interface OpenChannelDerivationFieldEvent {
    field: '$.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<OpenChannel>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, OpenChannel.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<OpenChannel>): OpenChannel {
    return decodeMessage(buf, OpenChannel.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<OpenChannel>): Generator<OpenChannelNetworkFieldEvent | OpenChannelChannelKeyFieldEvent | OpenChannelPayoutKeyFieldEvent | OpenChannelCloseScriptFieldEvent | OpenChannelCapacityFieldEvent | OpenChannelRefundHeightFieldEvent | OpenChannelModeFieldEvent | OpenChannelStepFieldEvent | OpenChannelTxVersionFieldEvent | OpenChannelRenewsChannelIdFieldEvent | OpenChannelRenewsTurnFieldEvent | OpenChannelRenewsSequenceFieldEvent | OpenChannelRenewsServerBalanceFieldEvent | OpenChannelDerivationFieldEvent> {
    return streamMessage(buf, OpenChannel.codec(), opts)
  }
}

export interface Limits {
  minFirstPayment: bigint
  maxStake: bigint
  minTurnAmount: bigint
  maxInFlightUpdates: number
  maxInFlightValue: bigint
  maxRisk: number
}

export namespace Limits {
  let _codec: Codec<Limits>

  export const codec = (): Codec<Limits> => {
    if (_codec == null) {
      _codec = message<Limits>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.minFirstPayment != null && obj.minFirstPayment !== 0n)) {
          w.uint32(8)
          writeUint64(w, obj.minFirstPayment)
        }

        if ((obj.maxStake != null && obj.maxStake !== 0n)) {
          w.uint32(16)
          writeUint64(w, obj.maxStake)
        }

        if ((obj.minTurnAmount != null && obj.minTurnAmount !== 0n)) {
          w.uint32(24)
          writeUint64(w, obj.minTurnAmount)
        }

        if ((obj.maxInFlightUpdates != null && obj.maxInFlightUpdates !== 0)) {
          w.uint32(32)
          w.uint32(obj.maxInFlightUpdates)
        }

        if ((obj.maxInFlightValue != null && obj.maxInFlightValue !== 0n)) {
          w.uint32(40)
          writeUint64(w, obj.maxInFlightValue)
        }

        if ((obj.maxRisk != null && obj.maxRisk !== 0)) {
          w.uint32(48)
          w.uint32(obj.maxRisk)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          minFirstPayment: 0n,
          maxStake: 0n,
          minTurnAmount: 0n,
          maxInFlightUpdates: 0,
          maxInFlightValue: 0n,
          maxRisk: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.minFirstPayment = reader.uint64()
              break
            }
            case 2: {
              obj.maxStake = reader.uint64()
              break
            }
            case 3: {
              obj.minTurnAmount = reader.uint64()
              break
            }
            case 4: {
              obj.maxInFlightUpdates = reader.uint32()
              break
            }
            case 5: {
              obj.maxInFlightValue = reader.uint64()
              break
            }
            case 6: {
              obj.maxRisk = reader.uint32()
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
                field: `${prefix}.minFirstPayment`,
                value: reader.uint64()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.maxStake`,
                value: reader.uint64()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.minTurnAmount`,
                value: reader.uint64()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.maxInFlightUpdates`,
                value: reader.uint32()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.maxInFlightValue`,
                value: reader.uint64()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.maxRisk`,
                value: reader.uint32()
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

  export interface LimitsMinFirstPaymentFieldEvent {
    field: '$.minFirstPayment'
    value: bigint
  }

  export interface LimitsMaxStakeFieldEvent {
    field: '$.maxStake'
    value: bigint
  }

  export interface LimitsMinTurnAmountFieldEvent {
    field: '$.minTurnAmount'
    value: bigint
  }

  export interface LimitsMaxInFlightUpdatesFieldEvent {
    field: '$.maxInFlightUpdates'
    value: number
  }

  export interface LimitsMaxInFlightValueFieldEvent {
    field: '$.maxInFlightValue'
    value: bigint
  }

  export interface LimitsMaxRiskFieldEvent {
    field: '$.maxRisk'
    value: number
  }

  export function encode (obj: Partial<Limits>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Limits.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Limits>): Limits {
    return decodeMessage(buf, Limits.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Limits>): Generator<LimitsMinFirstPaymentFieldEvent | LimitsMaxStakeFieldEvent | LimitsMinTurnAmountFieldEvent | LimitsMaxInFlightUpdatesFieldEvent | LimitsMaxInFlightValueFieldEvent | LimitsMaxRiskFieldEvent> {
    return streamMessage(buf, Limits.codec(), opts)
  }
}

export interface AcceptChannel {
  channelKey: Uint8Array<ArrayBuffer>
  derivation: Uint8Array<ArrayBuffer>
  payoutKey: Uint8Array<ArrayBuffer>
  closeScript: Uint8Array<ArrayBuffer>
  minDepth: number
  limits?: Limits
  lastPaymentHeight: number
  settleHeight: number
}

export namespace AcceptChannel {
  let _codec: Codec<AcceptChannel>

  export const codec = (): Codec<AcceptChannel> => {
    if (_codec == null) {
      _codec = message<AcceptChannel>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.channelKey != null && obj.channelKey.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.channelKey)
        }

        if ((obj.derivation != null && obj.derivation.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.derivation)
        }

        if ((obj.payoutKey != null && obj.payoutKey.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.payoutKey)
        }

        if ((obj.closeScript != null && obj.closeScript.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.closeScript)
        }

        if ((obj.minDepth != null && obj.minDepth !== 0)) {
          w.uint32(40)
          w.uint32(obj.minDepth)
        }

        if (obj.limits != null) {
          w.uint32(50)
          Limits.codec().encode(obj.limits, w)
        }

        if ((obj.lastPaymentHeight != null && obj.lastPaymentHeight !== 0)) {
          w.uint32(56)
          w.uint32(obj.lastPaymentHeight)
        }

        if ((obj.settleHeight != null && obj.settleHeight !== 0)) {
          w.uint32(64)
          w.uint32(obj.settleHeight)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          channelKey: uint8ArrayAlloc(0),
          derivation: uint8ArrayAlloc(0),
          payoutKey: uint8ArrayAlloc(0),
          closeScript: uint8ArrayAlloc(0),
          minDepth: 0,
          lastPaymentHeight: 0,
          settleHeight: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.channelKey = reader.bytes()
              break
            }
            case 2: {
              obj.derivation = reader.bytes()
              break
            }
            case 3: {
              obj.payoutKey = reader.bytes()
              break
            }
            case 4: {
              obj.closeScript = reader.bytes()
              break
            }
            case 5: {
              obj.minDepth = reader.uint32()
              break
            }
            case 6: {
              obj.limits = Limits.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.limits
              })
              break
            }
            case 7: {
              obj.lastPaymentHeight = reader.uint32()
              break
            }
            case 8: {
              obj.settleHeight = reader.uint32()
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
                field: `${prefix}.channelKey`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.derivation`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.payoutKey`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.closeScript`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.minDepth`,
                value: reader.uint32()
              }
              break
            }
            case 6: {
              yield * Limits.codec().stream(reader, reader.uint32(), `${prefix}.limits`, {
                limits: opts.limits?.limits
              })

              break
            }
            case 7: {
              yield {
                field: `${prefix}.lastPaymentHeight`,
                value: reader.uint32()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.settleHeight`,
                value: reader.uint32()
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

  export interface AcceptChannelChannelKeyFieldEvent {
    field: '$.channelKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface AcceptChannelDerivationFieldEvent {
    field: '$.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export interface AcceptChannelPayoutKeyFieldEvent {
    field: '$.payoutKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface AcceptChannelCloseScriptFieldEvent {
    field: '$.closeScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface AcceptChannelMinDepthFieldEvent {
    field: '$.minDepth'
    value: number
  }

  export interface AcceptChannelLimitsMinFirstPaymentFieldEvent {
    field: '$.limits.minFirstPayment'
    value: bigint
  }

  export interface AcceptChannelLimitsMaxStakeFieldEvent {
    field: '$.limits.maxStake'
    value: bigint
  }

  export interface AcceptChannelLimitsMinTurnAmountFieldEvent {
    field: '$.limits.minTurnAmount'
    value: bigint
  }

  export interface AcceptChannelLimitsMaxInFlightUpdatesFieldEvent {
    field: '$.limits.maxInFlightUpdates'
    value: number
  }

  export interface AcceptChannelLimitsMaxInFlightValueFieldEvent {
    field: '$.limits.maxInFlightValue'
    value: bigint
  }

  export interface AcceptChannelLimitsMaxRiskFieldEvent {
    field: '$.limits.maxRisk'
    value: number
  }

  export interface AcceptChannelLastPaymentHeightFieldEvent {
    field: '$.lastPaymentHeight'
    value: number
  }

  export interface AcceptChannelSettleHeightFieldEvent {
    field: '$.settleHeight'
    value: number
  }

  export function encode (obj: Partial<AcceptChannel>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, AcceptChannel.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<AcceptChannel>): AcceptChannel {
    return decodeMessage(buf, AcceptChannel.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<AcceptChannel>): Generator<AcceptChannelChannelKeyFieldEvent | AcceptChannelDerivationFieldEvent | AcceptChannelPayoutKeyFieldEvent | AcceptChannelCloseScriptFieldEvent | AcceptChannelMinDepthFieldEvent | AcceptChannelLimitsMinFirstPaymentFieldEvent | AcceptChannelLimitsMaxStakeFieldEvent | AcceptChannelLimitsMinTurnAmountFieldEvent | AcceptChannelLimitsMaxInFlightUpdatesFieldEvent | AcceptChannelLimitsMaxInFlightValueFieldEvent | AcceptChannelLimitsMaxRiskFieldEvent | AcceptChannelLastPaymentHeightFieldEvent | AcceptChannelSettleHeightFieldEvent> {
    return streamMessage(buf, AcceptChannel.codec(), opts)
  }
}

export interface RefundRequest {
  refundTx: Uint8Array<ArrayBuffer>
}

export namespace RefundRequest {
  let _codec: Codec<RefundRequest>

  export const codec = (): Codec<RefundRequest> => {
    if (_codec == null) {
      _codec = message<RefundRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.refundTx != null && obj.refundTx.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.refundTx)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          refundTx: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.refundTx = reader.bytes()
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
                field: `${prefix}.refundTx`,
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

  export interface RefundRequestRefundTxFieldEvent {
    field: '$.refundTx'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<RefundRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, RefundRequest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RefundRequest>): RefundRequest {
    return decodeMessage(buf, RefundRequest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RefundRequest>): Generator<RefundRequestRefundTxFieldEvent> {
    return streamMessage(buf, RefundRequest.codec(), opts)
  }
}

export interface RefundSignature {
  signature: Uint8Array<ArrayBuffer>
}

export namespace RefundSignature {
  let _codec: Codec<RefundSignature>

  export const codec = (): Codec<RefundSignature> => {
    if (_codec == null) {
      _codec = message<RefundSignature>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
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

  export interface RefundSignatureSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<RefundSignature>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, RefundSignature.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RefundSignature>): RefundSignature {
    return decodeMessage(buf, RefundSignature.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RefundSignature>): Generator<RefundSignatureSignatureFieldEvent> {
    return streamMessage(buf, RefundSignature.codec(), opts)
  }
}

export interface Funding {
  fundingTx: Uint8Array<ArrayBuffer>
}

export namespace Funding {
  let _codec: Codec<Funding>

  export const codec = (): Codec<Funding> => {
    if (_codec == null) {
      _codec = message<Funding>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.fundingTx != null && obj.fundingTx.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.fundingTx)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          fundingTx: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.fundingTx = reader.bytes()
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
                field: `${prefix}.fundingTx`,
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

  export interface FundingFundingTxFieldEvent {
    field: '$.fundingTx'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Funding>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Funding.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Funding>): Funding {
    return decodeMessage(buf, Funding.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Funding>): Generator<FundingFundingTxFieldEvent> {
    return streamMessage(buf, Funding.codec(), opts)
  }
}

export interface FundingBroadcast {
  txid: Uint8Array<ArrayBuffer>
}

export namespace FundingBroadcast {
  let _codec: Codec<FundingBroadcast>

  export const codec = (): Codec<FundingBroadcast> => {
    if (_codec == null) {
      _codec = message<FundingBroadcast>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.txid != null && obj.txid.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.txid)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          txid: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.txid = reader.bytes()
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
                field: `${prefix}.txid`,
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

  export interface FundingBroadcastTxidFieldEvent {
    field: '$.txid'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<FundingBroadcast>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, FundingBroadcast.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<FundingBroadcast>): FundingBroadcast {
    return decodeMessage(buf, FundingBroadcast.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<FundingBroadcast>): Generator<FundingBroadcastTxidFieldEvent> {
    return streamMessage(buf, FundingBroadcast.codec(), opts)
  }
}

export interface Payment {
  id: Uint8Array<ArrayBuffer>
  amount: bigint
  memo: string
}

export namespace Payment {
  let _codec: Codec<Payment>

  export const codec = (): Codec<Payment> => {
    if (_codec == null) {
      _codec = message<Payment>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.id != null && obj.id.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.id)
        }

        if ((obj.amount != null && obj.amount !== 0n)) {
          w.uint32(16)
          writeUint64(w, obj.amount)
        }

        if ((obj.memo != null && obj.memo !== '')) {
          w.uint32(26)
          w.string(obj.memo)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          id: uint8ArrayAlloc(0),
          amount: 0n,
          memo: ''
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
              obj.amount = reader.uint64()
              break
            }
            case 3: {
              obj.memo = reader.string()
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
                field: `${prefix}.amount`,
                value: reader.uint64()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.memo`,
                value: reader.string()
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

  export interface PaymentIdFieldEvent {
    field: '$.id'
    value: Uint8Array<ArrayBuffer>
  }

  export interface PaymentAmountFieldEvent {
    field: '$.amount'
    value: bigint
  }

  export interface PaymentMemoFieldEvent {
    field: '$.memo'
    value: string
  }

  export function encode (obj: Partial<Payment>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Payment.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Payment>): Payment {
    return decodeMessage(buf, Payment.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Payment>): Generator<PaymentIdFieldEvent | PaymentAmountFieldEvent | PaymentMemoFieldEvent> {
    return streamMessage(buf, Payment.codec(), opts)
  }
}

export interface Update {
  turn: number
  sequence: number
  payerBalance: bigint
  payments: Payment[]
  signature: Uint8Array<ArrayBuffer>
}

export namespace Update {
  let _codec: Codec<Update>

  export const codec = (): Codec<Update> => {
    if (_codec == null) {
      _codec = message<Update>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.turn != null && obj.turn !== 0)) {
          w.uint32(8)
          w.uint32(obj.turn)
        }

        if ((obj.sequence != null && obj.sequence !== 0)) {
          w.uint32(16)
          w.uint32(obj.sequence)
        }

        if ((obj.payerBalance != null && obj.payerBalance !== 0n)) {
          w.uint32(24)
          writeUint64(w, obj.payerBalance)
        }

        if (obj.payments != null && obj.payments.length > 0) {
          for (const value of obj.payments) {
            w.uint32(34)
            Payment.codec().encode(value, w)
          }
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          turn: 0,
          sequence: 0,
          payerBalance: 0n,
          payments: [],
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.turn = reader.uint32()
              break
            }
            case 2: {
              obj.sequence = reader.uint32()
              break
            }
            case 3: {
              obj.payerBalance = reader.uint64()
              break
            }
            case 4: {
              if (opts.limits?.payments != null && obj.payments.length === opts.limits.payments) {
                throw new MaxLengthError('Decode error - repeated field "payments" had too many elements')
              }

              obj.payments.push(Payment.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.payments$
              }))
              break
            }
            case 5: {
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
        const obj = {
          payments: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.turn`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.payerBalance`,
                value: reader.uint64()
              }
              break
            }
            case 4: {
              if (opts.limits?.payments != null && obj.payments === opts.limits.payments) {
                throw new MaxLengthError('Streaming decode error - repeated field "payments" had too many elements')
              }

              for (const evt of Payment.codec().stream(reader, reader.uint32(), `${prefix}.payments[]`, {
                limits: opts.limits?.payments$
              })) {
                yield {
                  ...evt,
                  index: obj.payments
                }
              }

              obj.payments++

              break
            }
            case 5: {
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

  export interface UpdateTurnFieldEvent {
    field: '$.turn'
    value: number
  }

  export interface UpdateSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }

  export interface UpdatePayerBalanceFieldEvent {
    field: '$.payerBalance'
    value: bigint
  }

  export interface UpdatePaymentsIdFieldEvent {
    field: '$.payments[].id'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface UpdatePaymentsAmountFieldEvent {
    field: '$.payments[].amount'
    value: bigint
    index: number
  }

  export interface UpdatePaymentsMemoFieldEvent {
    field: '$.payments[].memo'
    value: string
    index: number
  }

  export interface UpdateSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Update>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Update.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Update>): Update {
    return decodeMessage(buf, Update.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Update>): Generator<UpdateTurnFieldEvent | UpdateSequenceFieldEvent | UpdatePayerBalanceFieldEvent | UpdatePaymentsIdFieldEvent | UpdatePaymentsAmountFieldEvent | UpdatePaymentsMemoFieldEvent | UpdateSignatureFieldEvent> {
    return streamMessage(buf, Update.codec(), opts)
  }
}

export interface UpdateAck {
  turn: number
  sequence: number
}

export namespace UpdateAck {
  let _codec: Codec<UpdateAck>

  export const codec = (): Codec<UpdateAck> => {
    if (_codec == null) {
      _codec = message<UpdateAck>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.turn != null && obj.turn !== 0)) {
          w.uint32(8)
          w.uint32(obj.turn)
        }

        if ((obj.sequence != null && obj.sequence !== 0)) {
          w.uint32(16)
          w.uint32(obj.sequence)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          turn: 0,
          sequence: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.turn = reader.uint32()
              break
            }
            case 2: {
              obj.sequence = reader.uint32()
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
                field: `${prefix}.turn`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint32()
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

  export interface UpdateAckTurnFieldEvent {
    field: '$.turn'
    value: number
  }

  export interface UpdateAckSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }

  export function encode (obj: Partial<UpdateAck>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, UpdateAck.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UpdateAck>): UpdateAck {
    return decodeMessage(buf, UpdateAck.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UpdateAck>): Generator<UpdateAckTurnFieldEvent | UpdateAckSequenceFieldEvent> {
    return streamMessage(buf, UpdateAck.codec(), opts)
  }
}

export interface ChannelReady {}

export namespace ChannelReady {
  let _codec: Codec<ChannelReady>

  export const codec = (): Codec<ChannelReady> => {
    if (_codec == null) {
      _codec = message<ChannelReady>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
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

  export function encode (obj: Partial<ChannelReady>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ChannelReady.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ChannelReady>): ChannelReady {
    return decodeMessage(buf, ChannelReady.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ChannelReady>): Generator<{}> {
    return streamMessage(buf, ChannelReady.codec(), opts)
  }
}

export interface TurnRequest {
  turn: number
  amount: bigint
}

export namespace TurnRequest {
  let _codec: Codec<TurnRequest>

  export const codec = (): Codec<TurnRequest> => {
    if (_codec == null) {
      _codec = message<TurnRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.turn != null && obj.turn !== 0)) {
          w.uint32(8)
          w.uint32(obj.turn)
        }

        if ((obj.amount != null && obj.amount !== 0n)) {
          w.uint32(16)
          writeUint64(w, obj.amount)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          turn: 0,
          amount: 0n
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.turn = reader.uint32()
              break
            }
            case 2: {
              obj.amount = reader.uint64()
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
                field: `${prefix}.turn`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.amount`,
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

  export interface TurnRequestTurnFieldEvent {
    field: '$.turn'
    value: number
  }

  export interface TurnRequestAmountFieldEvent {
    field: '$.amount'
    value: bigint
  }

  export function encode (obj: Partial<TurnRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, TurnRequest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<TurnRequest>): TurnRequest {
    return decodeMessage(buf, TurnRequest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<TurnRequest>): Generator<TurnRequestTurnFieldEvent | TurnRequestAmountFieldEvent> {
    return streamMessage(buf, TurnRequest.codec(), opts)
  }
}

export interface TurnGrant {
  turn: number
  sequence: number
}

export namespace TurnGrant {
  let _codec: Codec<TurnGrant>

  export const codec = (): Codec<TurnGrant> => {
    if (_codec == null) {
      _codec = message<TurnGrant>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.turn != null && obj.turn !== 0)) {
          w.uint32(8)
          w.uint32(obj.turn)
        }

        if ((obj.sequence != null && obj.sequence !== 0)) {
          w.uint32(16)
          w.uint32(obj.sequence)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          turn: 0,
          sequence: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.turn = reader.uint32()
              break
            }
            case 2: {
              obj.sequence = reader.uint32()
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
                field: `${prefix}.turn`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint32()
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

  export interface TurnGrantTurnFieldEvent {
    field: '$.turn'
    value: number
  }

  export interface TurnGrantSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }

  export function encode (obj: Partial<TurnGrant>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, TurnGrant.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<TurnGrant>): TurnGrant {
    return decodeMessage(buf, TurnGrant.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<TurnGrant>): Generator<TurnGrantTurnFieldEvent | TurnGrantSequenceFieldEvent> {
    return streamMessage(buf, TurnGrant.codec(), opts)
  }
}

export interface TurnRefuse {
  turn: number
  code: string
  notBefore: number
  text: string
}

export namespace TurnRefuse {
  let _codec: Codec<TurnRefuse>

  export const codec = (): Codec<TurnRefuse> => {
    if (_codec == null) {
      _codec = message<TurnRefuse>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.turn != null && obj.turn !== 0)) {
          w.uint32(8)
          w.uint32(obj.turn)
        }

        if ((obj.code != null && obj.code !== '')) {
          w.uint32(18)
          w.string(obj.code)
        }

        if ((obj.notBefore != null && obj.notBefore !== 0)) {
          w.uint32(24)
          w.uint32(obj.notBefore)
        }

        if ((obj.text != null && obj.text !== '')) {
          w.uint32(34)
          w.string(obj.text)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          turn: 0,
          code: '',
          notBefore: 0,
          text: ''
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.turn = reader.uint32()
              break
            }
            case 2: {
              obj.code = reader.string()
              break
            }
            case 3: {
              obj.notBefore = reader.uint32()
              break
            }
            case 4: {
              obj.text = reader.string()
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
                field: `${prefix}.turn`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.code`,
                value: reader.string()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.notBefore`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.text`,
                value: reader.string()
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

  export interface TurnRefuseTurnFieldEvent {
    field: '$.turn'
    value: number
  }

  export interface TurnRefuseCodeFieldEvent {
    field: '$.code'
    value: string
  }

  export interface TurnRefuseNotBeforeFieldEvent {
    field: '$.notBefore'
    value: number
  }

  export interface TurnRefuseTextFieldEvent {
    field: '$.text'
    value: string
  }

  export function encode (obj: Partial<TurnRefuse>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, TurnRefuse.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<TurnRefuse>): TurnRefuse {
    return decodeMessage(buf, TurnRefuse.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<TurnRefuse>): Generator<TurnRefuseTurnFieldEvent | TurnRefuseCodeFieldEvent | TurnRefuseNotBeforeFieldEvent | TurnRefuseTextFieldEvent> {
    return streamMessage(buf, TurnRefuse.codec(), opts)
  }
}

export interface RenewalRequest {
  fundingTx: Uint8Array<ArrayBuffer>
  signature: Uint8Array<ArrayBuffer>
  previous: Uint8Array<ArrayBuffer>[]
}

export namespace RenewalRequest {
  let _codec: Codec<RenewalRequest>

  export const codec = (): Codec<RenewalRequest> => {
    if (_codec == null) {
      _codec = message<RenewalRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.fundingTx != null && obj.fundingTx.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.fundingTx)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.signature)
        }

        if (obj.previous != null && obj.previous.length > 0) {
          for (const value of obj.previous) {
            w.uint32(26)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          fundingTx: uint8ArrayAlloc(0),
          signature: uint8ArrayAlloc(0),
          previous: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.fundingTx = reader.bytes()
              break
            }
            case 2: {
              obj.signature = reader.bytes()
              break
            }
            case 3: {
              if (opts.limits?.previous != null && obj.previous.length === opts.limits.previous) {
                throw new MaxLengthError('Decode error - repeated field "previous" had too many elements')
              }

              obj.previous.push(reader.bytes())
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
          previous: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.fundingTx`,
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
            case 3: {
              if (opts.limits?.previous != null && obj.previous === opts.limits.previous) {
                throw new MaxLengthError('Streaming decode error - repeated field "previous" had too many elements')
              }

              yield {
                field: `${prefix}.previous[]`,
                index: obj.previous,
                value: reader.bytes()
              }

              obj.previous++

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

  export interface RenewalRequestFundingTxFieldEvent {
    field: '$.fundingTx'
    value: Uint8Array<ArrayBuffer>
  }

  export interface RenewalRequestSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface RenewalRequestPreviousFieldEvent {
    field: '$.previous[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<RenewalRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, RenewalRequest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RenewalRequest>): RenewalRequest {
    return decodeMessage(buf, RenewalRequest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RenewalRequest>): Generator<RenewalRequestFundingTxFieldEvent | RenewalRequestSignatureFieldEvent | RenewalRequestPreviousFieldEvent> {
    return streamMessage(buf, RenewalRequest.codec(), opts)
  }
}

export interface CloseRequest {
  turn: number
  sequence: number
  clientBalance: bigint
  serverBalance: bigint
  clientScript: Uint8Array<ArrayBuffer>
  serverScript: Uint8Array<ArrayBuffer>
  fee: bigint
  signature: Uint8Array<ArrayBuffer>
}

export namespace CloseRequest {
  let _codec: Codec<CloseRequest>

  export const codec = (): Codec<CloseRequest> => {
    if (_codec == null) {
      _codec = message<CloseRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.turn != null && obj.turn !== 0)) {
          w.uint32(8)
          w.uint32(obj.turn)
        }

        if ((obj.sequence != null && obj.sequence !== 0)) {
          w.uint32(16)
          w.uint32(obj.sequence)
        }

        if ((obj.clientBalance != null && obj.clientBalance !== 0n)) {
          w.uint32(24)
          writeUint64(w, obj.clientBalance)
        }

        if ((obj.serverBalance != null && obj.serverBalance !== 0n)) {
          w.uint32(32)
          writeUint64(w, obj.serverBalance)
        }

        if ((obj.clientScript != null && obj.clientScript.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.clientScript)
        }

        if ((obj.serverScript != null && obj.serverScript.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.serverScript)
        }

        if ((obj.fee != null && obj.fee !== 0n)) {
          w.uint32(56)
          writeUint64(w, obj.fee)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(66)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          turn: 0,
          sequence: 0,
          clientBalance: 0n,
          serverBalance: 0n,
          clientScript: uint8ArrayAlloc(0),
          serverScript: uint8ArrayAlloc(0),
          fee: 0n,
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.turn = reader.uint32()
              break
            }
            case 2: {
              obj.sequence = reader.uint32()
              break
            }
            case 3: {
              obj.clientBalance = reader.uint64()
              break
            }
            case 4: {
              obj.serverBalance = reader.uint64()
              break
            }
            case 5: {
              obj.clientScript = reader.bytes()
              break
            }
            case 6: {
              obj.serverScript = reader.bytes()
              break
            }
            case 7: {
              obj.fee = reader.uint64()
              break
            }
            case 8: {
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
                field: `${prefix}.turn`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.clientBalance`,
                value: reader.uint64()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.serverBalance`,
                value: reader.uint64()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.clientScript`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.serverScript`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.fee`,
                value: reader.uint64()
              }
              break
            }
            case 8: {
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

  export interface CloseRequestTurnFieldEvent {
    field: '$.turn'
    value: number
  }

  export interface CloseRequestSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }

  export interface CloseRequestClientBalanceFieldEvent {
    field: '$.clientBalance'
    value: bigint
  }

  export interface CloseRequestServerBalanceFieldEvent {
    field: '$.serverBalance'
    value: bigint
  }

  export interface CloseRequestClientScriptFieldEvent {
    field: '$.clientScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface CloseRequestServerScriptFieldEvent {
    field: '$.serverScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface CloseRequestFeeFieldEvent {
    field: '$.fee'
    value: bigint
  }

  export interface CloseRequestSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<CloseRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, CloseRequest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CloseRequest>): CloseRequest {
    return decodeMessage(buf, CloseRequest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CloseRequest>): Generator<CloseRequestTurnFieldEvent | CloseRequestSequenceFieldEvent | CloseRequestClientBalanceFieldEvent | CloseRequestServerBalanceFieldEvent | CloseRequestClientScriptFieldEvent | CloseRequestServerScriptFieldEvent | CloseRequestFeeFieldEvent | CloseRequestSignatureFieldEvent> {
    return streamMessage(buf, CloseRequest.codec(), opts)
  }
}

export interface CloseDone {
  txid: Uint8Array<ArrayBuffer>
}

export namespace CloseDone {
  let _codec: Codec<CloseDone>

  export const codec = (): Codec<CloseDone> => {
    if (_codec == null) {
      _codec = message<CloseDone>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.txid != null && obj.txid.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.txid)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          txid: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.txid = reader.bytes()
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
                field: `${prefix}.txid`,
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

  export interface CloseDoneTxidFieldEvent {
    field: '$.txid'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<CloseDone>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, CloseDone.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CloseDone>): CloseDone {
    return decodeMessage(buf, CloseDone.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CloseDone>): Generator<CloseDoneTxidFieldEvent> {
    return streamMessage(buf, CloseDone.codec(), opts)
  }
}

export interface Reestablish {
  channelId: Uint8Array<ArrayBuffer>
  derivation: Uint8Array<ArrayBuffer>
  turn: number
  sequence: number
  payerBalance: bigint
  signature: Uint8Array<ArrayBuffer>
  signed: number
  payments: Payment[]
  paymentsAfter: number
  epoch: number
  peerEpoch: number
}

export namespace Reestablish {
  let _codec: Codec<Reestablish>

  export const codec = (): Codec<Reestablish> => {
    if (_codec == null) {
      _codec = message<Reestablish>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.channelId != null && obj.channelId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.channelId)
        }

        if ((obj.derivation != null && obj.derivation.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.derivation)
        }

        if ((obj.turn != null && obj.turn !== 0)) {
          w.uint32(24)
          w.uint32(obj.turn)
        }

        if ((obj.sequence != null && obj.sequence !== 0)) {
          w.uint32(32)
          w.uint32(obj.sequence)
        }

        if ((obj.payerBalance != null && obj.payerBalance !== 0n)) {
          w.uint32(40)
          writeUint64(w, obj.payerBalance)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.signature)
        }

        if ((obj.signed != null && obj.signed !== 0)) {
          w.uint32(56)
          w.uint32(obj.signed)
        }

        if (obj.payments != null && obj.payments.length > 0) {
          for (const value of obj.payments) {
            w.uint32(66)
            Payment.codec().encode(value, w)
          }
        }

        if ((obj.paymentsAfter != null && obj.paymentsAfter !== 0)) {
          w.uint32(72)
          w.uint32(obj.paymentsAfter)
        }

        if ((obj.epoch != null && obj.epoch !== 0)) {
          w.uint32(80)
          w.uint32(obj.epoch)
        }

        if ((obj.peerEpoch != null && obj.peerEpoch !== 0)) {
          w.uint32(88)
          w.uint32(obj.peerEpoch)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          channelId: uint8ArrayAlloc(0),
          derivation: uint8ArrayAlloc(0),
          turn: 0,
          sequence: 0,
          payerBalance: 0n,
          signature: uint8ArrayAlloc(0),
          signed: 0,
          payments: [],
          paymentsAfter: 0,
          epoch: 0,
          peerEpoch: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.channelId = reader.bytes()
              break
            }
            case 2: {
              obj.derivation = reader.bytes()
              break
            }
            case 3: {
              obj.turn = reader.uint32()
              break
            }
            case 4: {
              obj.sequence = reader.uint32()
              break
            }
            case 5: {
              obj.payerBalance = reader.uint64()
              break
            }
            case 6: {
              obj.signature = reader.bytes()
              break
            }
            case 7: {
              obj.signed = reader.uint32()
              break
            }
            case 8: {
              if (opts.limits?.payments != null && obj.payments.length === opts.limits.payments) {
                throw new MaxLengthError('Decode error - repeated field "payments" had too many elements')
              }

              obj.payments.push(Payment.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.payments$
              }))
              break
            }
            case 9: {
              obj.paymentsAfter = reader.uint32()
              break
            }
            case 10: {
              obj.epoch = reader.uint32()
              break
            }
            case 11: {
              obj.peerEpoch = reader.uint32()
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
          payments: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.channelId`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.derivation`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.turn`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint32()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.payerBalance`,
                value: reader.uint64()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.signature`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.signed`,
                value: reader.uint32()
              }
              break
            }
            case 8: {
              if (opts.limits?.payments != null && obj.payments === opts.limits.payments) {
                throw new MaxLengthError('Streaming decode error - repeated field "payments" had too many elements')
              }

              for (const evt of Payment.codec().stream(reader, reader.uint32(), `${prefix}.payments[]`, {
                limits: opts.limits?.payments$
              })) {
                yield {
                  ...evt,
                  index: obj.payments
                }
              }

              obj.payments++

              break
            }
            case 9: {
              yield {
                field: `${prefix}.paymentsAfter`,
                value: reader.uint32()
              }
              break
            }
            case 10: {
              yield {
                field: `${prefix}.epoch`,
                value: reader.uint32()
              }
              break
            }
            case 11: {
              yield {
                field: `${prefix}.peerEpoch`,
                value: reader.uint32()
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

  export interface ReestablishChannelIdFieldEvent {
    field: '$.channelId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ReestablishDerivationFieldEvent {
    field: '$.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ReestablishTurnFieldEvent {
    field: '$.turn'
    value: number
  }

  export interface ReestablishSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }

  export interface ReestablishPayerBalanceFieldEvent {
    field: '$.payerBalance'
    value: bigint
  }

  export interface ReestablishSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ReestablishSignedFieldEvent {
    field: '$.signed'
    value: number
  }

  export interface ReestablishPaymentsIdFieldEvent {
    field: '$.payments[].id'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface ReestablishPaymentsAmountFieldEvent {
    field: '$.payments[].amount'
    value: bigint
    index: number
  }

  export interface ReestablishPaymentsMemoFieldEvent {
    field: '$.payments[].memo'
    value: string
    index: number
  }

  export interface ReestablishPaymentsAfterFieldEvent {
    field: '$.paymentsAfter'
    value: number
  }

  export interface ReestablishEpochFieldEvent {
    field: '$.epoch'
    value: number
  }

  export interface ReestablishPeerEpochFieldEvent {
    field: '$.peerEpoch'
    value: number
  }

  export function encode (obj: Partial<Reestablish>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Reestablish.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Reestablish>): Reestablish {
    return decodeMessage(buf, Reestablish.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Reestablish>): Generator<ReestablishChannelIdFieldEvent | ReestablishDerivationFieldEvent | ReestablishTurnFieldEvent | ReestablishSequenceFieldEvent | ReestablishPayerBalanceFieldEvent | ReestablishSignatureFieldEvent | ReestablishSignedFieldEvent | ReestablishPaymentsIdFieldEvent | ReestablishPaymentsAmountFieldEvent | ReestablishPaymentsMemoFieldEvent | ReestablishPaymentsAfterFieldEvent | ReestablishEpochFieldEvent | ReestablishPeerEpochFieldEvent> {
    return streamMessage(buf, Reestablish.codec(), opts)
  }
}

export interface RestoreRequest {
  after: Uint8Array<ArrayBuffer>
}

export namespace RestoreRequest {
  let _codec: Codec<RestoreRequest>

  export const codec = (): Codec<RestoreRequest> => {
    if (_codec == null) {
      _codec = message<RestoreRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.after != null && obj.after.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.after)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          after: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.after = reader.bytes()
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
                field: `${prefix}.after`,
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

  export interface RestoreRequestAfterFieldEvent {
    field: '$.after'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<RestoreRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, RestoreRequest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RestoreRequest>): RestoreRequest {
    return decodeMessage(buf, RestoreRequest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RestoreRequest>): Generator<RestoreRequestAfterFieldEvent> {
    return streamMessage(buf, RestoreRequest.codec(), opts)
  }
}

export interface ChannelState {
  sequence: number
  payerBalance: bigint
  signature: Uint8Array<ArrayBuffer>
}

export namespace ChannelState {
  let _codec: Codec<ChannelState>

  export const codec = (): Codec<ChannelState> => {
    if (_codec == null) {
      _codec = message<ChannelState>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.sequence != null && obj.sequence !== 0)) {
          w.uint32(8)
          w.uint32(obj.sequence)
        }

        if ((obj.payerBalance != null && obj.payerBalance !== 0n)) {
          w.uint32(16)
          writeUint64(w, obj.payerBalance)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          sequence: 0,
          payerBalance: 0n,
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.sequence = reader.uint32()
              break
            }
            case 2: {
              obj.payerBalance = reader.uint64()
              break
            }
            case 3: {
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
                field: `${prefix}.sequence`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.payerBalance`,
                value: reader.uint64()
              }
              break
            }
            case 3: {
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

  export interface ChannelStateSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }

  export interface ChannelStatePayerBalanceFieldEvent {
    field: '$.payerBalance'
    value: bigint
  }

  export interface ChannelStateSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<ChannelState>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ChannelState.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ChannelState>): ChannelState {
    return decodeMessage(buf, ChannelState.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ChannelState>): Generator<ChannelStateSequenceFieldEvent | ChannelStatePayerBalanceFieldEvent | ChannelStateSignatureFieldEvent> {
    return streamMessage(buf, ChannelState.codec(), opts)
  }
}

export interface ChannelRecord {
  open?: OpenChannel
  accept?: AcceptChannel
  fundingTx: Uint8Array<ArrayBuffer>
  fundingOutput: number
  refundSignature: Uint8Array<ArrayBuffer>
  states: ChannelState[]
}

export namespace ChannelRecord {
  let _codec: Codec<ChannelRecord>

  export const codec = (): Codec<ChannelRecord> => {
    if (_codec == null) {
      _codec = message<ChannelRecord>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.open != null) {
          w.uint32(10)
          OpenChannel.codec().encode(obj.open, w)
        }

        if (obj.accept != null) {
          w.uint32(18)
          AcceptChannel.codec().encode(obj.accept, w)
        }

        if ((obj.fundingTx != null && obj.fundingTx.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.fundingTx)
        }

        if ((obj.fundingOutput != null && obj.fundingOutput !== 0)) {
          w.uint32(32)
          w.uint32(obj.fundingOutput)
        }

        if ((obj.refundSignature != null && obj.refundSignature.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.refundSignature)
        }

        if (obj.states != null && obj.states.length > 0) {
          for (const value of obj.states) {
            w.uint32(50)
            ChannelState.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          fundingTx: uint8ArrayAlloc(0),
          fundingOutput: 0,
          refundSignature: uint8ArrayAlloc(0),
          states: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.open = OpenChannel.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.open
              })
              break
            }
            case 2: {
              obj.accept = AcceptChannel.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.accept
              })
              break
            }
            case 3: {
              obj.fundingTx = reader.bytes()
              break
            }
            case 4: {
              obj.fundingOutput = reader.uint32()
              break
            }
            case 5: {
              obj.refundSignature = reader.bytes()
              break
            }
            case 6: {
              if (opts.limits?.states != null && obj.states.length === opts.limits.states) {
                throw new MaxLengthError('Decode error - repeated field "states" had too many elements')
              }

              obj.states.push(ChannelState.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.states$
              }))
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
          states: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * OpenChannel.codec().stream(reader, reader.uint32(), `${prefix}.open`, {
                limits: opts.limits?.open
              })

              break
            }
            case 2: {
              yield * AcceptChannel.codec().stream(reader, reader.uint32(), `${prefix}.accept`, {
                limits: opts.limits?.accept
              })

              break
            }
            case 3: {
              yield {
                field: `${prefix}.fundingTx`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.fundingOutput`,
                value: reader.uint32()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.refundSignature`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              if (opts.limits?.states != null && obj.states === opts.limits.states) {
                throw new MaxLengthError('Streaming decode error - repeated field "states" had too many elements')
              }

              for (const evt of ChannelState.codec().stream(reader, reader.uint32(), `${prefix}.states[]`, {
                limits: opts.limits?.states$
              })) {
                yield {
                  ...evt,
                  index: obj.states
                }
              }

              obj.states++

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

  export interface ChannelRecordOpenNetworkFieldEvent {
    field: '$.open.network'
    value: Network
  }

  export interface ChannelRecordOpenChannelKeyFieldEvent {
    field: '$.open.channelKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordOpenPayoutKeyFieldEvent {
    field: '$.open.payoutKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordOpenCloseScriptFieldEvent {
    field: '$.open.closeScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordOpenCapacityFieldEvent {
    field: '$.open.capacity'
    value: bigint
  }

  export interface ChannelRecordOpenRefundHeightFieldEvent {
    field: '$.open.refundHeight'
    value: number
  }

  export interface ChannelRecordOpenModeFieldEvent {
    field: '$.open.mode'
    value: Mode
  }

  export interface ChannelRecordOpenStepFieldEvent {
    field: '$.open.step'
    value: number
  }

  export interface ChannelRecordOpenTxVersionFieldEvent {
    field: '$.open.txVersion'
    value: number
  }

  export interface ChannelRecordOpenRenewsChannelIdFieldEvent {
    field: '$.open.renews.channelId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordOpenRenewsTurnFieldEvent {
    field: '$.open.renews.turn'
    value: number
  }

  export interface ChannelRecordOpenRenewsSequenceFieldEvent {
    field: '$.open.renews.sequence'
    value: number
  }

  export interface ChannelRecordOpenRenewsServerBalanceFieldEvent {
    field: '$.open.renews.serverBalance'
    value: bigint
  }

  export interface ChannelRecordOpenDerivationFieldEvent {
    field: '$.open.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordAcceptChannelKeyFieldEvent {
    field: '$.accept.channelKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordAcceptDerivationFieldEvent {
    field: '$.accept.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordAcceptPayoutKeyFieldEvent {
    field: '$.accept.payoutKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordAcceptCloseScriptFieldEvent {
    field: '$.accept.closeScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordAcceptMinDepthFieldEvent {
    field: '$.accept.minDepth'
    value: number
  }

  export interface ChannelRecordAcceptLimitsMinFirstPaymentFieldEvent {
    field: '$.accept.limits.minFirstPayment'
    value: bigint
  }

  export interface ChannelRecordAcceptLimitsMaxStakeFieldEvent {
    field: '$.accept.limits.maxStake'
    value: bigint
  }

  export interface ChannelRecordAcceptLimitsMinTurnAmountFieldEvent {
    field: '$.accept.limits.minTurnAmount'
    value: bigint
  }

  export interface ChannelRecordAcceptLimitsMaxInFlightUpdatesFieldEvent {
    field: '$.accept.limits.maxInFlightUpdates'
    value: number
  }

  export interface ChannelRecordAcceptLimitsMaxInFlightValueFieldEvent {
    field: '$.accept.limits.maxInFlightValue'
    value: bigint
  }

  export interface ChannelRecordAcceptLimitsMaxRiskFieldEvent {
    field: '$.accept.limits.maxRisk'
    value: number
  }

  export interface ChannelRecordAcceptLastPaymentHeightFieldEvent {
    field: '$.accept.lastPaymentHeight'
    value: number
  }

  export interface ChannelRecordAcceptSettleHeightFieldEvent {
    field: '$.accept.settleHeight'
    value: number
  }

  export interface ChannelRecordFundingTxFieldEvent {
    field: '$.fundingTx'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordFundingOutputFieldEvent {
    field: '$.fundingOutput'
    value: number
  }

  export interface ChannelRecordRefundSignatureFieldEvent {
    field: '$.refundSignature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ChannelRecordStatesSequenceFieldEvent {
    field: '$.states[].sequence'
    value: number
    index: number
  }

  export interface ChannelRecordStatesPayerBalanceFieldEvent {
    field: '$.states[].payerBalance'
    value: bigint
    index: number
  }

  export interface ChannelRecordStatesSignatureFieldEvent {
    field: '$.states[].signature'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<ChannelRecord>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ChannelRecord.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ChannelRecord>): ChannelRecord {
    return decodeMessage(buf, ChannelRecord.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ChannelRecord>): Generator<ChannelRecordOpenNetworkFieldEvent | ChannelRecordOpenChannelKeyFieldEvent | ChannelRecordOpenPayoutKeyFieldEvent | ChannelRecordOpenCloseScriptFieldEvent | ChannelRecordOpenCapacityFieldEvent | ChannelRecordOpenRefundHeightFieldEvent | ChannelRecordOpenModeFieldEvent | ChannelRecordOpenStepFieldEvent | ChannelRecordOpenTxVersionFieldEvent | ChannelRecordOpenRenewsChannelIdFieldEvent | ChannelRecordOpenRenewsTurnFieldEvent | ChannelRecordOpenRenewsSequenceFieldEvent | ChannelRecordOpenRenewsServerBalanceFieldEvent | ChannelRecordOpenDerivationFieldEvent | ChannelRecordAcceptChannelKeyFieldEvent | ChannelRecordAcceptDerivationFieldEvent | ChannelRecordAcceptPayoutKeyFieldEvent | ChannelRecordAcceptCloseScriptFieldEvent | ChannelRecordAcceptMinDepthFieldEvent | ChannelRecordAcceptLimitsMinFirstPaymentFieldEvent | ChannelRecordAcceptLimitsMaxStakeFieldEvent | ChannelRecordAcceptLimitsMinTurnAmountFieldEvent | ChannelRecordAcceptLimitsMaxInFlightUpdatesFieldEvent | ChannelRecordAcceptLimitsMaxInFlightValueFieldEvent | ChannelRecordAcceptLimitsMaxRiskFieldEvent | ChannelRecordAcceptLastPaymentHeightFieldEvent | ChannelRecordAcceptSettleHeightFieldEvent | ChannelRecordFundingTxFieldEvent | ChannelRecordFundingOutputFieldEvent | ChannelRecordRefundSignatureFieldEvent | ChannelRecordStatesSequenceFieldEvent | ChannelRecordStatesPayerBalanceFieldEvent | ChannelRecordStatesSignatureFieldEvent> {
    return streamMessage(buf, ChannelRecord.codec(), opts)
  }
}

export interface RestoreDone {}

export namespace RestoreDone {
  let _codec: Codec<RestoreDone>

  export const codec = (): Codec<RestoreDone> => {
    if (_codec == null) {
      _codec = message<RestoreDone>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
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

  export function encode (obj: Partial<RestoreDone>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, RestoreDone.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RestoreDone>): RestoreDone {
    return decodeMessage(buf, RestoreDone.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RestoreDone>): Generator<{}> {
    return streamMessage(buf, RestoreDone.codec(), opts)
  }
}

export interface Error {
  code: string
  rule: string
  text: string
  fatal: boolean
}

export namespace Error {
  let _codec: Codec<Error>

  export const codec = (): Codec<Error> => {
    if (_codec == null) {
      _codec = message<Error>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.code != null && obj.code !== '')) {
          w.uint32(10)
          w.string(obj.code)
        }

        if ((obj.rule != null && obj.rule !== '')) {
          w.uint32(18)
          w.string(obj.rule)
        }

        if ((obj.text != null && obj.text !== '')) {
          w.uint32(26)
          w.string(obj.text)
        }

        if ((obj.fatal != null && obj.fatal !== false)) {
          w.uint32(32)
          w.bool(obj.fatal)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          code: '',
          rule: '',
          text: '',
          fatal: false
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.code = reader.string()
              break
            }
            case 2: {
              obj.rule = reader.string()
              break
            }
            case 3: {
              obj.text = reader.string()
              break
            }
            case 4: {
              obj.fatal = reader.bool()
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
                field: `${prefix}.code`,
                value: reader.string()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.rule`,
                value: reader.string()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.text`,
                value: reader.string()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.fatal`,
                value: reader.bool()
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

  export interface ErrorCodeFieldEvent {
    field: '$.code'
    value: string
  }

  export interface ErrorRuleFieldEvent {
    field: '$.rule'
    value: string
  }

  export interface ErrorTextFieldEvent {
    field: '$.text'
    value: string
  }

  export interface ErrorFatalFieldEvent {
    field: '$.fatal'
    value: boolean
  }

  export function encode (obj: Partial<Error>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Error.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Error>): Error {
    return decodeMessage(buf, Error.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Error>): Generator<ErrorCodeFieldEvent | ErrorRuleFieldEvent | ErrorTextFieldEvent | ErrorFatalFieldEvent> {
    return streamMessage(buf, Error.codec(), opts)
  }
}

export interface Envelope {
  openChannel?: OpenChannel
  acceptChannel?: AcceptChannel
  refundRequest?: RefundRequest
  refundSignature?: RefundSignature
  funding?: Funding
  fundingBroadcast?: FundingBroadcast
  update?: Update
  updateAck?: UpdateAck
  channelReady?: ChannelReady
  turnRequest?: TurnRequest
  turnGrant?: TurnGrant
  turnRefuse?: TurnRefuse
  closeRequest?: CloseRequest
  closeDone?: CloseDone
  reestablish?: Reestablish
  error?: Error
  renewalRequest?: RenewalRequest
  restoreRequest?: RestoreRequest
  channelRecord?: ChannelRecord
  restoreDone?: RestoreDone
}

export namespace Envelope {
  let _codec: Codec<Envelope>

  export const codec = (): Codec<Envelope> => {
    if (_codec == null) {
      _codec = message<Envelope>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.openChannel != null) {
          w.uint32(10)
          OpenChannel.codec().encode(obj.openChannel, w)
        }

        if (obj.acceptChannel != null) {
          w.uint32(18)
          AcceptChannel.codec().encode(obj.acceptChannel, w)
        }

        if (obj.refundRequest != null) {
          w.uint32(26)
          RefundRequest.codec().encode(obj.refundRequest, w)
        }

        if (obj.refundSignature != null) {
          w.uint32(34)
          RefundSignature.codec().encode(obj.refundSignature, w)
        }

        if (obj.funding != null) {
          w.uint32(42)
          Funding.codec().encode(obj.funding, w)
        }

        if (obj.fundingBroadcast != null) {
          w.uint32(50)
          FundingBroadcast.codec().encode(obj.fundingBroadcast, w)
        }

        if (obj.update != null) {
          w.uint32(58)
          Update.codec().encode(obj.update, w)
        }

        if (obj.updateAck != null) {
          w.uint32(66)
          UpdateAck.codec().encode(obj.updateAck, w)
        }

        if (obj.channelReady != null) {
          w.uint32(74)
          ChannelReady.codec().encode(obj.channelReady, w)
        }

        if (obj.turnRequest != null) {
          w.uint32(82)
          TurnRequest.codec().encode(obj.turnRequest, w)
        }

        if (obj.turnGrant != null) {
          w.uint32(90)
          TurnGrant.codec().encode(obj.turnGrant, w)
        }

        if (obj.turnRefuse != null) {
          w.uint32(98)
          TurnRefuse.codec().encode(obj.turnRefuse, w)
        }

        if (obj.closeRequest != null) {
          w.uint32(106)
          CloseRequest.codec().encode(obj.closeRequest, w)
        }

        if (obj.closeDone != null) {
          w.uint32(114)
          CloseDone.codec().encode(obj.closeDone, w)
        }

        if (obj.reestablish != null) {
          w.uint32(122)
          Reestablish.codec().encode(obj.reestablish, w)
        }

        if (obj.error != null) {
          w.uint32(130)
          Error.codec().encode(obj.error, w)
        }

        if (obj.renewalRequest != null) {
          w.uint32(138)
          RenewalRequest.codec().encode(obj.renewalRequest, w)
        }

        if (obj.restoreRequest != null) {
          w.uint32(146)
          RestoreRequest.codec().encode(obj.restoreRequest, w)
        }

        if (obj.channelRecord != null) {
          w.uint32(154)
          ChannelRecord.codec().encode(obj.channelRecord, w)
        }

        if (obj.restoreDone != null) {
          w.uint32(162)
          RestoreDone.codec().encode(obj.restoreDone, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.openChannel = OpenChannel.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.openChannel
              })
              break
            }
            case 2: {
              obj.acceptChannel = AcceptChannel.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.acceptChannel
              })
              break
            }
            case 3: {
              obj.refundRequest = RefundRequest.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.refundRequest
              })
              break
            }
            case 4: {
              obj.refundSignature = RefundSignature.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.refundSignature
              })
              break
            }
            case 5: {
              obj.funding = Funding.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.funding
              })
              break
            }
            case 6: {
              obj.fundingBroadcast = FundingBroadcast.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.fundingBroadcast
              })
              break
            }
            case 7: {
              obj.update = Update.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.update
              })
              break
            }
            case 8: {
              obj.updateAck = UpdateAck.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.updateAck
              })
              break
            }
            case 9: {
              obj.channelReady = ChannelReady.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.channelReady
              })
              break
            }
            case 10: {
              obj.turnRequest = TurnRequest.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.turnRequest
              })
              break
            }
            case 11: {
              obj.turnGrant = TurnGrant.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.turnGrant
              })
              break
            }
            case 12: {
              obj.turnRefuse = TurnRefuse.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.turnRefuse
              })
              break
            }
            case 13: {
              obj.closeRequest = CloseRequest.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.closeRequest
              })
              break
            }
            case 14: {
              obj.closeDone = CloseDone.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.closeDone
              })
              break
            }
            case 15: {
              obj.reestablish = Reestablish.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.reestablish
              })
              break
            }
            case 16: {
              obj.error = Error.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.error
              })
              break
            }
            case 17: {
              obj.renewalRequest = RenewalRequest.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.renewalRequest
              })
              break
            }
            case 18: {
              obj.restoreRequest = RestoreRequest.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.restoreRequest
              })
              break
            }
            case 19: {
              obj.channelRecord = ChannelRecord.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.channelRecord
              })
              break
            }
            case 20: {
              obj.restoreDone = RestoreDone.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.restoreDone
              })
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
              yield * OpenChannel.codec().stream(reader, reader.uint32(), `${prefix}.openChannel`, {
                limits: opts.limits?.openChannel
              })

              break
            }
            case 2: {
              yield * AcceptChannel.codec().stream(reader, reader.uint32(), `${prefix}.acceptChannel`, {
                limits: opts.limits?.acceptChannel
              })

              break
            }
            case 3: {
              yield * RefundRequest.codec().stream(reader, reader.uint32(), `${prefix}.refundRequest`, {
                limits: opts.limits?.refundRequest
              })

              break
            }
            case 4: {
              yield * RefundSignature.codec().stream(reader, reader.uint32(), `${prefix}.refundSignature`, {
                limits: opts.limits?.refundSignature
              })

              break
            }
            case 5: {
              yield * Funding.codec().stream(reader, reader.uint32(), `${prefix}.funding`, {
                limits: opts.limits?.funding
              })

              break
            }
            case 6: {
              yield * FundingBroadcast.codec().stream(reader, reader.uint32(), `${prefix}.fundingBroadcast`, {
                limits: opts.limits?.fundingBroadcast
              })

              break
            }
            case 7: {
              yield * Update.codec().stream(reader, reader.uint32(), `${prefix}.update`, {
                limits: opts.limits?.update
              })

              break
            }
            case 8: {
              yield * UpdateAck.codec().stream(reader, reader.uint32(), `${prefix}.updateAck`, {
                limits: opts.limits?.updateAck
              })

              break
            }
            case 9: {
              yield * ChannelReady.codec().stream(reader, reader.uint32(), `${prefix}.channelReady`, {
                limits: opts.limits?.channelReady
              })

              break
            }
            case 10: {
              yield * TurnRequest.codec().stream(reader, reader.uint32(), `${prefix}.turnRequest`, {
                limits: opts.limits?.turnRequest
              })

              break
            }
            case 11: {
              yield * TurnGrant.codec().stream(reader, reader.uint32(), `${prefix}.turnGrant`, {
                limits: opts.limits?.turnGrant
              })

              break
            }
            case 12: {
              yield * TurnRefuse.codec().stream(reader, reader.uint32(), `${prefix}.turnRefuse`, {
                limits: opts.limits?.turnRefuse
              })

              break
            }
            case 13: {
              yield * CloseRequest.codec().stream(reader, reader.uint32(), `${prefix}.closeRequest`, {
                limits: opts.limits?.closeRequest
              })

              break
            }
            case 14: {
              yield * CloseDone.codec().stream(reader, reader.uint32(), `${prefix}.closeDone`, {
                limits: opts.limits?.closeDone
              })

              break
            }
            case 15: {
              yield * Reestablish.codec().stream(reader, reader.uint32(), `${prefix}.reestablish`, {
                limits: opts.limits?.reestablish
              })

              break
            }
            case 16: {
              yield * Error.codec().stream(reader, reader.uint32(), `${prefix}.error`, {
                limits: opts.limits?.error
              })

              break
            }
            case 17: {
              yield * RenewalRequest.codec().stream(reader, reader.uint32(), `${prefix}.renewalRequest`, {
                limits: opts.limits?.renewalRequest
              })

              break
            }
            case 18: {
              yield * RestoreRequest.codec().stream(reader, reader.uint32(), `${prefix}.restoreRequest`, {
                limits: opts.limits?.restoreRequest
              })

              break
            }
            case 19: {
              yield * ChannelRecord.codec().stream(reader, reader.uint32(), `${prefix}.channelRecord`, {
                limits: opts.limits?.channelRecord
              })

              break
            }
            case 20: {
              yield * RestoreDone.codec().stream(reader, reader.uint32(), `${prefix}.restoreDone`, {
                limits: opts.limits?.restoreDone
              })

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

  export interface EnvelopeOpenChannelNetworkFieldEvent {
    field: '$.openChannel.network'
    value: Network
  }

  export interface EnvelopeOpenChannelChannelKeyFieldEvent {
    field: '$.openChannel.channelKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeOpenChannelPayoutKeyFieldEvent {
    field: '$.openChannel.payoutKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeOpenChannelCloseScriptFieldEvent {
    field: '$.openChannel.closeScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeOpenChannelCapacityFieldEvent {
    field: '$.openChannel.capacity'
    value: bigint
  }

  export interface EnvelopeOpenChannelRefundHeightFieldEvent {
    field: '$.openChannel.refundHeight'
    value: number
  }

  export interface EnvelopeOpenChannelModeFieldEvent {
    field: '$.openChannel.mode'
    value: Mode
  }

  export interface EnvelopeOpenChannelStepFieldEvent {
    field: '$.openChannel.step'
    value: number
  }

  export interface EnvelopeOpenChannelTxVersionFieldEvent {
    field: '$.openChannel.txVersion'
    value: number
  }

  export interface EnvelopeOpenChannelRenewsChannelIdFieldEvent {
    field: '$.openChannel.renews.channelId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeOpenChannelRenewsTurnFieldEvent {
    field: '$.openChannel.renews.turn'
    value: number
  }

  export interface EnvelopeOpenChannelRenewsSequenceFieldEvent {
    field: '$.openChannel.renews.sequence'
    value: number
  }

  export interface EnvelopeOpenChannelRenewsServerBalanceFieldEvent {
    field: '$.openChannel.renews.serverBalance'
    value: bigint
  }

  export interface EnvelopeOpenChannelDerivationFieldEvent {
    field: '$.openChannel.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeAcceptChannelChannelKeyFieldEvent {
    field: '$.acceptChannel.channelKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeAcceptChannelDerivationFieldEvent {
    field: '$.acceptChannel.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeAcceptChannelPayoutKeyFieldEvent {
    field: '$.acceptChannel.payoutKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeAcceptChannelCloseScriptFieldEvent {
    field: '$.acceptChannel.closeScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeAcceptChannelMinDepthFieldEvent {
    field: '$.acceptChannel.minDepth'
    value: number
  }

  export interface EnvelopeAcceptChannelLimitsMinFirstPaymentFieldEvent {
    field: '$.acceptChannel.limits.minFirstPayment'
    value: bigint
  }

  export interface EnvelopeAcceptChannelLimitsMaxStakeFieldEvent {
    field: '$.acceptChannel.limits.maxStake'
    value: bigint
  }

  export interface EnvelopeAcceptChannelLimitsMinTurnAmountFieldEvent {
    field: '$.acceptChannel.limits.minTurnAmount'
    value: bigint
  }

  export interface EnvelopeAcceptChannelLimitsMaxInFlightUpdatesFieldEvent {
    field: '$.acceptChannel.limits.maxInFlightUpdates'
    value: number
  }

  export interface EnvelopeAcceptChannelLimitsMaxInFlightValueFieldEvent {
    field: '$.acceptChannel.limits.maxInFlightValue'
    value: bigint
  }

  export interface EnvelopeAcceptChannelLimitsMaxRiskFieldEvent {
    field: '$.acceptChannel.limits.maxRisk'
    value: number
  }

  export interface EnvelopeAcceptChannelLastPaymentHeightFieldEvent {
    field: '$.acceptChannel.lastPaymentHeight'
    value: number
  }

  export interface EnvelopeAcceptChannelSettleHeightFieldEvent {
    field: '$.acceptChannel.settleHeight'
    value: number
  }

  export interface EnvelopeRefundRequestRefundTxFieldEvent {
    field: '$.refundRequest.refundTx'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeRefundSignatureSignatureFieldEvent {
    field: '$.refundSignature.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeFundingFundingTxFieldEvent {
    field: '$.funding.fundingTx'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeFundingBroadcastTxidFieldEvent {
    field: '$.fundingBroadcast.txid'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeUpdateTurnFieldEvent {
    field: '$.update.turn'
    value: number
  }

  export interface EnvelopeUpdateSequenceFieldEvent {
    field: '$.update.sequence'
    value: number
  }

  export interface EnvelopeUpdatePayerBalanceFieldEvent {
    field: '$.update.payerBalance'
    value: bigint
  }

  export interface EnvelopeUpdatePaymentsIdFieldEvent {
    field: '$.update.payments[].id'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface EnvelopeUpdatePaymentsAmountFieldEvent {
    field: '$.update.payments[].amount'
    value: bigint
    index: number
  }

  export interface EnvelopeUpdatePaymentsMemoFieldEvent {
    field: '$.update.payments[].memo'
    value: string
    index: number
  }

  export interface EnvelopeUpdateSignatureFieldEvent {
    field: '$.update.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeUpdateAckTurnFieldEvent {
    field: '$.updateAck.turn'
    value: number
  }

  export interface EnvelopeUpdateAckSequenceFieldEvent {
    field: '$.updateAck.sequence'
    value: number
  }

  export interface EnvelopeTurnRequestTurnFieldEvent {
    field: '$.turnRequest.turn'
    value: number
  }

  export interface EnvelopeTurnRequestAmountFieldEvent {
    field: '$.turnRequest.amount'
    value: bigint
  }

  export interface EnvelopeTurnGrantTurnFieldEvent {
    field: '$.turnGrant.turn'
    value: number
  }

  export interface EnvelopeTurnGrantSequenceFieldEvent {
    field: '$.turnGrant.sequence'
    value: number
  }

  export interface EnvelopeTurnRefuseTurnFieldEvent {
    field: '$.turnRefuse.turn'
    value: number
  }

  export interface EnvelopeTurnRefuseCodeFieldEvent {
    field: '$.turnRefuse.code'
    value: string
  }

  export interface EnvelopeTurnRefuseNotBeforeFieldEvent {
    field: '$.turnRefuse.notBefore'
    value: number
  }

  export interface EnvelopeTurnRefuseTextFieldEvent {
    field: '$.turnRefuse.text'
    value: string
  }

  export interface EnvelopeCloseRequestTurnFieldEvent {
    field: '$.closeRequest.turn'
    value: number
  }

  export interface EnvelopeCloseRequestSequenceFieldEvent {
    field: '$.closeRequest.sequence'
    value: number
  }

  export interface EnvelopeCloseRequestClientBalanceFieldEvent {
    field: '$.closeRequest.clientBalance'
    value: bigint
  }

  export interface EnvelopeCloseRequestServerBalanceFieldEvent {
    field: '$.closeRequest.serverBalance'
    value: bigint
  }

  export interface EnvelopeCloseRequestClientScriptFieldEvent {
    field: '$.closeRequest.clientScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeCloseRequestServerScriptFieldEvent {
    field: '$.closeRequest.serverScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeCloseRequestFeeFieldEvent {
    field: '$.closeRequest.fee'
    value: bigint
  }

  export interface EnvelopeCloseRequestSignatureFieldEvent {
    field: '$.closeRequest.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeCloseDoneTxidFieldEvent {
    field: '$.closeDone.txid'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeReestablishChannelIdFieldEvent {
    field: '$.reestablish.channelId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeReestablishDerivationFieldEvent {
    field: '$.reestablish.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeReestablishTurnFieldEvent {
    field: '$.reestablish.turn'
    value: number
  }

  export interface EnvelopeReestablishSequenceFieldEvent {
    field: '$.reestablish.sequence'
    value: number
  }

  export interface EnvelopeReestablishPayerBalanceFieldEvent {
    field: '$.reestablish.payerBalance'
    value: bigint
  }

  export interface EnvelopeReestablishSignatureFieldEvent {
    field: '$.reestablish.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeReestablishSignedFieldEvent {
    field: '$.reestablish.signed'
    value: number
  }

  export interface EnvelopeReestablishPaymentsIdFieldEvent {
    field: '$.reestablish.payments[].id'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface EnvelopeReestablishPaymentsAmountFieldEvent {
    field: '$.reestablish.payments[].amount'
    value: bigint
    index: number
  }

  export interface EnvelopeReestablishPaymentsMemoFieldEvent {
    field: '$.reestablish.payments[].memo'
    value: string
    index: number
  }

  export interface EnvelopeReestablishPaymentsAfterFieldEvent {
    field: '$.reestablish.paymentsAfter'
    value: number
  }

  export interface EnvelopeReestablishEpochFieldEvent {
    field: '$.reestablish.epoch'
    value: number
  }

  export interface EnvelopeReestablishPeerEpochFieldEvent {
    field: '$.reestablish.peerEpoch'
    value: number
  }

  export interface EnvelopeErrorCodeFieldEvent {
    field: '$.error.code'
    value: string
  }

  export interface EnvelopeErrorRuleFieldEvent {
    field: '$.error.rule'
    value: string
  }

  export interface EnvelopeErrorTextFieldEvent {
    field: '$.error.text'
    value: string
  }

  export interface EnvelopeErrorFatalFieldEvent {
    field: '$.error.fatal'
    value: boolean
  }

  export interface EnvelopeRenewalRequestFundingTxFieldEvent {
    field: '$.renewalRequest.fundingTx'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeRenewalRequestSignatureFieldEvent {
    field: '$.renewalRequest.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeRenewalRequestPreviousFieldEvent {
    field: '$.renewalRequest.previous[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeRestoreRequestAfterFieldEvent {
    field: '$.restoreRequest.after'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordOpenNetworkFieldEvent {
    field: '$.channelRecord.open.network'
    value: Network
  }

  export interface EnvelopeChannelRecordOpenChannelKeyFieldEvent {
    field: '$.channelRecord.open.channelKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordOpenPayoutKeyFieldEvent {
    field: '$.channelRecord.open.payoutKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordOpenCloseScriptFieldEvent {
    field: '$.channelRecord.open.closeScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordOpenCapacityFieldEvent {
    field: '$.channelRecord.open.capacity'
    value: bigint
  }

  export interface EnvelopeChannelRecordOpenRefundHeightFieldEvent {
    field: '$.channelRecord.open.refundHeight'
    value: number
  }

  export interface EnvelopeChannelRecordOpenModeFieldEvent {
    field: '$.channelRecord.open.mode'
    value: Mode
  }

  export interface EnvelopeChannelRecordOpenStepFieldEvent {
    field: '$.channelRecord.open.step'
    value: number
  }

  export interface EnvelopeChannelRecordOpenTxVersionFieldEvent {
    field: '$.channelRecord.open.txVersion'
    value: number
  }

  export interface EnvelopeChannelRecordOpenRenewsChannelIdFieldEvent {
    field: '$.channelRecord.open.renews.channelId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordOpenRenewsTurnFieldEvent {
    field: '$.channelRecord.open.renews.turn'
    value: number
  }

  export interface EnvelopeChannelRecordOpenRenewsSequenceFieldEvent {
    field: '$.channelRecord.open.renews.sequence'
    value: number
  }

  export interface EnvelopeChannelRecordOpenRenewsServerBalanceFieldEvent {
    field: '$.channelRecord.open.renews.serverBalance'
    value: bigint
  }

  export interface EnvelopeChannelRecordOpenDerivationFieldEvent {
    field: '$.channelRecord.open.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordAcceptChannelKeyFieldEvent {
    field: '$.channelRecord.accept.channelKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordAcceptDerivationFieldEvent {
    field: '$.channelRecord.accept.derivation'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordAcceptPayoutKeyFieldEvent {
    field: '$.channelRecord.accept.payoutKey'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordAcceptCloseScriptFieldEvent {
    field: '$.channelRecord.accept.closeScript'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordAcceptMinDepthFieldEvent {
    field: '$.channelRecord.accept.minDepth'
    value: number
  }

  export interface EnvelopeChannelRecordAcceptLimitsMinFirstPaymentFieldEvent {
    field: '$.channelRecord.accept.limits.minFirstPayment'
    value: bigint
  }

  export interface EnvelopeChannelRecordAcceptLimitsMaxStakeFieldEvent {
    field: '$.channelRecord.accept.limits.maxStake'
    value: bigint
  }

  export interface EnvelopeChannelRecordAcceptLimitsMinTurnAmountFieldEvent {
    field: '$.channelRecord.accept.limits.minTurnAmount'
    value: bigint
  }

  export interface EnvelopeChannelRecordAcceptLimitsMaxInFlightUpdatesFieldEvent {
    field: '$.channelRecord.accept.limits.maxInFlightUpdates'
    value: number
  }

  export interface EnvelopeChannelRecordAcceptLimitsMaxInFlightValueFieldEvent {
    field: '$.channelRecord.accept.limits.maxInFlightValue'
    value: bigint
  }

  export interface EnvelopeChannelRecordAcceptLimitsMaxRiskFieldEvent {
    field: '$.channelRecord.accept.limits.maxRisk'
    value: number
  }

  export interface EnvelopeChannelRecordAcceptLastPaymentHeightFieldEvent {
    field: '$.channelRecord.accept.lastPaymentHeight'
    value: number
  }

  export interface EnvelopeChannelRecordAcceptSettleHeightFieldEvent {
    field: '$.channelRecord.accept.settleHeight'
    value: number
  }

  export interface EnvelopeChannelRecordFundingTxFieldEvent {
    field: '$.channelRecord.fundingTx'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordFundingOutputFieldEvent {
    field: '$.channelRecord.fundingOutput'
    value: number
  }

  export interface EnvelopeChannelRecordRefundSignatureFieldEvent {
    field: '$.channelRecord.refundSignature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EnvelopeChannelRecordStatesSequenceFieldEvent {
    field: '$.channelRecord.states[].sequence'
    value: number
    index: number
  }

  export interface EnvelopeChannelRecordStatesPayerBalanceFieldEvent {
    field: '$.channelRecord.states[].payerBalance'
    value: bigint
    index: number
  }

  export interface EnvelopeChannelRecordStatesSignatureFieldEvent {
    field: '$.channelRecord.states[].signature'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<Envelope>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Envelope.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Envelope>): Envelope {
    return decodeMessage(buf, Envelope.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Envelope>): Generator<EnvelopeOpenChannelNetworkFieldEvent | EnvelopeOpenChannelChannelKeyFieldEvent | EnvelopeOpenChannelPayoutKeyFieldEvent | EnvelopeOpenChannelCloseScriptFieldEvent | EnvelopeOpenChannelCapacityFieldEvent | EnvelopeOpenChannelRefundHeightFieldEvent | EnvelopeOpenChannelModeFieldEvent | EnvelopeOpenChannelStepFieldEvent | EnvelopeOpenChannelTxVersionFieldEvent | EnvelopeOpenChannelRenewsChannelIdFieldEvent | EnvelopeOpenChannelRenewsTurnFieldEvent | EnvelopeOpenChannelRenewsSequenceFieldEvent | EnvelopeOpenChannelRenewsServerBalanceFieldEvent | EnvelopeOpenChannelDerivationFieldEvent | EnvelopeAcceptChannelChannelKeyFieldEvent | EnvelopeAcceptChannelDerivationFieldEvent | EnvelopeAcceptChannelPayoutKeyFieldEvent | EnvelopeAcceptChannelCloseScriptFieldEvent | EnvelopeAcceptChannelMinDepthFieldEvent | EnvelopeAcceptChannelLimitsMinFirstPaymentFieldEvent | EnvelopeAcceptChannelLimitsMaxStakeFieldEvent | EnvelopeAcceptChannelLimitsMinTurnAmountFieldEvent | EnvelopeAcceptChannelLimitsMaxInFlightUpdatesFieldEvent | EnvelopeAcceptChannelLimitsMaxInFlightValueFieldEvent | EnvelopeAcceptChannelLimitsMaxRiskFieldEvent | EnvelopeAcceptChannelLastPaymentHeightFieldEvent | EnvelopeAcceptChannelSettleHeightFieldEvent | EnvelopeRefundRequestRefundTxFieldEvent | EnvelopeRefundSignatureSignatureFieldEvent | EnvelopeFundingFundingTxFieldEvent | EnvelopeFundingBroadcastTxidFieldEvent | EnvelopeUpdateTurnFieldEvent | EnvelopeUpdateSequenceFieldEvent | EnvelopeUpdatePayerBalanceFieldEvent | EnvelopeUpdatePaymentsIdFieldEvent | EnvelopeUpdatePaymentsAmountFieldEvent | EnvelopeUpdatePaymentsMemoFieldEvent | EnvelopeUpdateSignatureFieldEvent | EnvelopeUpdateAckTurnFieldEvent | EnvelopeUpdateAckSequenceFieldEvent | EnvelopeTurnRequestTurnFieldEvent | EnvelopeTurnRequestAmountFieldEvent | EnvelopeTurnGrantTurnFieldEvent | EnvelopeTurnGrantSequenceFieldEvent | EnvelopeTurnRefuseTurnFieldEvent | EnvelopeTurnRefuseCodeFieldEvent | EnvelopeTurnRefuseNotBeforeFieldEvent | EnvelopeTurnRefuseTextFieldEvent | EnvelopeCloseRequestTurnFieldEvent | EnvelopeCloseRequestSequenceFieldEvent | EnvelopeCloseRequestClientBalanceFieldEvent | EnvelopeCloseRequestServerBalanceFieldEvent | EnvelopeCloseRequestClientScriptFieldEvent | EnvelopeCloseRequestServerScriptFieldEvent | EnvelopeCloseRequestFeeFieldEvent | EnvelopeCloseRequestSignatureFieldEvent | EnvelopeCloseDoneTxidFieldEvent | EnvelopeReestablishChannelIdFieldEvent | EnvelopeReestablishDerivationFieldEvent | EnvelopeReestablishTurnFieldEvent | EnvelopeReestablishSequenceFieldEvent | EnvelopeReestablishPayerBalanceFieldEvent | EnvelopeReestablishSignatureFieldEvent | EnvelopeReestablishSignedFieldEvent | EnvelopeReestablishPaymentsIdFieldEvent | EnvelopeReestablishPaymentsAmountFieldEvent | EnvelopeReestablishPaymentsMemoFieldEvent | EnvelopeReestablishPaymentsAfterFieldEvent | EnvelopeReestablishEpochFieldEvent | EnvelopeReestablishPeerEpochFieldEvent | EnvelopeErrorCodeFieldEvent | EnvelopeErrorRuleFieldEvent | EnvelopeErrorTextFieldEvent | EnvelopeErrorFatalFieldEvent | EnvelopeRenewalRequestFundingTxFieldEvent | EnvelopeRenewalRequestSignatureFieldEvent | EnvelopeRenewalRequestPreviousFieldEvent | EnvelopeRestoreRequestAfterFieldEvent | EnvelopeChannelRecordOpenNetworkFieldEvent | EnvelopeChannelRecordOpenChannelKeyFieldEvent | EnvelopeChannelRecordOpenPayoutKeyFieldEvent | EnvelopeChannelRecordOpenCloseScriptFieldEvent | EnvelopeChannelRecordOpenCapacityFieldEvent | EnvelopeChannelRecordOpenRefundHeightFieldEvent | EnvelopeChannelRecordOpenModeFieldEvent | EnvelopeChannelRecordOpenStepFieldEvent | EnvelopeChannelRecordOpenTxVersionFieldEvent | EnvelopeChannelRecordOpenRenewsChannelIdFieldEvent | EnvelopeChannelRecordOpenRenewsTurnFieldEvent | EnvelopeChannelRecordOpenRenewsSequenceFieldEvent | EnvelopeChannelRecordOpenRenewsServerBalanceFieldEvent | EnvelopeChannelRecordOpenDerivationFieldEvent | EnvelopeChannelRecordAcceptChannelKeyFieldEvent | EnvelopeChannelRecordAcceptDerivationFieldEvent | EnvelopeChannelRecordAcceptPayoutKeyFieldEvent | EnvelopeChannelRecordAcceptCloseScriptFieldEvent | EnvelopeChannelRecordAcceptMinDepthFieldEvent | EnvelopeChannelRecordAcceptLimitsMinFirstPaymentFieldEvent | EnvelopeChannelRecordAcceptLimitsMaxStakeFieldEvent | EnvelopeChannelRecordAcceptLimitsMinTurnAmountFieldEvent | EnvelopeChannelRecordAcceptLimitsMaxInFlightUpdatesFieldEvent | EnvelopeChannelRecordAcceptLimitsMaxInFlightValueFieldEvent | EnvelopeChannelRecordAcceptLimitsMaxRiskFieldEvent | EnvelopeChannelRecordAcceptLastPaymentHeightFieldEvent | EnvelopeChannelRecordAcceptSettleHeightFieldEvent | EnvelopeChannelRecordFundingTxFieldEvent | EnvelopeChannelRecordFundingOutputFieldEvent | EnvelopeChannelRecordRefundSignatureFieldEvent | EnvelopeChannelRecordStatesSequenceFieldEvent | EnvelopeChannelRecordStatesPayerBalanceFieldEvent | EnvelopeChannelRecordStatesSignatureFieldEvent> {
    return streamMessage(buf, Envelope.codec(), opts)
  }
}
