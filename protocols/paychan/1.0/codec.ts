/**
 * Messages to bytes and back. Protobuf decoders accept a good deal of hostile input in silence
 * (fields out of order, repeated, unknown, over-long or truncated integers, two bodies); so bytes
 * are let in only if encoding what they mean gives the same bytes again (WIRE-4).
 */
import { equals } from 'uint8arrays'
import { checkMessage } from './check.js'
import { notCanonical, ProtocolError } from './errors.js'
import { Envelope, Mode as WireMode, Network as WireNetwork } from './gen/paychan.js'
import type * as wire from './gen/paychan.js'
import { MAX_MESSAGE_BYTES } from './limits.js'
import type {
  AcceptChannel,
  Message,
  Mode,
  Network,
  OpenChannel,
  Payment,
  Update
} from './messages.js'
import { decodeUpdate, encodeUpdate, UPDATE_TAG } from './update-codec.js'

const TWO_BODIES = 'An Envelope has more than one body.'

const NETWORK_TO_WIRE: Readonly<Record<Network, WireNetwork>> = {
  mainnet: WireNetwork.MAINNET,
  testnet: WireNetwork.TESTNET,
  testnet4: WireNetwork.TESTNET4,
  signet: WireNetwork.SIGNET,
  regtest: WireNetwork.REGTEST
}

const MODE_TO_WIRE: Readonly<Record<Mode, WireMode>> = {
  'one-way': WireMode.ONE_WAY,
  'two-way': WireMode.TWO_WAY
}

/**
 * The bytes of a message, without their length in front.
 *
 * @throws ProtocolError when a field is out of range, or the whole is too long (WIRE-2).
 * @example encode({ type: 'UpdateAck', turn: 0, sequence: 7 }) // 42 02 10 07
 */
export function encode(message: Message): Uint8Array {
  checkMessage(message)
  const bytes =
    message.type === 'Update' ? encodeUpdate(message) : Envelope.encode(toEnvelope(message))
  checkLength(bytes)
  return bytes
}

/**
 * The message that bytes stand for. Nothing in it shares memory with `bytes`.
 *
 * @throws ProtocolError for everything that `encode` would not have made.
 */
export function decode(bytes: Uint8Array): Message {
  checkLength(bytes)
  const message = bytes[0] === UPDATE_TAG ? decodeOneUpdate(bytes) : decodeOther(bytes)
  checkMessage(message)
  return message
}

/** An `Update` and nothing behind it. */
function decodeOneUpdate(bytes: Uint8Array): Update {
  const { update, end } = decodeUpdate(bytes)
  if (end === bytes.length) return update
  const rest = bytes.subarray(end)
  parse(rest)
  // In order, and so in canonical form, is a body with a larger number.
  throw (rest[0] ?? 0) > UPDATE_TAG ? new ProtocolError('WIRE-3', TWO_BODIES) : notCanonical()
}

/** Any message but an `Update`; its fields are still to be checked. */
function decodeOther(bytes: Uint8Array): Message {
  return fromEnvelope(parse(bytes))
}

function checkLength({ length }: Uint8Array): void {
  if (length > MAX_MESSAGE_BYTES) {
    throw new ProtocolError(
      'WIRE-2',
      `A message has ${length} bytes, more than ${MAX_MESSAGE_BYTES}.`
    )
  }
}

/** What canonical bytes hold. @throws ProtocolError `WIRE-4` for other bytes. */
function parse(bytes: Uint8Array): Envelope {
  let envelope: Envelope
  try {
    envelope = Envelope.decode(bytes)
  } catch (cause) {
    throw notCanonical(cause)
  }
  if (!equals(Envelope.encode(envelope), bytes)) throw notCanonical()
  return envelope
}

/** A copy: the bytes that were received belong to the transport, which uses them again. */
function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/** The generated types ask for bytes that are not shared between threads; ours never are. */
function bytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return value.buffer instanceof ArrayBuffer
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value)
}

function networkFrom(value: WireNetwork): Network {
  switch (value) {
    case WireNetwork.MAINNET:
      return 'mainnet'
    case WireNetwork.TESTNET:
      return 'testnet'
    case WireNetwork.TESTNET4:
      return 'testnet4'
    case WireNetwork.SIGNET:
      return 'signet'
    case WireNetwork.REGTEST:
      return 'regtest'
    case WireNetwork.NETWORK_UNSPECIFIED:
      throw new ProtocolError('WIRE-5', 'network is not specified.')
  }
}

function modeFrom(value: WireMode): Mode {
  switch (value) {
    case WireMode.ONE_WAY:
      return 'one-way'
    case WireMode.TWO_WAY:
      return 'two-way'
    case WireMode.MODE_UNSPECIFIED:
      throw new ProtocolError('WIRE-5', 'mode is not specified.')
  }
}

function toWirePayment({ id, amount, memo }: Payment): wire.Payment {
  return { id: bytes(id), amount, memo }
}

function fromWirePayment({ id, amount, memo }: wire.Payment): Payment {
  return { id: own(id), amount, memo }
}

function toWireOpen(message: OpenChannel): wire.OpenChannel {
  return {
    network: NETWORK_TO_WIRE[message.network],
    channelKey: bytes(message.channelKey),
    payoutKey: bytes(message.payoutKey),
    closeScript: bytes(message.closeScript),
    capacity: message.capacity,
    refundHeight: message.refundHeight,
    mode: MODE_TO_WIRE[message.mode],
    step: message.step,
    txVersion: message.txVersion,
    ...(message.renews === undefined
      ? {}
      : { renews: { ...message.renews, channelId: bytes(message.renews.channelId) } }),
    derivation: bytes(message.derivation)
  }
}

function toWireAccept(message: AcceptChannel): wire.AcceptChannel {
  return {
    channelKey: bytes(message.channelKey),
    derivation: bytes(message.derivation),
    payoutKey: bytes(message.payoutKey),
    closeScript: bytes(message.closeScript),
    minDepth: message.minDepth,
    limits: { ...message.limits },
    lastPaymentHeight: message.lastPaymentHeight,
    settleHeight: message.settleHeight
  }
}

function toEnvelope(message: Exclude<Message, Update>): Envelope {
  switch (message.type) {
    case 'OpenChannel':
      return { openChannel: toWireOpen(message) }
    case 'AcceptChannel':
      return { acceptChannel: toWireAccept(message) }
    case 'RefundRequest':
      return { refundRequest: { refundTx: bytes(message.refundTx) } }
    case 'RefundSignature':
      return { refundSignature: { signature: bytes(message.signature) } }
    case 'Funding':
      return { funding: { fundingTx: bytes(message.fundingTx) } }
    case 'FundingBroadcast':
      return { fundingBroadcast: { txid: bytes(message.txid) } }
    case 'UpdateAck':
      return { updateAck: { turn: message.turn, sequence: message.sequence } }
    case 'ChannelReady':
      return { channelReady: {} }
    case 'TurnRequest':
      return { turnRequest: { turn: message.turn, amount: message.amount } }
    case 'TurnGrant':
      return { turnGrant: { turn: message.turn, sequence: message.sequence } }
    case 'TurnRefuse':
      return {
        turnRefuse: {
          turn: message.turn,
          code: message.code,
          notBefore: message.notBefore,
          text: message.text
        }
      }
    case 'RenewalRequest':
      return {
        renewalRequest: {
          fundingTx: bytes(message.fundingTx),
          signature: bytes(message.signature),
          previous: message.previous.map(bytes)
        }
      }
    case 'CloseRequest':
      return {
        closeRequest: {
          turn: message.turn,
          sequence: message.sequence,
          clientBalance: message.clientBalance,
          serverBalance: message.serverBalance,
          clientScript: bytes(message.clientScript),
          serverScript: bytes(message.serverScript),
          fee: message.fee,
          signature: bytes(message.signature)
        }
      }
    case 'CloseDone':
      return { closeDone: { txid: bytes(message.txid) } }
    case 'Reestablish':
      return {
        reestablish: {
          channelId: bytes(message.channelId),
          derivation: bytes(message.derivation),
          turn: message.turn,
          sequence: message.sequence,
          payerBalance: message.payerBalance,
          signature: bytes(message.signature),
          signed: message.signed,
          payments: message.payments.map(toWirePayment),
          paymentsAfter: message.paymentsAfter,
          epoch: message.epoch,
          peerEpoch: message.peerEpoch
        }
      }
    case 'RestoreRequest':
      return { restoreRequest: { after: bytes(message.after) } }
    case 'ChannelRecord':
      return {
        channelRecord: {
          open: toWireOpen(message.open),
          accept: toWireAccept(message.accept),
          fundingTx: bytes(message.fundingTx),
          fundingOutput: message.fundingOutput,
          refundSignature: bytes(message.refundSignature),
          states: message.states.map((state) => ({ ...state, signature: bytes(state.signature) }))
        }
      }
    case 'RestoreDone':
      return { restoreDone: {} }
    case 'Error':
      return {
        error: { code: message.code, rule: message.rule, text: message.text, fatal: message.fatal }
      }
  }
}

function openFrom(body: wire.OpenChannel): OpenChannel {
  return {
    type: 'OpenChannel',
    network: networkFrom(body.network),
    channelKey: own(body.channelKey),
    payoutKey: own(body.payoutKey),
    closeScript: own(body.closeScript),
    capacity: body.capacity,
    refundHeight: body.refundHeight,
    mode: modeFrom(body.mode),
    step: body.step,
    txVersion: body.txVersion,
    ...(body.renews == null
      ? {}
      : { renews: { ...body.renews, channelId: own(body.renews.channelId) } }),
    derivation: own(body.derivation)
  }
}

function acceptFrom(body: wire.AcceptChannel): AcceptChannel {
  // A message field that is missing is not one with default values; the canonical form has it.
  if (body.limits == null) throw new ProtocolError('WIRE-5', 'limits are missing.')
  return {
    type: 'AcceptChannel',
    channelKey: own(body.channelKey),
    derivation: own(body.derivation),
    payoutKey: own(body.payoutKey),
    closeScript: own(body.closeScript),
    minDepth: body.minDepth,
    limits: { ...body.limits },
    lastPaymentHeight: body.lastPaymentHeight,
    settleHeight: body.settleHeight
  }
}

function recordFrom({ open, accept, ...body }: wire.ChannelRecord): Message {
  if (open == null || accept == null) {
    throw new ProtocolError('WIRE-5', 'open or accept is missing.')
  }
  return {
    type: 'ChannelRecord',
    open: openFrom(open),
    accept: acceptFrom(accept),
    fundingTx: own(body.fundingTx),
    fundingOutput: body.fundingOutput,
    refundSignature: own(body.refundSignature),
    states: body.states.map((state) => ({ ...state, signature: own(state.signature) }))
  }
}

function fromEnvelope(envelope: Envelope): Message {
  if (Object.keys(envelope).length > 1) throw new ProtocolError('WIRE-3', TWO_BODIES)
  if (envelope.updateAck != null) {
    return {
      type: 'UpdateAck',
      turn: envelope.updateAck.turn,
      sequence: envelope.updateAck.sequence
    }
  }
  if (envelope.openChannel != null) return openFrom(envelope.openChannel)
  if (envelope.acceptChannel != null) return acceptFrom(envelope.acceptChannel)
  if (envelope.refundRequest != null) {
    return { type: 'RefundRequest', refundTx: own(envelope.refundRequest.refundTx) }
  }
  if (envelope.refundSignature != null) {
    return { type: 'RefundSignature', signature: own(envelope.refundSignature.signature) }
  }
  if (envelope.funding != null) {
    return { type: 'Funding', fundingTx: own(envelope.funding.fundingTx) }
  }
  if (envelope.fundingBroadcast != null) {
    return { type: 'FundingBroadcast', txid: own(envelope.fundingBroadcast.txid) }
  }
  if (envelope.channelReady != null) return { type: 'ChannelReady' }
  if (envelope.turnRequest != null) {
    return {
      type: 'TurnRequest',
      turn: envelope.turnRequest.turn,
      amount: envelope.turnRequest.amount
    }
  }
  if (envelope.turnGrant != null) {
    return {
      type: 'TurnGrant',
      turn: envelope.turnGrant.turn,
      sequence: envelope.turnGrant.sequence
    }
  }
  if (envelope.turnRefuse != null) {
    const { turn, code, notBefore, text } = envelope.turnRefuse
    return { type: 'TurnRefuse', turn, code, notBefore, text }
  }
  if (envelope.renewalRequest != null) {
    const { fundingTx, signature, previous } = envelope.renewalRequest
    return {
      type: 'RenewalRequest',
      fundingTx: own(fundingTx),
      signature: own(signature),
      previous: previous.map(own)
    }
  }
  if (envelope.closeRequest != null) {
    const body = envelope.closeRequest
    return {
      type: 'CloseRequest',
      turn: body.turn,
      sequence: body.sequence,
      clientBalance: body.clientBalance,
      serverBalance: body.serverBalance,
      clientScript: own(body.clientScript),
      serverScript: own(body.serverScript),
      fee: body.fee,
      signature: own(body.signature)
    }
  }
  if (envelope.closeDone != null) return { type: 'CloseDone', txid: own(envelope.closeDone.txid) }
  if (envelope.reestablish != null) {
    const { channelId, derivation, signature, payments, ...numbers } = envelope.reestablish
    return {
      type: 'Reestablish',
      channelId: own(channelId),
      derivation: own(derivation),
      signature: own(signature),
      payments: payments.map(fromWirePayment),
      ...numbers
    }
  }
  if (envelope.restoreRequest != null) {
    return { type: 'RestoreRequest', after: own(envelope.restoreRequest.after) }
  }
  if (envelope.channelRecord != null) return recordFrom(envelope.channelRecord)
  if (envelope.restoreDone != null) return { type: 'RestoreDone' }
  if (envelope.error != null) {
    const { code, rule, text, fatal } = envelope.error
    return { type: 'Error', code, rule, text, fatal }
  }
  throw new ProtocolError('WIRE-3', 'An Envelope has no body.')
}
