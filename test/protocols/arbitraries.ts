/** Arbitrary messages of /paychan/1.0, every field anywhere in its range. */
import fc from 'fast-check'
import {
  MAX_ERROR_TEXT_BYTES,
  MAX_MEMO_BYTES,
  MAX_SCRIPT_BYTES,
  MAX_TRANSACTION_BYTES,
  plainText
} from '../../protocols/paychan/1.0/index.js'
import type {
  AcceptChannel,
  ChannelRecord,
  Message,
  OpenChannel,
  Reestablish
} from '../../protocols/paychan/1.0/index.js'

const MAX_MONEY = 2_100_000_000_000_000n

/** Objects as literals make them, so that `deepEqual` compares like with like. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true })

const bytes = (min: number, max = min): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max })
const key = fc
  .tuple(fc.constantFrom(2, 3), bytes(32))
  .map(([parity, x]) => Uint8Array.of(parity, ...x))
const script = bytes(1, MAX_SCRIPT_BYTES)
/** Of every length: a uniform one has 50 bits nearly always. */
const amount = fc.oneof(
  fc.bigInt({ min: 0n, max: MAX_MONEY }),
  fc.integer({ min: 0, max: 50 }).chain((bits) => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) }))
)
const height = fc.integer({ min: 0, max: 499_999_999 })
const count = fc.integer({ min: 0, max: 0xffff })
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
const signature = bytes(64)
const text = (maxBytes: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'binary', maxLength: maxBytes }).map((value) => plainText(value, maxBytes))

const open: fc.Arbitrary<OpenChannel> = record({
  type: fc.constant('OpenChannel' as const),
  network: fc.constantFrom(
    'mainnet' as const,
    'testnet' as const,
    'testnet4' as const,
    'signet' as const,
    'regtest' as const
  ),
  channelKey: key,
  payoutKey: key,
  closeScript: script,
  capacity: amount,
  refundHeight: height,
  mode: fc.constantFrom('one-way' as const, 'two-way' as const),
  step: count,
  txVersion: fc.integer({ min: 0, max: 255 }),
  derivation: bytes(8)
}).chain((offer) =>
  fc.oneof<Array<fc.Arbitrary<OpenChannel>>>(
    fc.constant(offer),
    record({ channelId: bytes(32), turn: uint32, sequence: uint32, serverBalance: amount }).map(
      (renews) => ({ ...offer, renews })
    )
  )
)

const limits = record({
  minFirstPayment: amount,
  maxStake: amount,
  minTurnAmount: amount,
  maxInFlightUpdates: fc.integer({ min: 1, max: 0xffff }),
  maxInFlightValue: amount,
  maxRisk: fc.integer({ min: 1, max: 100 })
})

const accept: fc.Arbitrary<AcceptChannel> = record({
  type: fc.constant('AcceptChannel' as const),
  channelKey: key,
  derivation: bytes(8),
  payoutKey: key,
  closeScript: script,
  minDepth: count,
  limits,
  lastPaymentHeight: height,
  settleHeight: height
})

const payment = record({ id: bytes(16), amount, memo: text(MAX_MEMO_BYTES) })

const update: fc.Arbitrary<Message> = record({
  type: fc.constant('Update' as const),
  turn: uint32,
  sequence: uint32,
  payerBalance: amount,
  payments: fc.array(payment, { maxLength: 5 }),
  signature
})

const close: fc.Arbitrary<Message> = record({
  type: fc.constant('CloseRequest' as const),
  turn: uint32,
  sequence: uint32,
  clientBalance: amount,
  serverBalance: amount,
  clientScript: script,
  serverScript: script,
  fee: amount,
  signature
})

const errorCode = fc.stringMatching(/^ERR_[A-Z0-9_]{1,20}$/)

const error: fc.Arbitrary<Message> = record({
  type: fc.constant('Error' as const),
  code: errorCode,
  rule: fc.stringMatching(/^([A-Z]{1,6}-[0-9]{1,3})?$/),
  text: text(MAX_ERROR_TEXT_BYTES),
  fatal: fc.boolean()
})

const transaction = bytes(1, 300).chain((start) =>
  fc.constantFrom(start.length, MAX_TRANSACTION_BYTES).map((length) => {
    const whole = new Uint8Array(length)
    whole.set(start)
    return whole
  })
)

const nothingYet = {
  sequence: fc.constant(0),
  payerBalance: fc.constant(0n),
  signature: fc.constant(new Uint8Array(0)),
  payments: fc.constant([]),
  paymentsAfter: fc.constant(0)
}
const someState = {
  sequence: fc.integer({ min: 1, max: 0xffff_ffff }),
  payerBalance: amount,
  signature,
  payments: fc.array(payment, { maxLength: 5 }),
  paymentsAfter: fc.constant(0)
}
const standing = {
  type: fc.constant('Reestablish' as const),
  channelId: bytes(32),
  derivation: bytes(8),
  turn: uint32,
  signed: uint32,
  epoch: fc.integer({ min: 1, max: 0xffff_ffff }),
  peerEpoch: uint32
}
const granted = {
  turn: fc.integer({ min: 1, max: 0xffff_ffff }),
  sequence: uint32,
  payerBalance: amount
}
const reestablish: fc.Arbitrary<Message> = fc.oneof(
  record<Reestablish>({ ...standing, ...nothingYet }),
  record<Reestablish>({ ...standing, ...nothingYet, ...granted }),
  record<Reestablish>({ ...standing, ...someState })
)

const channelRecord: fc.Arbitrary<Message> = record<ChannelRecord>({
  type: fc.constant('ChannelRecord' as const),
  open,
  accept,
  fundingTx: transaction,
  fundingOutput: uint32,
  refundSignature: signature,
  states: fc.array(
    record({
      sequence: uint32,
      payerBalance: amount,
      signature: fc.oneof(signature, fc.constant(new Uint8Array(0)))
    }),
    { maxLength: 5 }
  )
})

/** Any message that may be sent. */
export const message: fc.Arbitrary<Message> = fc.oneof(
  open,
  accept,
  record({ type: fc.constant('RefundRequest' as const), refundTx: transaction }),
  record({ type: fc.constant('RefundSignature' as const), signature }),
  record({ type: fc.constant('Funding' as const), fundingTx: transaction }),
  record({ type: fc.constant('FundingBroadcast' as const), txid: bytes(32) }),
  update,
  record({ type: fc.constant('UpdateAck' as const), turn: uint32, sequence: uint32 }),
  fc.constant<Message>({ type: 'ChannelReady' }),
  record({ type: fc.constant('TurnRequest' as const), turn: uint32, amount }),
  record({ type: fc.constant('TurnGrant' as const), turn: uint32, sequence: uint32 }),
  record({
    type: fc.constant('TurnRefuse' as const),
    turn: uint32,
    code: errorCode,
    notBefore: height,
    text: text(MAX_ERROR_TEXT_BYTES)
  }),
  record({
    type: fc.constant('RenewalRequest' as const),
    fundingTx: fc.uint8Array({ minLength: 1, maxLength: 500 }),
    signature: bytes(64),
    previous: fc.array(fc.uint8Array({ minLength: 1, maxLength: 500 }), { maxLength: 5 })
  }),
  close,
  record({ type: fc.constant('CloseDone' as const), txid: bytes(32) }),
  reestablish,
  record({ type: fc.constant('RestoreRequest' as const), after: fc.oneof(bytes(32), bytes(0)) }),
  channelRecord,
  fc.constant<Message>({ type: 'RestoreDone' }),
  error
)
