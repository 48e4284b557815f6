/** What people type and paste, and what servers say: URIs, addresses, amounts, words. */
import assert from 'node:assert/strict'
import { addressFromScript, scriptFromAddress } from '../../../src/bitcoin/address.js'
import { formatBitcoinUri, parseBitcoinUri } from '../../../src/bitcoin/uri.js'
import { isAlreadyThere, refusalKind } from '../../../src/chain/broadcasting.js'
import { parseEndpoint, printable } from '../../../src/chain/electrum/endpoint.js'
import { parseDialTarget } from '../../../src/p2p/dial-target.js'
import { parseAmount } from '../../../src/types/amount.js'
import { channelId, fromHex, outPointFromText, txid } from '../../../src/types/bytes.js'
import { plainText } from '../../../protocols/paychan/1.0/index.js'
import { decryptWords } from '../../../src/wallet/seed-file.js'
import { normalizeWords } from '../../../src/bitcoin/seed.js'
import { isRefusal, neverThrows, type Target, text, unlessRefused, utf8 } from '../fuzzer.js'

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
