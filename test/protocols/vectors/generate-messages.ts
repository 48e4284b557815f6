/**
 * Writes protocols/paychan/1.0/vectors/messages.json: the messages of the channel that the other
 * files are about, from its opening to its close. Run from the root of the repository:
 *
 *   npm run build && node dist/test/protocols/vectors/generate-messages.js
 */
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import {
  encode,
  type AcceptChannel,
  type Message,
  type OpenChannel,
  type Payment
} from '../../../protocols/paychan/1.0/index.js'
import { payerSighash } from '../../../src/bitcoin/template.js'
import { fromHex, hashFromTxid, toHex, txid } from '../../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../../src/types/units.js'
import { reestablishOf } from '../reestablish.js'
import {
  CAPACITY,
  CLIENT_SCRIPT,
  FUNDING,
  KEYS,
  REFUND_HEIGHT,
  SERVER_SCRIPT,
  VERSION
} from './fixture.js'
import { messageJson, MESSAGES_FILE, type MessageVectors } from './replay.js'
import { read } from './schema.js'

const DERIVATION = fromHex('0102030405060708')
const CLIENT_DERIVATION = fromHex('1112131415161718')

function update(sequence: number, payerBalance: bigint, payments: Payment[]): Message {
  return {
    type: 'Update',
    turn: 0,
    sequence,
    payerBalance,
    payments,
    signature: signatureOf(payerBalance)
  }
}

/** The payer's, over the state that leaves it so much. */
function signatureOf(payerBalance: bigint): Uint8Array {
  const digest = payerSighash({
    funding: FUNDING,
    version: VERSION,
    lock: blockHeight(0),
    payer: 'client',
    payerBalance: satoshi(payerBalance),
    payerPayoutKey: KEYS.clientPayout.publicKey
  })
  return KEYS.clientChannel.sign(digest)
}

function payment(id: number, amount: bigint, memo: string): Payment {
  return { id: new Uint8Array(16).fill(id), amount, memo }
}

const open: OpenChannel = {
  type: 'OpenChannel',
  network: 'regtest',
  channelKey: KEYS.clientChannel.publicKey,
  payoutKey: KEYS.clientPayout.publicKey,
  closeScript: CLIENT_SCRIPT,
  capacity: CAPACITY,
  refundHeight: REFUND_HEIGHT,
  mode: 'one-way',
  step: 0,
  txVersion: VERSION,
  derivation: CLIENT_DERIVATION
}

const accept: AcceptChannel = {
  type: 'AcceptChannel',
  channelKey: KEYS.serverChannel.publicKey,
  derivation: DERIVATION,
  payoutKey: KEYS.serverPayout.publicKey,
  closeScript: SERVER_SCRIPT,
  minDepth: 1,
  limits: {
    minFirstPayment: 500n,
    maxStake: 1_300_000n,
    minTurnAmount: 0n,
    maxInFlightUpdates: 16,
    maxInFlightValue: 1_000_000n,
    maxRisk: 100
  },
  lastPaymentHeight: 952,
  settleHeight: 964
}

/** Name and message, in the order in which the channel sends them. */
function story(): Array<[name: string, message: Message]> {
  const [refund, funding, [close]] = [read.refund(), read.funding(), read.close().cases]
  const renewal = read.renewal()
  const [plain, toppedUp] = renewal.cases
  if (plain === undefined || toppedUp === undefined) throw new Error('renewal.json has no cases.')
  if (close === undefined) throw new Error('close.json has no cases.')
  const ids = { channelId: fromHex(read.keys().channelId), derivation: DERIVATION }
  const paid = [payment(2, 1n, 'coffee'), payment(3, 389_999n, '電気料金 ☕')]
  const newest = { sequence: 2, payerBalance: 600_000n, signature: signatureOf(600_000n) }
  return [
    ['step 1: the client asks for a channel', open],
    ['step 1: the server names its key and its conditions', accept],
    [
      'step 3: T2 of refund.json, unsigned',
      { type: 'RefundRequest', refundTx: fromHex(refund.unsigned) }
    ],
    [
      'step 4: the signature of refund.json',
      { type: 'RefundSignature', signature: fromHex(refund.server.signature) }
    ],
    ['step 6: T1 of funding.json, signed', { type: 'Funding', fundingTx: fromHex(funding.signed) }],
    [
      'step 6: its txid, in the order of the bytes that transactions use',
      { type: 'FundingBroadcast', txid: hashFromTxid(FUNDING.outPoint.txid) }
    ],
    ['step 7: everything to the client', update(0, CAPACITY, [])],
    ['step 8', { type: 'UpdateAck', turn: 0, sequence: 0 }],
    ['T1 is buried', { type: 'ChannelReady' }],
    ['step 9: a payment without a memo', update(1, 990_000n, [payment(1, 10_000n, '')])],
    ['step 9: two payments under one signature, with memos', update(2, 600_000n, paid)],
    [
      'step 9: everything up to update 2 is on the disk of the server',
      { type: 'UpdateAck', turn: 0, sequence: 2 }
    ],
    [
      'a new stream: the payer knows of update 2, has signed no more, and counts 4',
      reestablishOf({ ...ids, ...newest, signed: 2, epoch: 4, peerEpoch: 3 })
    ],
    [
      'a new stream: the payee answers',
      reestablishOf({ ...ids, ...newest, paymentsAfter: 2, epoch: 4, peerEpoch: 4 })
    ],
    ['a new stream: there is no state yet', reestablishOf({ ...ids, epoch: 1 })],
    [
      'a new stream: a payer that has lost update 2 is told what it paid',
      reestablishOf({ ...ids, ...newest, payments: paid, paymentsAfter: 1, epoch: 4, peerEpoch: 4 })
    ],
    [
      'the extension: the payee of turn 0 would like to pay',
      { type: 'TurnRequest', turn: 1, amount: 500n }
    ],
    [
      'the extension: the turn is granted, from update 2 on',
      { type: 'TurnGrant', turn: 1, sequence: 2 }
    ],
    [
      'the extension: it is not, before height 700',
      {
        type: 'TurnRefuse',
        turn: 1,
        code: 'ERR_TURN_TOO_EARLY',
        notBefore: 700,
        text: 'Turns are granted in step with the blocks.'
      }
    ],
    [
      'a new stream: turn 1 was granted, and nothing was paid in it; said by its payee',
      reestablishOf({
        ...ids,
        turn: 1,
        sequence: 2,
        payerBalance: 400_000n,
        paymentsAfter: 2,
        epoch: 5,
        peerEpoch: 4
      })
    ],
    [
      'a new stream: the same, said by its payer, which has signed nothing since',
      reestablishOf({
        ...ids,
        turn: 1,
        sequence: 2,
        payerBalance: 400_000n,
        signed: 2,
        epoch: 5,
        peerEpoch: 5
      })
    ],
    [
      'a renewal: the client asks for a channel that takes over update 2',
      {
        ...open,
        channelKey: fromHex(renewal.keys.clientChannel.publicKey),
        capacity: BigInt(plain.capacity),
        refundHeight: 2_000,
        renews: { channelId: ids.channelId, turn: 0, sequence: 2, serverBalance: 400_000n }
      }
    ],
    [
      'a renewal: T1 of renewal.json',
      {
        type: 'RenewalRequest',
        fundingTx: fromHex(plain.unsigned),
        signature: fromHex(plain.clientSignature),
        previous: []
      }
    ],
    [
      'a renewal: T1 with a coin of the wallet',
      {
        type: 'RenewalRequest',
        fundingTx: fromHex(toppedUp.unsigned),
        signature: fromHex(toppedUp.clientSignature),
        previous: toppedUp.previous.map(fromHex)
      }
    ],
    [
      'the close of close.json that the client asks for',
      {
        type: 'CloseRequest',
        turn: 0,
        sequence: 2,
        clientBalance: BigInt(close.clientBalance),
        serverBalance: BigInt(close.serverBalance),
        clientScript: fromHex(close.clientScript),
        serverScript: fromHex(close.serverScript),
        fee: BigInt(close.fee),
        signature: fromHex(close.clientSignature)
      }
    ],
    ['the close is broadcast', { type: 'CloseDone', txid: hashFromTxid(txid(close.txid)) }],
    [
      'a side that has lost its data asks for its channels',
      { type: 'RestoreRequest', after: new Uint8Array(0) }
    ],
    [
      'it is told of the channel, in update 2',
      {
        type: 'ChannelRecord',
        open,
        accept,
        fundingTx: fromHex(funding.signed),
        fundingOutput: FUNDING.outPoint.vout,
        refundSignature: fromHex(refund.server.signature),
        states: [{ sequence: 2, payerBalance: 600_000n, signature: newest.signature }]
      }
    ],
    ['it asks for the next one', { type: 'RestoreRequest', after: ids.channelId }],
    ['there is none', { type: 'RestoreDone' }],
    [
      'a refusal',
      {
        type: 'Error',
        code: 'ERR_CAPACITY_REFUSED',
        rule: 'OPEN-2',
        text: 'At most 1300000 sat.',
        fatal: true
      }
    ],
    [
      'an error without a rule or a text',
      { type: 'Error', code: 'ERR_INTERNAL', rule: '', text: '', fatal: false }
    ],
    [
      'a two-way channel on mainnet, for its enums',
      { ...open, network: 'mainnet', mode: 'two-way', step: 144, refundHeight: 499_999_999 }
    ],
    [
      'the largest numbers',
      {
        type: 'Update',
        turn: 0xffff_ffff,
        sequence: 0xffff_ffff,
        payerBalance: 2_100_000_000_000_000n,
        payments: [payment(0xff, 2_100_000_000_000_000n, '€'.repeat(42) + 'xx')],
        signature: new Uint8Array(64).fill(0xff)
      }
    ],
    [
      'the smallest numbers',
      {
        type: 'Update',
        turn: 0,
        sequence: 0,
        payerBalance: 0n,
        payments: [payment(0, 0n, '')],
        signature: new Uint8Array(64)
      }
    ]
  ]
}

/** An Envelope with a body that `encode` would not make. */
function body(field: number, ...content: number[]): Uint8Array {
  return Uint8Array.of(
    ...varint(BigInt(field * 8 + 2)),
    ...varint(BigInt(content.length)),
    ...content
  )
}

function varint(value: bigint): number[] {
  return value < 0x80n ? [Number(value)] : [Number(value & 0x7fn) | 0x80, ...varint(value >> 7n)]
}

/** A Reestablish with these fields behind the ids. */
function standing(...fields: number[][]): Uint8Array {
  return body(
    15,
    ...bytes(1, ...new Uint8Array(32)),
    ...bytes(2, ...new Uint8Array(8)),
    ...fields.flat()
  )
}

/** A field of bytes, or of text. */
function bytes(field: number, ...content: number[]): number[] {
  return [...body(field, ...content)]
}

/** An OpenChannel of which one field reads otherwise. */
function opened(before: number[], after: number[]): Uint8Array {
  const content = toHex(encode(open).subarray(OPEN_HEADER_BYTES))
  if (content.split(toHex(Uint8Array.from(before))).length !== 2) {
    throw new Error('The field is not in the message exactly once.')
  }
  return body(
    1,
    ...fromHex(content.replace(toHex(Uint8Array.from(before)), toHex(Uint8Array.from(after))))
  )
}

/** A tag and a length of one byte each. */
const OPEN_HEADER_BYTES = 2

const zeros = (length: number): number[] => Array.from({ length }, () => 0)

function refused(): Array<[name: string, rule: string, bytes: Uint8Array]> {
  const ack = [0x10, 7]
  const code = bytes(1, ...new TextEncoder().encode('ERR_A'))
  const payments = (count: number): number[] =>
    Array.from({ length: count }, () => bytes(4, ...bytes(1, ...zeros(16)), 0x10, 1)).flat()
  return [
    ['nothing', 'WIRE-3', new Uint8Array(0)],
    ['two bodies', 'WIRE-3', Uint8Array.of(...body(8, ...ack), ...body(9))],
    ['the same body twice', 'WIRE-4', Uint8Array.of(...body(9), ...body(9))],
    ['bodies out of order', 'WIRE-4', Uint8Array.of(...body(9), ...body(8, ...ack))],
    ['an unknown body', 'WIRE-4', body(21)],
    [
      'a RenewalRequest without a transaction',
      'WIRE-6',
      body(17, ...bytes(2, ...new Uint8Array(64).fill(1)))
    ],
    [
      'an OpenChannel that renews a channel with a short id',
      'WIRE-6',
      opened([0x5a, 8, 0x11], [...bytes(10, ...bytes(1, 1, 2, 3)), 0x5a, 8, 0x11])
    ],
    [
      'a RestoreRequest after an id of 31 bytes',
      'WIRE-6',
      body(18, ...bytes(1, ...new Uint8Array(31)))
    ],
    [
      'a ChannelRecord without its offer and its answer',
      'WIRE-5',
      body(19, ...bytes(3, 1), ...bytes(5, ...zeros(64)))
    ],
    ['a RestoreDone with something in it', 'WIRE-4', body(20, 0x08, 1)],
    [
      'an OpenChannel whose derivation has 7 bytes',
      'WIRE-6',
      opened(
        [0x5a, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18],
        [0x5a, 7, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17]
      )
    ],
    [
      'an OpenChannel without a derivation',
      'WIRE-6',
      opened([0x5a, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18], [])
    ],
    [
      'an unknown field behind the body',
      'WIRE-4',
      Uint8Array.of(...body(8, ...ack), 0x88, 0x01, 0x01)
    ],
    ['an unknown field in the body', 'WIRE-4', body(8, ...ack, 0x18, 1)],
    ['a field twice', 'WIRE-4', body(8, 0x10, 6, 0x10, 7)],
    ['fields out of order', 'WIRE-4', body(8, 0x10, 7, 0x08, 1)],
    ['a default value that is spelled out', 'WIRE-4', body(8, 0x08, 0, 0x10, 7)],
    ['an integer longer than need be', 'WIRE-4', body(8, 0x10, 0x87, 0)],
    [
      'an integer of more than 32 bits in a uint32',
      'WIRE-4',
      body(8, 0x10, 0x80, 0x80, 0x80, 0x80, 0x10)
    ],
    [
      'an integer of more than 64 bits',
      'WIRE-4',
      body(8, 0x10, ...zeros(10).map(() => 0xff), 0x01)
    ],
    ['a wire type that the field does not have', 'WIRE-4', body(8, 0x15, 7, 0, 0, 0)],
    ['a length beyond the end', 'WIRE-4', Uint8Array.of(0x42, 9, 0x10, 7)],
    ['cut short', 'WIRE-4', Uint8Array.of(0x42, 2, 0x10)],
    ['random bytes', 'WIRE-4', fromHex('9f3c61d20b77e5')],
    ['a bool of 2', 'WIRE-4', body(16, ...code, 0x20, 2)],
    ['a network that is not in the enum', 'WIRE-4', opened([0x08, 4, 0x12], [0x08, 6, 0x12])],
    ['no network', 'WIRE-5', opened([0x08, 4, 0x12], [0x12])],
    [
      '21 million bitcoin and a satoshi',
      'WIRE-5',
      opened([0x28, 0xc0, 0x84, 0x3d], [0x28, ...varint(2_100_000_000_000_001n)])
    ],
    [
      'a time instead of a refund height',
      'WIRE-5',
      opened([0x30, 0xe8, 0x07], [0x30, ...varint(500_000_000n)])
    ],
    ['a signature of 63 bytes', 'WIRE-6', body(4, ...bytes(1, ...zeros(63)))],
    ['a signature of 65 bytes', 'WIRE-6', body(4, ...bytes(1, ...zeros(65)))],
    ['no signature', 'WIRE-6', body(4)],
    ['a txid of 31 bytes', 'WIRE-6', body(14, ...bytes(1, ...zeros(31)))],
    ['a channel key that is not compressed', 'WIRE-6', opened([0x12, 33, 3], [0x12, 33, 4])],
    [
      'a Reestablish with a signature of 63 bytes',
      'WIRE-6',
      standing([0x32, ...varint(63n), ...zeros(63)], [0x50, 1])
    ],
    ['a Reestablish with a sequence and no signature', 'WIRE-5', standing([0x20, 1], [0x50, 1])],
    ['a Reestablish with a balance and no signature', 'WIRE-5', standing([0x28, 1], [0x50, 1])],
    ['a Reestablish without an epoch', 'WIRE-5', standing([0x32, 64, ...zeros(64)])],
    [
      'a Reestablish that lists payments after its newest update',
      'WIRE-5',
      standing(
        [0x20, 2, 0x32, 64, ...zeros(64)],
        bytes(8, ...bytes(1, ...zeros(16)), 0x10, 1),
        [0x48, 2, 0x50, 1]
      )
    ],
    [
      'a Reestablish whose list begins after its newest update',
      'WIRE-5',
      standing([0x20, 2, 0x32, 64, ...zeros(64)], [0x48, 3, 0x50, 1])
    ],
    [
      'an error code that is none',
      'WIRE-7',
      body(16, ...bytes(1, ...new TextEncoder().encode('no way')))
    ],
    ['an error text of two lines', 'WIRE-7', body(16, ...code, ...bytes(3, 0x61, 0x0a, 0x62))],
    [
      'an error text with an escape sequence for terminals',
      'WIRE-7',
      body(16, ...code, ...bytes(3, 0x1b, 0x5b, 0x32, 0x4a))
    ],
    [
      'an error text that is not UTF-8: over-long, so that it is written otherwise than it was read (WIRE-7 as well)',
      'WIRE-4',
      body(16, ...code, ...bytes(3, 0xc1, 0x81))
    ],
    [
      'an error text that is not UTF-8: a surrogate',
      'WIRE-7',
      body(16, ...code, ...bytes(3, 0xed, 0xa0, 0x80))
    ],
    [
      'an error text of 1,001 bytes',
      'WIRE-6',
      body(16, ...code, ...bytes(3, ...zeros(1_001).map(() => 0x78)))
    ],
    ['1,001 payments', 'UPD-7', body(7, ...payments(1_001), ...bytes(5, ...zeros(64)))],
    [
      'a memo of 129 bytes',
      'UPD-8',
      body(
        7,
        ...bytes(4, ...bytes(1, ...zeros(16)), 0x10, 1, ...bytes(3, ...zeros(129).map(() => 0x78))),
        ...bytes(5, ...zeros(64))
      )
    ]
  ]
}

export function messageVectors(): MessageVectors {
  const ack = toHex(encode({ type: 'UpdateAck', turn: 0, sequence: 7 }))
  const ready = toHex(encode({ type: 'ChannelReady' }))
  return {
    description:
      'Messages as bytes. "accept": the fields of a message and its Envelope, without the length in front; each is the only encoding. "refuse": Envelopes that must be refused, and the rule of spec.md. "frames": what may and may not arrive on a stream, lengths included, and the Envelopes in it. Amounts are satoshis, byte strings hex; a txid in a message is in the order that transactions use.',
    accept: story().map(([name, message]) => ({
      name,
      message: messageJson(message),
      bytes: toHex(encode(message))
    })),
    refuse: refused().map(([name, rule, content]) => ({ name, rule, bytes: toHex(content) })),
    frames: {
      accept: [
        { name: 'one message', bytes: `04${ack}`, messages: [ack] },
        { name: 'two messages at once', bytes: `04${ack}02${ready}`, messages: [ack, ready] }
      ],
      refuse: [
        { name: 'an empty frame', rule: 'WIRE-1', bytes: '00' },
        { name: 'a length longer than need be', rule: 'WIRE-1', bytes: `8400${ack}` },
        { name: 'a stream that its sender ends inside a message', rule: 'WIRE-1', bytes: '044202' },
        { name: 'a length of 262,145', rule: 'WIRE-2', bytes: '818010' },
        { name: 'a length of more than 3 bytes', rule: 'WIRE-2', bytes: 'ffffff7f' }
      ]
    }
  }
}

/** The text of the file. */
export function messagesText(): string {
  return JSON.stringify(messageVectors(), null, 2) + '\n'
}

const [, main] = process.argv
if (main !== undefined && import.meta.url === pathToFileURL(main).href) {
  writeFileSync(MESSAGES_FILE, messagesText())
}
