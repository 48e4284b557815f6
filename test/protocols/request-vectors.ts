/**
 * Writes protocols/request/1.0/vectors/*.json. Run from the root of the repository, it always
 * writes the same bytes; a test checks that they are what is committed.
 *
 *   npm run build && node dist/test/protocols/request-vectors.js
 */
import { generateKeyPairFromSeed, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { bech32m } from '@scure/base'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { concat } from 'uint8arrays'
import {
  Receipt as WireReceipt,
  Request as WireRequest
} from '../../protocols/request/1.0/gen/request.js'
import {
  encodeReceipt,
  encodeRequest,
  type PaymentRequest,
  type Receipt,
  signedBytes,
  signedOf,
  type TextKind,
  textOf
} from '../../protocols/request/1.0/index.js'
import { requestPartId } from '../../src/engine/payments.js'
import { toHex } from '../../src/types/bytes.js'

export const REQUEST_VECTORS = join('protocols', 'request', '1.0', 'vectors')

const key = async (n: number): Promise<PrivateKey> =>
  await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(n))

interface Keys {
  readonly payee: PrivateKey
  readonly payer: PrivateKey
}

function requestOf({ payee }: Keys, changes: Partial<PaymentRequest> = {}): PaymentRequest {
  return {
    network: 'regtest',
    payeeKey: publicKeyToProtobuf(payee.publicKey),
    addresses: ['/ip4/192.0.2.1/tcp/9801', '/dns4/pay.example/tcp/443'],
    id: '0102030405060708',
    amount: 3_000n,
    memo: 'two coffees',
    made: 1_800_000_000,
    expires: 1_800_003_600,
    reusable: false,
    leastFirstPayment: 500n,
    ...changes
  }
}

function receiptOf({ payee, payer }: Keys, changes: Partial<Receipt> = {}): Receipt {
  return {
    network: 'regtest',
    payeeKey: publicKeyToProtobuf(payee.publicKey),
    payer: peerIdFromPrivateKey(payer).toString(),
    id: '0102030405060708',
    nonce: undefined,
    amount: 3_000n,
    memo: 'two coffees',
    paid: 1_800_000_100,
    ...changes
  }
}

async function signed(kind: TextKind, content: Uint8Array, by: PrivateKey): Promise<string> {
  return textOf(kind, { content, signature: await by.sign(signedBytes(kind, content)) })
}

/** A text that a checksum fits, around any bytes. */
function textAround(prefix: string, bytes: Uint8Array): string {
  return bech32m.encode(prefix, bech32m.toWords(bytes), false)
}

interface Refused {
  readonly comment: string
  readonly rule: string
  readonly text: string
}

const json = (value: object): object =>
  JSON.parse(
    JSON.stringify(value, (_, field: unknown) =>
      typeof field === 'bigint'
        ? field.toString()
        : field instanceof Uint8Array
          ? toHex(field)
          : field
    )
  ) as object

async function requestVectors(keys: Keys): Promise<object> {
  const { payee, payer } = keys
  const accepted: Array<readonly [string, Partial<PaymentRequest>]> = [
    ['an amount, a memo, an expiry, two addresses', {}],
    [
      'as little as there can be',
      { addresses: [], amount: undefined, memo: '', expires: undefined, leastFirstPayment: 0n }
    ],
    [
      'reusable, on mainnet',
      { reusable: true, amount: undefined, network: 'mainnet', expires: undefined }
    ],
    [
      'the largest of everything',
      { amount: 2_100_000_000_000_000n, memo: 'ü'.repeat(64), made: 2 ** 40 - 1, expires: 2 ** 40 }
    ],
    [
      'an address at a relay, with the PeerId of the relay',
      {
        addresses: [
          `/ip4/192.0.2.1/tcp/9801/p2p/${peerIdFromPrivateKey(payer).toString()}/p2p-circuit`
        ]
      }
    ]
  ]
  const accept = await Promise.all(
    accepted.map(async ([comment, changes]) => {
      const request = requestOf(keys, changes)
      return {
        comment,
        text: await signed('request', encodeRequest(request), payee),
        payee: peerIdFromPrivateKey(payee).toString(),
        request: json(request)
      }
    })
  )
  const good = await signed('request', encodeRequest(requestOf(keys)), payee)
  const secp = await generateKeyPairOfSecp()
  const secpRequest = requestOf(keys, { payeeKey: publicKeyToProtobuf(secp.publicKey) })
  accept.push({
    comment: 'a payee with a key of secp256k1',
    text: await signed('request', encodeRequest(secpRequest), secp),
    payee: peerIdFromPrivateKey(secp).toString(),
    request: json(secpRequest)
  })
  accept.push({ ...at(accept, 0), comment: 'in capitals', text: good.toUpperCase() })
  accept.push({
    ...at(accept, 0),
    comment: 'folded by a mail program',
    text: ` ${good.slice(0, 70)}\r\n${good.slice(70)}\n`
  })
  return {
    description:
      'Texts of requests: those that must be taken, with what they say, and those that must be refused, with the rule that they break.',
    accept,
    refuse: await refusedRequests(keys, good, payer)
  }
}

async function refusedRequests(keys: Keys, good: string, other: PrivateKey): Promise<Refused[]> {
  const { payee } = keys
  const { content, signature } = signedOf('request', good)
  const wire = WireRequest.decode(content)
  type Wire = typeof wire
  const changed = async (changes: Partial<Wire>): Promise<string> =>
    await signed('request', WireRequest.encode({ ...wire, ...changes }), payee)
  const last = good.at(-1) === 'q' ? 'p' : 'q'
  const bytes = new Uint8Array(
    bech32m.fromWords(bech32m.decode(good as `${string}1${string}`, false).words)
  )
  return [
    { comment: 'another last letter', rule: 'REQ-1', text: good.slice(0, -1) + last },
    { comment: 'cut off', rule: 'REQ-1', text: good.slice(0, -20) },
    {
      comment: 'capitals among small letters',
      rule: 'REQ-1',
      text: good.slice(0, 20) + good.slice(20).toUpperCase()
    },
    { comment: 'the text of something else', rule: 'REQ-1', text: textAround('bc', bytes) },
    {
      comment: 'a receipt',
      rule: 'REQ-1',
      text: await signed('receipt', encodeReceipt(receiptOf(keys)), payee)
    },
    { comment: 'no data', rule: 'REQ-3', text: textAround('paychan', new Uint8Array(0)) },
    {
      comment: 'a byte more',
      rule: 'REQ-2',
      text: textAround('paychan', concat([bytes, Uint8Array.of(0)]))
    },
    {
      comment: 'an unknown field',
      rule: 'REQ-2',
      text: await signed('request', concat([content, Uint8Array.of(0x78, 1)]), payee)
    },
    {
      comment: 'a field twice',
      rule: 'REQ-2',
      text: await signed('request', concat([content, Uint8Array.of(0x08, 1)]), payee)
    },
    { comment: 'a version of the future', rule: 'REQ-3', text: await changed({ version: 2 }) },
    { comment: 'no version', rule: 'REQ-3', text: await changed({ version: 0 }) },
    {
      comment: 'no network',
      rule: 'REQ-4',
      text: textOf('request', { content: without(content, 0x10), signature })
    },
    {
      comment: 'an RSA key',
      rule: 'REQ-4',
      text: await changed({ payeeKey: Uint8Array.from([8, 0, 0x12, 32, ...new Uint8Array(32)]) })
    },
    { comment: 'an id of 7 bytes', rule: 'REQ-4', text: await changed({ id: new Uint8Array(7) }) },
    {
      comment: 'more than all bitcoin',
      rule: 'REQ-4',
      text: await changed({ amount: 2_100_000_000_000_001n })
    },
    {
      comment: 'a memo of 129 bytes',
      rule: 'REQ-4',
      text: await changed({ memo: 'a'.repeat(129) })
    },
    { comment: 'a memo of two lines', rule: 'REQ-4', text: await changed({ memo: 'two\nlines' }) },
    {
      comment: 'it expires when it is made',
      rule: 'REQ-4',
      text: await changed({ expires: wire.made })
    },
    { comment: 'made at no time', rule: 'REQ-4', text: await changed({ made: 0n }) },
    {
      comment: 'a time too far away',
      rule: 'REQ-4',
      text: await changed({ expires: 2n ** 40n + 1n })
    },
    {
      comment: 'nine addresses',
      rule: 'REQ-4',
      text: await changed({
        addresses: Array.from({ length: 9 }, () => wire.addresses[0] ?? new Uint8Array(0))
      })
    },
    {
      comment: 'an address that says who, and not only where',
      rule: 'REQ-4',
      text: await changed({
        addresses: [
          multiaddr(`/ip4/192.0.2.1/tcp/9801/p2p/${peerIdFromPrivateKey(payee).toString()}`).bytes
        ]
      })
    },
    {
      comment: 'an address that is none',
      rule: 'REQ-4',
      text: await changed({ addresses: [Uint8Array.of(0xff, 0xff, 0xff)] })
    },
    {
      comment: 'another amount under the same signature',
      rule: 'REQ-5',
      text: textOf('request', { content: WireRequest.encode({ ...wire, amount: 3n }), signature })
    },
    {
      comment: 'signed by somebody else',
      rule: 'REQ-5',
      text: await signed('request', content, other)
    },
    {
      comment: 'signed as a receipt',
      rule: 'REQ-5',
      text: textOf('request', {
        content,
        signature: await payee.sign(signedBytes('receipt', content))
      })
    },
    {
      comment: 'no signature',
      rule: 'REQ-5',
      text: textOf('request', { content, signature: new Uint8Array(0) })
    },
    {
      comment: 'a signature of 63 bytes',
      rule: 'REQ-5',
      text: textOf('request', { content, signature: signature.slice(1) })
    }
  ]
}

/** The content without the field of one byte that has this tag. */
function without(content: Uint8Array, tag: number): Uint8Array {
  const at = content.indexOf(tag)
  return concat([content.subarray(0, at), content.subarray(at + 2)])
}

async function receiptVectors(keys: Keys): Promise<object> {
  const { payee, payer } = keys
  const accepted: Array<readonly [string, Partial<Receipt>]> = [
    ['for a request', {}],
    ['for a reusable one, on mainnet', { nonce: 'f1f2f3f4f5f6f7f8', network: 'mainnet', memo: '' }]
  ]
  const accept = await Promise.all(
    accepted.map(async ([comment, changes]) => {
      const receipt = receiptOf(keys, changes)
      return {
        comment,
        text: await signed('receipt', encodeReceipt(receipt), payee),
        payee: peerIdFromPrivateKey(payee).toString(),
        receipt: json(receipt)
      }
    })
  )
  const good = encodeReceipt(receiptOf(keys))
  const wire = WireReceipt.decode(good)
  const signature = await payee.sign(signedBytes('receipt', good))
  const changed = async (changes: Partial<typeof wire>): Promise<string> =>
    await signed('receipt', WireReceipt.encode({ ...wire, ...changes }), payee)
  const refuse: Refused[] = [
    {
      comment: 'a request',
      rule: 'REQ-1',
      text: await signed('request', encodeRequest(requestOf(keys)), payee)
    },
    { comment: 'a version of the future', rule: 'REQ-3', text: await changed({ version: 2 }) },
    { comment: 'nothing was paid', rule: 'REQ-4', text: await changed({ amount: 0n }) },
    { comment: 'a payer who is nobody', rule: 'REQ-4', text: await changed({ payer: 'somebody' }) },
    {
      comment: 'a nonce of 7 bytes',
      rule: 'REQ-4',
      text: await changed({ nonce: new Uint8Array(7) })
    },
    {
      comment: 'more under the same signature',
      rule: 'REQ-5',
      text: textOf('receipt', {
        content: WireReceipt.encode({ ...wire, amount: 30_000n }),
        signature
      })
    },
    { comment: 'signed by the payer', rule: 'REQ-5', text: await signed('receipt', good, payer) },
    {
      comment: 'signed as a request',
      rule: 'REQ-5',
      text: textOf('receipt', {
        content: good,
        signature: await payee.sign(signedBytes('request', good))
      })
    }
  ]
  return {
    description:
      'Texts of receipts: those that must be taken, with what they say, and those that must be refused, with the rule that they break.',
    accept,
    refuse
  }
}

function idVectors({ payee }: Keys): object {
  const peerId = peerIdFromPrivateKey(payee).toString()
  const cases = [
    { id: '0102030405060708', nonce: undefined, part: 0 },
    { id: '0102030405060708', nonce: undefined, part: 1 },
    { id: '0102030405060708', nonce: undefined, part: 10 },
    { id: '0102030405060708', nonce: 'f1f2f3f4f5f6f7f8', part: 0 }
  ]
  return {
    description: 'REQ-8: the ids of the parts of a payment for a request.',
    payee: peerId,
    cases: cases.map(({ part, ...request }) => ({
      ...request,
      name: `request:${request.id}${request.nonce === undefined ? '' : `:${request.nonce}`}`,
      part,
      paymentId: toHex(requestPartId(peerId, request, part))
    }))
  }
}

/** libp2p makes no key of secp256k1 from a seed; this one is the number 1. */
async function generateKeyPairOfSecp(): Promise<PrivateKey> {
  const { privateKeyFromRaw } = await import('@libp2p/crypto/keys')
  const raw = new Uint8Array(32)
  raw[31] = 1
  return privateKeyFromRaw(raw)
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index]
  if (found === undefined) throw new Error(`there is nothing at ${index}`)
  return found
}

/** The name and the text of every file. */
export async function requestVectorTexts(): Promise<Array<readonly [file: string, text: string]>> {
  const keys = { payee: await key(1), payer: await key(2) }
  return Object.entries({
    'requests.json': await requestVectors(keys),
    'receipts.json': await receiptVectors(keys),
    'payment-ids.json': idVectors(keys)
  }).map(([file, value]) => [file, JSON.stringify(value, null, 2) + '\n'] as const)
}

const [, main] = process.argv
if (main !== undefined && import.meta.url === pathToFileURL(main).href) {
  for (const [file, text] of await requestVectorTexts()) {
    writeFileSync(join(REQUEST_VECTORS, file), text)
  }
}
