/**
 * Whatever a peer says at whatever stage of a channel: a transition throws nothing, and the money
 * stays within the capacity.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  decode,
  encode,
  type Message,
  plainText,
  unpackPayments
} from '../../../protocols/paychan/1.0/index.js'
import {
  decodeAnswer,
  decodeQuestion,
  decodeReceipt,
  decodeRequest,
  decodeSigned,
  encodeAnswer,
  encodeQuestion,
  encodeReceipt,
  encodeRequest,
  encodeSigned,
  signedOf
} from '../../../protocols/request/1.0/index.js'
import { addressFromScript, scriptFromAddress } from '../../../src/bitcoin/address.js'
import { normalizeWords } from '../../../src/bitcoin/seed.js'
import { formatBitcoinUri, parseBitcoinUri, requestOfUri } from '../../../src/bitcoin/uri.js'
import { isAlreadyThere, refusalKind } from '../../../src/chain/broadcasting.js'
import { parseEndpoint, printable } from '../../../src/chain/electrum/endpoint.js'
import { balances } from '../../../src/channel/ledger.js'
import { adoptRecord, ourSide, recordOf } from '../../../src/channel/restoring.js'
import { transition } from '../../../src/channel/transition.js'
import { parseDialTarget } from '../../../src/p2p/dial-target.js'
import { verifyReceipt, verifyRequest } from '../../../src/p2p/requests.js'
import { fromFrames, isCutShort, toFrame } from '../../../src/p2p/stream-link.js'
import { parseAmount } from '../../../src/types/amount.js'
import { channelId, fromHex, outPointFromText, txid } from '../../../src/types/bytes.js'
import { decryptWords } from '../../../src/wallet/seed-file.js'
import { eventOf } from '../../channel/asserts.js'
import type { Side } from '../../channel/side.js'
import { World } from '../../channel/world.js'
import { REQUEST_VECTORS } from '../../protocols/request-vectors.js'
import { isRefusal, neverThrows, type Target, text, unlessRefused, utf8 } from '../fuzzer.js'
import { sides } from './transactions.js'

const VECTORS = join(
  import.meta.dirname,
  '..',
  '..',
  '..',
  '..',
  'protocols',
  'paychan',
  '1.0',
  'vectors',
  'messages.json'
)

let known: readonly Message[] | undefined

/** One of each kind, and those that real channels have sent. */
function messages(): readonly Message[] {
  if (known !== undefined) return known
  const { accept } = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
    readonly accept: ReadonlyArray<{ readonly bytes: string }>
  }
  const records = sides().flatMap((side) => recordOf(side.channel, side.env()) ?? [])
  const sent = sides().flatMap(({ effects }) =>
    effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))
  )
  known = [...accept.map(({ bytes }) => decode(fromHex(bytes))), ...records, ...sent]
  return known
}

let staged: readonly Side[] | undefined

/** Both sides at every stage. */
function stages(): readonly Side[] {
  staged ??= [
    ...(['offered', 'accepted', 'refund-requested', 'refund-signed'] as const).flatMap((stage) =>
      (['client', 'server'] as const).flatMap((role) => {
        const world = new World()
        try {
          return [world.until(role, stage)[role]]
        } catch {
          return []
        }
      })
    ),
    ...[
      new World().open(),
      new World().open().paid(20_000n),
      new World({ step: 20 }).open().paidBy('client', 40_000n).paidBy('server', 15_000n)
    ].flatMap((world) => [world.client, world.server]),
    ...[new World().open().paid(20_000n).disconnect().connect()].flatMap((world) => [
      world.client,
      world.server
    ])
  ]
  return staged
}

export const MESSAGES: Target = {
  name: 'messages',
  seeds: () =>
    stages().flatMap((_side, n) =>
      messages()
        .filter((_message, at) => at % 4 === n % 4)
        .map((message) => Uint8Array.from([n, 1, ...encode(message)]))
    ),
  run: ([at = 0, trusts = 0, ...bytes]) => {
    const side = stages()[at % stages().length]
    const message = unlessRefused(() => decode(Uint8Array.from(bytes)))
    if (side === undefined || message === undefined) return
    // With signatures that are all good, more is looked at.
    const env = side.env(trusts % 2 === 1 ? { verify: () => true } : {})
    const { state } = neverThrows('a transition', () =>
      transition(side.channel, eventOf(message), env)
    )
    if (state.stage === 'established') {
      const { client, server } = balances(state.terms, state.ledger)
      assert.ok(
        client >= 0n && server >= 0n && client + server === state.terms.capacity,
        `${client} sat and ${server} sat of ${state.terms.capacity} sat`
      )
    }
    if (message.type !== 'ChannelRecord') return
    unlessRefused(() => ourSide(message, () => message.open.channelKey))
    const { role, keys } = side.channel
    const adopted = unlessRefused(() =>
      adoptRecord(
        message,
        { role, keys, peer: 'bob', address: 'bob', network: 'regtest' },
        { ...env, isKnownKey: () => false, isKnownOutPoint: () => false }
      )
    )
    if (adopted?.state.stage === 'established') {
      assert.ok(
        balances(adopted.state.terms, adopted.state.ledger).client <= adopted.state.terms.capacity
      )
    }
  }
}

/* Frames of a stream, and the messages in them: what is read is what would have been written. */

export const WIRE: Target = {
  name: 'wire',
  seeds: () => [
    ...messages().map(encode),
    ...messages().map((message) => toFrame(message).subarray())
  ],
  run: async (input) => {
    const message = unlessRefused(() => decode(input))
    if (message !== undefined) assert.deepEqual(encode(message), input)
    try {
      for await (const frame of fromFrames(pieces(input))) {
        unlessRefused(() => decode(frame.subarray()))
      }
    } catch (error) {
      if (!isRefusal(error) && !isCutShort(error)) throw error
    }
    // A record of the payment log; its reader makes one error of all.
    try {
      unpackPayments(input)
    } catch (error) {
      assert.ok(error instanceof Error)
    }
  }
}

async function* pieces(input: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < input.length; at += 1 + (at % 7)) yield input.slice(at, at + 1 + (at % 7))
}

/*
 * Payment requests, receipts, questions and answers: what is read is what would have been written.
 */

/** Each decoder with the encoder that gives the same bytes again. */
const AGAIN: ReadonlyArray<(bytes: Uint8Array) => Uint8Array> = [
  (bytes) => encodeSigned(decodeSigned(bytes)),
  (bytes) => encodeRequest(decodeRequest(bytes)),
  (bytes) => encodeReceipt(decodeReceipt(bytes)),
  (bytes) => encodeQuestion(decodeQuestion(bytes)),
  (bytes) => encodeAnswer(decodeAnswer(bytes))
]

function texts(file: string): string[] {
  const { accept, refuse } = JSON.parse(
    readFileSync(join(REQUEST_VECTORS, file), 'utf8')
  ) as Record<'accept' | 'refuse', ReadonlyArray<{ readonly text: string }>>
  return [...accept, ...refuse].map((vector) => vector.text)
}

export const REQUESTS: Target = {
  name: 'requests',
  words: ['paychan1', 'paychanreceipt1', 'bitcoin:?paychan=', 'PAYCHAN1'],
  seeds: () => {
    const [requests, receipts] = [texts('requests.json'), texts('receipts.json')]
    return [
      ...[...requests, ...receipts, `bitcoin:?paychan=${requests[0] ?? ''}`].map(utf8),
      ...requests.flatMap((each) => {
        const signed = unlessRefused(() => signedOf('request', each))
        return signed === undefined ? [] : [encodeSigned(signed), signed.content]
      }),
      ...receipts.flatMap((each) => {
        const signed = unlessRefused(() => signedOf('receipt', each))
        return signed === undefined
          ? []
          : [signed.content, encodeAnswer({ state: 'paid', receipt: signed })]
      }),
      encodeQuestion({ id: '0102030405060708', nonce: 'f1f2f3f4f5f6f7f8' })
    ]
  },
  run: async (input) => {
    for (const again of AGAIN) {
      const bytes = unlessRefused(() => again(input))
      if (bytes !== undefined) assert.deepEqual(bytes, input)
    }
    const said = text(input)
    unlessRefused(() => requestOfUri(said))
    for (const verify of [verifyRequest, verifyReceipt]) {
      await verify(said).catch((error: unknown) => {
        unlessRefused(() => {
          throw error
        })
      })
    }
  }
}

/* What people type and paste, and what servers say: URIs, addresses, amounts, words. */

const ADDRESSES = [
  'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
  'BCRT1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KYGT080',
  'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
  'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn',
  '3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy',
  '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2'
]
const WORDS =
  'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'
const PEER = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'

export const TEXTS: Target = {
  name: 'texts',
  words: [
    ...ADDRESSES,
    'bitcoin:',
    'BITCOIN:',
    '?amount=',
    '&label=',
    '&req-x=1',
    '%F0%9F',
    'tb=',
    'bc=',
    'tcp://',
    'tls://',
    ':50001',
    '/ip4/127.0.0.1/tcp/1',
    '/p2p/',
    PEER,
    'abandon',
    '21000000',
    '0.00000001',
    'btc',
    'sat',
    '\u202e',
    '\ud800',
    '\u0000'
  ],
  seeds: () =>
    [
      ...ADDRESSES,
      ...ADDRESSES.map((address) => `bitcoin:${address}?amount=0.001&label=Luke%20&message=x`),
      `bitcoin:?tb=${ADDRESSES[0] ?? ''}`,
      'tls://example.org:50002',
      'tcp://[::1]:1',
      `/ip4/192.0.2.1/tcp/9800/p2p/${PEER}`,
      PEER,
      `${'ab'.repeat(32)}:1`,
      '0.001 btc',
      '1,000 sat',
      WORDS,
      'min relay fee not met, 1 < 2',
      JSON.stringify({ paychan: 'seed', v: 1, kdf: 'scrypt' })
    ].map(utf8),
  run: async (input) => {
    const given = text(input)
    for (const network of ['mainnet', 'testnet', 'signet', 'regtest'] as const) {
      const script = unlessRefused(() => scriptFromAddress(given, network))
      if (script !== undefined) {
        assert.deepEqual(scriptFromAddress(addressFromScript(script, network), network), script)
      }
      const uri = unlessRefused(() => parseBitcoinUri(given, network))
      if (uri !== undefined) unlessRefused(() => formatBitcoinUri(uri))
    }
    for (const read of [
      () => outPointFromText(given),
      () => parseEndpoint(given),
      () => parseDialTarget(given),
      () => parseAmount(given),
      () => txid(given),
      () => channelId(given),
      () => fromHex(given),
      () => normalizeWords(given)
    ]) {
      unlessRefused<unknown>(read)
    }
    neverThrows('the kind of a refusal', () => [
      refusalKind(given),
      isAlreadyThere(given),
      printable(given),
      plainText(given, 1_000)
    ])
    // Whatever would ask for a key by scrypt takes too long to be tried so often.
    if (given.trimStart().startsWith('{') && !given.includes('"tag"')) {
      await decryptWords(given, 'a passphrase').catch((error: unknown) => {
        if (!isRefusal(error)) throw error
      })
    }
  }
}
