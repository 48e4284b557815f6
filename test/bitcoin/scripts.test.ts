import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { crypto, Transaction } from 'bitcoinjs-lib'
import fc from 'fast-check'
import * as secp from 'tiny-secp256k1'
import { fromBlock, fromDer, isLowS, SIGHASH, toDer } from '../../src/bitcoin/ecdsa.js'
import {
  FUNDING_INPUT_VSIZE,
  FUNDING_WITNESS_BYTES,
  fundingSpend,
  fundingSpendVsize,
  withSignatures
} from '../../src/bitcoin/funding-spend.js'
import { hash160, hash256, sha256, sha256OfText } from '../../src/bitcoin/hashes.js'
import {
  channelIdOf,
  fundingWitnessScript,
  isStandardScript,
  p2wsh,
  payoutWitnessScript
} from '../../src/bitcoin/scripts.js'
import {
  dustLimit,
  MAX_SIGNATURE_BYTES,
  outputSize,
  witnessItemSize
} from '../../src/bitcoin/sizes.js'
import { fromHex, toHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { funding, K1, K2, P2PKH, P2SH, P2TR, p2wpkh, P2WSH, refuses } from './support.js'

describe('scripts', () => {
  const k1 = toHex(K1.publicKey)
  const k2 = toHex(K2.publicKey)

  it('puts the client key first in the 2-of-2', () => {
    const script = fundingWitnessScript(K1.publicKey, K2.publicKey)
    assert.equal(bitcoin.script.toASM(script), `OP_2 ${k1} ${k2} OP_2 OP_CHECKMULTISIG`)
    assert.equal(script.length, 71)
  })

  it('does not sort the keys', () => {
    assert.equal(
      bitcoin.script.toASM(fundingWitnessScript(K2.publicKey, K1.publicKey)),
      `OP_2 ${k2} ${k1} OP_2 OP_CHECKMULTISIG`
    )
  })

  it('delays a payout by one block', () => {
    const script = payoutWitnessScript(K1.publicKey)
    // bitcoinjs still prints OP_CHECKSEQUENCEVERIFY (0xb2) by its old name.
    assert.equal(bitcoin.script.toASM(script), `${k1} OP_CHECKSIGVERIFY OP_1 OP_NOP3`)
    assert.deepEqual([...script.slice(-3)], [0xad, 0x51, 0xb2])
    assert.equal(script.length, 37)
  })

  it('refuses what is no compressed public key', () => {
    const uncompressed = Uint8Array.from([4, ...new Uint8Array(64)])
    const wrongPrefix = Uint8Array.from([5, ...new Uint8Array(32)])
    for (const key of [new Uint8Array(0), K1.publicKey.slice(1), uncompressed, wrongPrefix]) {
      refuses(() => fundingWitnessScript(key, K2.publicKey), 'ERR_INVALID_PUBLIC_KEY')
      refuses(() => fundingWitnessScript(K1.publicKey, key), 'ERR_INVALID_PUBLIC_KEY')
      refuses(() => payoutWitnessScript(key), 'ERR_INVALID_PUBLIC_KEY')
    }
  })

  it('hashes a witness script into its scriptPubKey as bitcoinjs does', () => {
    const script = fundingWitnessScript(K1.publicKey, K2.publicKey)
    assert.deepEqual(p2wsh(script), bitcoin.payments.p2wsh({ redeem: { output: script } }).output)
  })

  it('names a channel by the hash of its client key (ID-1)', () => {
    assert.equal(channelIdOf(K1.publicKey), toHex(bitcoin.crypto.sha256(K1.publicKey)))
  })

  describe('standard scripts', () => {
    const program = (opcode: number, length: number): Uint8Array =>
      Uint8Array.from([opcode, length, ...new Uint8Array(length).fill(1)])

    it('are those that have an address', () => {
      for (const script of [P2PKH, P2SH, p2wpkh(), P2WSH, P2TR]) {
        assert.ok(isStandardScript(script), toHex(script))
      }
    })

    it('include witness programs of the future, from 2 to 40 bytes', () => {
      for (const opcode of [0x51, 0x52, 0x60]) {
        assert.ok(isStandardScript(program(opcode, 2)))
        assert.ok(isStandardScript(program(opcode, 40)))
        assert.ok(!isStandardScript(program(opcode, 1)))
        assert.ok(!isStandardScript(program(opcode, 41)))
      }
      assert.ok(!isStandardScript(program(0x61, 20)), 'OP_NOP is no version')
      assert.ok(!isStandardScript(program(0x50, 20)), 'OP_RESERVED is no version')
    })

    it('exclude version 0 programs that could never be spent', () => {
      for (const length of [2, 19, 21, 31, 33, 40]) assert.ok(!isStandardScript(program(0, length)))
    })

    it('exclude everything else', () => {
      const bareKey = Uint8Array.from([33, ...K1.publicKey, 0xac])
      const data = Uint8Array.from([0x6a, 4, 1, 2, 3, 4])
      const trailing = Uint8Array.from([...p2wpkh(), 0])
      const wrongEnd = Uint8Array.from([...P2PKH.slice(0, 24), 0xad])
      for (const script of [
        new Uint8Array(0),
        bareKey,
        data,
        trailing,
        wrongEnd,
        P2SH.slice(1),
        fundingWitnessScript(K1.publicKey, K2.publicKey)
      ]) {
        assert.ok(!isStandardScript(script), toHex(script))
      }
    })
  })
})

/* Sizes that fees are reckoned by, against transactions with the longest signatures. */

describe('bitcoin / sizes', () => {
  const longest = new Uint8Array(MAX_SIGNATURE_BYTES)

  it('a spend of a funding output: 220 bytes of witness, 96 vB beside other inputs', () => {
    assert.deepEqual([FUNDING_WITNESS_BYTES, FUNDING_INPUT_VSIZE], [220, 96])
  })

  it('are those of the transaction that is sent', () => {
    for (const scripts of [[p2wpkh()], [P2WSH], [p2wpkh(), P2WSH]]) {
      const tx = fundingSpend(
        funding(),
        3,
        0,
        scripts.map((script) => ({ script, value: satoshi(1_000n) }))
      )
      const raw = withSignatures(tx, funding(), longest, longest)
      assert.equal(fundingSpendVsize(scripts), Transaction.fromBuffer(raw.raw).virtualSize())
    }
  })
})

describe('dust limits', () => {
  it('are those of Bitcoin Core', () => {
    assert.equal(dustLimit(p2wpkh()), 294n)
    assert.equal(dustLimit(P2WSH), 330n)
    assert.equal(dustLimit(P2TR), 330n)
    assert.equal(dustLimit(P2PKH), 546n)
    assert.equal(dustLimit(P2SH), 540n)
  })

  it('count every witness program as cheap to spend', () => {
    // Pay-to-anchor, 51024e73: (8 + 1 + 4 + 67) x 3
    assert.equal(dustLimit(Uint8Array.from([0x51, 2, 0x4e, 0x73])), 240n)
    // 40 bytes of version 16: (8 + 1 + 42 + 67) x 3
    assert.equal(dustLimit(Uint8Array.from([0x60, 40, ...new Uint8Array(40)])), 354n)
  })

  it('count the bytes of a long script and of its length', () => {
    // 252 bytes: (8 + 1 + 252 + 148) x 3; 253 bytes: (8 + 3 + 253 + 148) x 3
    assert.equal(dustLimit(new Uint8Array(252).fill(0x61)), 1227n)
    assert.equal(dustLimit(new Uint8Array(253).fill(0x61)), 1236n)
  })

  it('do not exist for what nobody can spend', () => {
    assert.equal(dustLimit(Uint8Array.from([0x6a, 1, 1])), 0n)
    assert.equal(dustLimit(new Uint8Array(10_001)), 0n)
    assert.ok(dustLimit(new Uint8Array(10_000)) > 0n)
  })
})

describe('hashes', () => {
  it('are those of the library, as plain bytes, whatever is hashed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.deepEqual(sha256(bytes), crypto.sha256(bytes))
        assert.deepEqual(hash256(bytes), crypto.hash256(bytes))
        assert.deepEqual(hash160(bytes), crypto.hash160(bytes))
      })
    )
  })

  it('keep no more memory than they have, and share it with nobody', () => {
    const [one, other] = [sha256(new Uint8Array(1)), sha256(new Uint8Array(1))]
    assert.equal(one.buffer.byteLength, 32)
    one.fill(0)
    assert.deepEqual(other, crypto.sha256(new Uint8Array(1)))
  })

  it('are of a part of an array alone, when a part is given', () => {
    const whole = Uint8Array.from({ length: 100 }, (_, i) => i)
    assert.deepEqual(hash256(whole.subarray(10, 20)), crypto.hash256(whole.slice(10, 20)))
  })

  it('are of a text in UTF-8', () => {
    // printf 'ü' | sha256sum
    assert.equal(toHex(sha256OfText('ü')), toHex(sha256(new TextEncoder().encode('ü'))))
  })
})

describe('sizes', () => {
  it('a length takes 1 byte up to 252, 3 up to 65,535, 5 up to 4,294,967,295, and 9 from there on', () => {
    const bytes = [0xfc, 0xfd, 0xffff, 0x10000, 0xffffffff, 0x100000000].map(
      (length) => witnessItemSize(length) - length
    )
    assert.deepEqual(bytes, [1, 3, 3, 5, 5, 9])
  })

  it('an output is 8 bytes of value, and its script with its length', () => {
    assert.deepEqual(
      [22, 253].map((length) => outputSize(new Uint8Array(length))),
      [31, 264]
    )
  })
})

const digest = bitcoin.crypto.sha256(Uint8Array.from([1, 2, 3]))
const HALF = fromHex('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0')
const HALF_PLUS_1 = fromHex('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1')
const ORDER = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
const ONE = Uint8Array.from([...new Uint8Array(31), 1])
const compact = (r: Uint8Array, s: Uint8Array): Uint8Array => Uint8Array.from([...r, ...s])

/** The other valid signature of the same digest: (r, n - s). */
function highS(signature: Uint8Array): Uint8Array {
  const negated = secp.privateNegate(signature.slice(32))
  return compact(signature.slice(0, 32), negated)
}

describe('signatures', () => {
  const types = [
    SIGHASH.ALL,
    SIGHASH.SINGLE | SIGHASH.ANYONECANPAY,
    SIGHASH.NONE | SIGHASH.ANYONECANPAY
  ]

  it('have the sighash types of BIP143', () => {
    assert.deepEqual(types, [0x01, 0x83, 0x82])
  })

  it('survive the way to DER and back', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.constantFrom(...types),
        (message, type) => {
          const signature = K1.sign(message)
          const der = toDer(signature, type)
          assert.ok(der.length <= MAX_SIGNATURE_BYTES)
          assert.deepEqual(fromDer(der), { signature, sighashType: type })
        }
      )
    )
  })

  it('are as long as the worst case says when R is high and S as high as allowed', () => {
    assert.equal(
      toDer(compact(new Uint8Array(32).fill(0xee), HALF), SIGHASH.ALL).length,
      MAX_SIGNATURE_BYTES
    )
  })

  describe('as a block may have them', () => {
    const NUMBER = 'ab'.repeat(32)
    /** Strict DER, with any sighash byte. */
    const der = (r: Uint8Array, s: Uint8Array, type = 0x42): Uint8Array =>
      bitcoin.script.signature
        .encode(compact(r, s), SIGHASH.ALL)
        .map((byte, i, { length }) => (i === length - 1 ? type : byte))
    const refusedRange = (r: Uint8Array, s: Uint8Array): void => {
      refuses(() => fromBlock(der(r, s)), 'ERR_INVALID_SIGNATURE', /out of range/)
    }

    it('have any sighash byte, and of the two that are valid the one with the low S is taken', () => {
      const signature = K1.sign(digest)
      const [r, s] = [signature.slice(0, 32), signature.slice(32)]
      for (const each of [s, highS(signature).slice(32)]) {
        assert.deepEqual(fromBlock(der(r, each)), { signature, sighashType: 0x42 })
      }
      assert.deepEqual(fromBlock(der(fromHex(NUMBER), HALF_PLUS_1)).signature.slice(32), HALF)
    })

    it('are in range: nothing else can be in a block, and nothing else is handed to whoever verifies', () => {
      const zero = new Uint8Array(32)
      const one = fromHex(NUMBER)
      for (const [r, s] of [
        [one, zero],
        [one, ORDER],
        [one, new Uint8Array(32).fill(255)],
        [zero, one],
        [zero, ONE],
        [ORDER, ONE],
        [ORDER, HALF_PLUS_1]
      ] as const) {
        refusedRange(r, s)
      }
      assert.deepEqual(fromBlock(der(ONE, ONE)).signature, compact(ONE, ONE))
    })

    it('are not empty, and in strict DER', () => {
      refuses(() => fromBlock(new Uint8Array(0)), 'ERR_INVALID_SIGNATURE', /is empty/)
      refuses(() => fromBlock(Uint8Array.of(1, 2, 3)), 'ERR_INVALID_SIGNATURE', /strict DER/)
    })
  })

  describe('low S', () => {
    it('is what signing gives, and its negation is not', () => {
      const signature = K1.sign(digest)
      assert.ok(isLowS(signature))
      assert.ok(secp.verify(digest, K1.publicKey, highS(signature)), 'mathematically valid')
      assert.ok(!isLowS(highS(signature)))
      refuses(() => toDer(highS(signature), SIGHASH.ALL), 'ERR_INVALID_SIGNATURE')
    })

    it('ends at half of the order', () => {
      assert.ok(isLowS(compact(ONE, HALF)))
      assert.ok(!isLowS(compact(ONE, HALF_PLUS_1)))
    })

    it('is what the numbers say, at every edge', () => {
      const number = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`)
      const last = ORDER.map((byte, at) => (at === 31 ? byte - 1 : byte))
      const edge = fc.oneof(
        fc.constantFrom(new Uint8Array(32), ONE, HALF, HALF_PLUS_1, last, ORDER),
        fc.uint8Array({ minLength: 32, maxLength: 32 })
      )
      fc.assert(
        fc.property(edge, edge, (r, s) => {
          const isInRange = number(r) > 0n && number(r) < number(ORDER) && number(s) > 0n
          assert.equal(isLowS(compact(r, s)), isInRange && number(s) <= number(HALF))
        })
      )
    })

    it('leaves out what is out of range', () => {
      const zero = new Uint8Array(32)
      for (const bad of [
        compact(zero, ONE),
        compact(ONE, zero),
        compact(ORDER, ONE),
        compact(ONE, ORDER),
        new Uint8Array(63),
        new Uint8Array(65),
        new Uint8Array(0)
      ]) {
        assert.ok(!isLowS(bad))
        refuses(() => toDer(bad, SIGHASH.ALL), 'ERR_INVALID_SIGNATURE')
      }
    })
  })

  it('need a defined sighash type', () => {
    for (const type of [0, 4, 0x80, 0x84, 0x101]) {
      refuses(() => toDer(K1.sign(digest), type), 'ERR_INVALID_SIGNATURE')
    }
  })

  it('are refused in a witness unless they are strict DER with a low S', () => {
    const der = toDer(K1.sign(digest), SIGHASH.ALL)
    const high = bitcoin.script.signature.encode(highS(K1.sign(digest)), SIGHASH.ALL)
    const r40 = Uint8Array.from([0x30, 45, 2, 40, ...new Uint8Array(40).fill(1), 2, 1, 1, 1])
    for (const bad of [
      new Uint8Array(0),
      new Uint8Array(72),
      der.slice(1),
      der.slice(0, -1),
      Uint8Array.from([...der, 1]),
      high,
      r40
    ]) {
      refuses(() => fromDer(bad), 'ERR_INVALID_SIGNATURE')
    }
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Uint8Array.from(der)
        changed[at] = (changed[at] ?? 0) ^ flip
        try {
          assert.deepEqual(
            toDer(fromDer(changed).signature, fromDer(changed).sighashType),
            changed,
            'only one encoding for a signature'
          )
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error
          refuses(() => fromDer(changed), 'ERR_INVALID_SIGNATURE')
        }
      })
    )
  })
})
