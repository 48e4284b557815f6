/** Channel keys: where they come from, and that none repeats. */
import assert from 'node:assert/strict'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { HDKey } from '@scure/bip32'
import fc from 'fast-check'
import { addressFromScript } from '../../src/bitcoin/address.js'
import type { KeyPath } from '../../src/bitcoin/keys.js'
import {
  addressBranch,
  addressSecret,
  CHANNEL_PURPOSE,
  identitySeed,
  rootFromWords,
  webhookSeed
} from '../../src/bitcoin/seed.js'
import { toHex } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { AddressBook } from '../../src/wallet/addresses.js'
import { GAP } from '../../src/wallet/gaps.js'
import { createSigner, LruCache, nativeEcdsa, wasmEcdsa } from '../../src/wallet/signer.js'
import { signerContract } from '../contracts/signer.js'
import { createTestSigner, testRoot } from './fixtures.js'

const PATH: KeyPath = { role: 'server', high: 123, low: 456, use: 'channel' }
const index = fc.nat({ max: 0x7fffffff })
const keyPath: fc.Arbitrary<KeyPath> = fc.record({
  role: fc.constantFrom('client', 'server'),
  high: index,
  low: index,
  use: fc.constantFrom('channel', 'payout')
})

describe('signer', () => {
  const signer = createTestSigner('alice')

  describe('derivation', () => {
    it("follows the documented path m/7364985'/coin'/role'/high'/low'/use'", () => {
      const root = testRoot('alice')
      assert.equal(Buffer.from('pay', 'ascii').readUIntBE(0, 3), CHANNEL_PURPOSE)
      const expected = (path: string): string => toHex(root.derive(path).publicKey ?? assert.fail())
      assert.equal(toHex(signer.publicKey(PATH)), expected("m/7364985'/1'/1'/123'/456'/0'"))
      assert.equal(
        toHex(signer.publicKey({ ...PATH, role: 'client', use: 'payout' })),
        expected("m/7364985'/1'/0'/123'/456'/1'")
      )
      assert.equal(
        toHex(createSigner(root, 'mainnet').publicKey(PATH)),
        expected("m/7364985'/0'/1'/123'/456'/0'")
      )
    })

    it('gives different paths different keys', () => {
      fc.assert(
        fc.property(keyPath, keyPath, (a, b) => {
          const same = a.role === b.role && a.high === b.high && a.low === b.low && a.use === b.use
          assert.equal(toHex(signer.publicKey(a)) === toHex(signer.publicKey(b)), same)
        }),
        { numRuns: 20 }
      )
    })

    it('gives different seeds different keys, and the same seed the same', () => {
      assert.notDeepEqual(createTestSigner('bob').publicKey(PATH), signer.publicKey(PATH))
      assert.deepEqual(createTestSigner('alice').publicKey(PATH), signer.publicKey(PATH))
    })

    it('refuses indexes beyond 31 bits', () => {
      for (const wrong of [-1, 0.5, 0x80000000, Number.NaN]) {
        assert.throws(
          () => signer.publicKey({ ...PATH, high: wrong }),
          (error) => codeOf(error) === 'ERR_INVALID_KEY_PATH'
        )
        assert.throws(
          () => signer.sign({ ...PATH, low: wrong }, new Uint8Array(32)),
          (error) => codeOf(error) === 'ERR_INVALID_KEY_PATH'
        )
      }
    })
  })

  it('signs with the key that it shows', () => {
    const digest = new Uint8Array(32).fill(3)
    const signature = signer.sign(PATH, digest)
    assert.equal(signature.length, 64)
    assert.equal(signer.verify(signer.publicKey(PATH), digest, signature), true)
    assert.equal(
      signer.verify(signer.publicKey({ ...PATH, use: 'payout' }), digest, signature),
      false
    )
  })

  it('hands out keys that the caller may write into', () => {
    const before = toHex(signer.publicKey(PATH))
    signer.publicKey(PATH).fill(0)
    assert.equal(toHex(signer.publicKey(PATH)), before)
  })

  it('needs the secret part of the root', () => {
    const neutered = HDKey.fromExtendedKey(testRoot('alice').publicExtendedKey)
    assert.throws(() => createSigner(neutered, 'regtest').publicKey(PATH))
  })

  describe('identity', () => {
    it('is the same after a restart, and another on mainnet', async () => {
      const [first, again, mainnet] = [
        identitySeed(testRoot('alice'), 'regtest'),
        identitySeed(testRoot('alice'), 'regtest'),
        identitySeed(testRoot('alice'), 'mainnet')
      ]
      assert.equal(first.length, 32)
      assert.deepEqual(again, first)
      assert.notDeepEqual(mainnet, first)
      const key = await generateKeyPairFromSeed('Ed25519', first)
      assert.deepEqual(
        (await generateKeyPairFromSeed('Ed25519', again)).publicKey.toString(),
        key.publicKey.toString()
      )
    })

    it("is another than the one of webhooks, at m/7364985'/coin'/3'", () => {
      const root = testRoot('alice')
      assert.deepEqual(webhookSeed(root, 'regtest'), root.derive("m/7364985'/1'/3'").privateKey)
    })

    it("follows the documented path m/7364985'/coin'/2'", () => {
      const root = testRoot('alice')
      assert.deepEqual(identitySeed(root, 'regtest'), root.derive("m/7364985'/1'/2'").privateKey)
    })
  })
})

describe('lru cache', () => {
  it('makes each value once, and drops what was not used for longest', () => {
    const made: string[] = []
    const cache = new LruCache<string, string>(2)
    const use = (key: string): string =>
      cache.get(key, () => {
        made.push(key)
        return key.toUpperCase()
      })
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) assert.equal(use(key), key.toUpperCase())
    // b was the oldest when c came: it is made again.
    assert.deepEqual(made, ['a', 'b', 'c', 'b'])
    assert.equal(cache.size, 2)
  })
})

/* The signer's contract, on both libraries and on the signer of the tests. */

const native = nativeEcdsa()
if (native !== undefined) {
  signerContract('over libsecp256k1', () => createSigner(testRoot('contract'), 'regtest', native))
}
signerContract('over tiny-secp256k1', () =>
  createSigner(
    testRoot('contract'),
    'regtest',
    wasmEcdsa() ?? assert.fail('tiny-secp256k1 runs everywhere')
  )
)
signerContract('of the tests', () => createTestSigner('contract'))

/* BIP84, by its own test vectors. */

const root = rootFromWords(`${'abandon '.repeat(11)}about`)

describe('addresses', () => {
  it('are those of BIP84', () => {
    const book = new AddressBook(root, 'mainnet')
    const address = (branch: 'receive' | 'change', index: number): string =>
      addressFromScript(book.at(branch, index).scriptPubKey, 'mainnet')
    assert.equal(address('receive', 0), 'bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu')
    assert.equal(address('receive', 1), 'bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g')
    assert.equal(address('change', 0), 'bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el')
  })

  it("have their keys at m/84'/coin'/0'/branch/index", () => {
    const book = new AddressBook(root, 'regtest')
    assert.deepEqual(book.secret(book.at('receive', 3)), root.derive("m/84'/1'/0'/0/3").privateKey)
    assert.deepEqual(book.secret(book.at('change', 5)), root.derive("m/84'/1'/0'/1/5").privateKey)
  })

  it('are derived without HDKey as HDKey derives them', () => {
    const branch = addressBranch(root, 'regtest', 2)
    for (const index of [0, 1, 255, 256, 65_536, 0x7fffffff]) {
      assert.deepEqual(addressSecret(branch, index), branch.deriveChild(index).privateKey)
    }
  })

  it('differ between the branches, the indexes and mainnet', () => {
    const books = [new AddressBook(root, 'regtest'), new AddressBook(root, 'mainnet')]
    const scripts = books.flatMap((book) =>
      book.watched().map(({ scriptPubKey }) => toHex(scriptPubKey))
    )
    assert.equal(scripts.length, 4 * GAP)
    assert.equal(new Set(scripts).size, scripts.length)
  })

  it('are found again by their script, once derived', () => {
    const book = new AddressBook(root, 'regtest')
    const own = book.at('change', 7)
    assert.equal(book.find(Uint8Array.from(own.scriptPubKey)), own)
    assert.equal(book.find(new Uint8Array(22)), undefined)
  })

  it('are watched as far as handed out, and a gap beyond', () => {
    const book = new AddressBook(root, 'regtest')
    book.next.receive = 3
    assert.equal(book.watched().filter(({ branch }) => branch === 'receive').length, 3 + GAP)
    assert.equal(book.watched().filter(({ branch }) => branch === 'change').length, GAP)
  })
})
