import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { crypto, Transaction } from 'bitcoinjs-lib'
import fc from 'fast-check'
import { scriptOf } from '../../src/bitcoin/address.js'
import { toDer } from '../../src/bitcoin/ecdsa.js'
import { isForgedSpend, signSpend } from '../../src/bitcoin/owner-spend.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import {
  Digests,
  makeTransaction,
  parseTransaction,
  readableTransaction
} from '../../src/bitcoin/transaction.js'
import { completeState } from '../../src/bitcoin/template.js'
import { fromHex, txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import { funding, K2, p2wpkh, refuses, state } from './support.js'

/** The coinbase transaction of the genesis block: no witness, and a txid that everyone knows. */
const COINBASE = fromHex(
  '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000'
)

const SIGNED = completeState(
  state(600_000n),
  K2.sign(new Uint8Array(32)),
  [{ script: p2wpkh(), value: satoshi(300_000n) }],
  K2.sign
).raw

/** version, then the given bytes. */
const raw = (...parts: (string | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...(typeof part === 'string' ? fromHex(part) : part)]))
const INPUT = 'ab'.repeat(32) + '00000000' + '00' + 'fdffffff'
const OUTPUT = '0010000000000000' + '160014' + 'cc'.repeat(20)

describe('transactions', () => {
  it('are read without witnesses', () => {
    const parsed = parseTransaction(COINBASE)
    assert.equal(parsed.txid, '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b')
    assert.equal(parsed.version, 1)
    assert.equal(parsed.lockTime, 0)
    assert.deepEqual(parsed.inputs, [
      {
        outPoint: { txid: '0'.repeat(64), vout: 0xffffffff },
        sequence: 0xffffffff,
        scriptSig: COINBASE.slice(42, 119),
        witness: []
      }
    ])
    assert.deepEqual(
      parsed.outputs.map(({ value, script }) => [value, script.length]),
      [[5_000_000_000n, 67]]
    )
    assert.equal(parsed.vsize, COINBASE.length)
  })

  it('are read with witnesses, which do not count for the txid', () => {
    const tx = bitcoin.Transaction.fromBuffer(SIGNED)
    const parsed = parseTransaction(SIGNED)
    assert.equal(parsed.txid, tx.getId())
    assert.equal(parsed.vsize, tx.virtualSize())
    assert.equal(parsed.version, 3)
    assert.deepEqual(parsed.inputs, [
      {
        outPoint: funding().outPoint,
        sequence: 0xfffffffd,
        scriptSig: new Uint8Array(0),
        witness: tx.ins[0]?.witness
      }
    ])
    tx.stripWitnesses()
    assert.equal(parseTransaction(tx.toBuffer()).txid, parsed.txid)
  })

  it('are read from a Buffer without sharing its memory', () => {
    const buffer = Buffer.from(SIGNED)
    const parsed = parseTransaction(buffer)
    const before = Uint8Array.from(parsed.outputs[0]?.script ?? [])
    buffer.fill(0)
    assert.deepEqual(Uint8Array.from(parsed.outputs[0]?.script ?? []), before)
  })

  describe('are refused', () => {
    const refused = (bytes: Uint8Array): void =>
      refuses(
        () => parseTransaction(bytes),
        'ERR_INVALID_TRANSACTION',
        /not a transaction: (?!it cannot be read)/
      )

    it('when cut off anywhere', () => {
      for (const whole of [COINBASE, SIGNED]) {
        for (let length = 0; length < whole.length; length++) refused(whole.slice(0, length))
      }
    })

    it('with bytes after the end', () => {
      refused(raw(SIGNED, '00'))
      refused(raw(COINBASE, COINBASE))
    })

    it('without inputs or outputs', () => {
      refused(raw('03000000', '01', INPUT, '00', '00000000'))
      refused(raw('03000000', '00', '00', '00000000'))
      refused(raw('03000000', '00', '02', OUTPUT, OUTPUT, '00000000'))
      refused(raw('03000000', '0001', '00', '01', OUTPUT, '00000000'))
    })

    it('with a count that the bytes do not hold', () => {
      for (const count of [
        '02',
        'fdffff',
        'feffffffff',
        'ffffffffffffffffff',
        'ffffffffffffff1f00'
      ]) {
        refused(raw('03000000', count, INPUT, '01', OUTPUT, '00000000'))
        refused(raw('03000000', '01', INPUT, count, OUTPUT, '00000000'))
        refused(raw('03000000', '01', 'ab'.repeat(32), '00000000', count))
        refused(raw('03000000', '0001', '01', INPUT, '01', OUTPUT, count, '00000000'))
      }
    })

    it('with a count in more bytes than it needs', () => {
      assert.equal(
        parseTransaction(raw('03000000', '01', INPUT, '01', OUTPUT, '00000000')).outputs[0]?.value,
        4096n
      )
      refused(raw('03000000', 'fd0100', INPUT, '01', OUTPUT, '00000000'))
      refused(raw('03000000', '01', INPUT, 'fe01000000', OUTPUT, '00000000'))
    })

    it('with a witness part that is empty, or a flag that is unknown', () => {
      refused(raw('03000000', '0001', '01', INPUT, '01', OUTPUT, '00', '00000000'))
      refused(raw('03000000', '0002', '01', INPUT, '01', OUTPUT, '0101aa', '00000000'))
    })

    it('with a value above 21 million bitcoin, or a negative one', () => {
      for (const value of ['ffffffffffffffff', '0140075af0750700', '0000000000000080']) {
        refused(raw('03000000', '01', INPUT, '01', value, '160014', 'cc'.repeat(20), '00000000'))
      }
      assert.equal(
        parseTransaction(
          raw(
            '03000000',
            '01',
            INPUT,
            '01',
            '0040075af0750700',
            '160014',
            'cc'.repeat(20),
            '00000000'
          )
        ).outputs[0]?.value,
        2_100_000_000_000_000n
      )
    })

    it('when they would not fit into a block', () => {
      // 64 bytes around the script of the output.
      const sized = (bytes: number): Uint8Array => {
        const tx = new bitcoin.Transaction()
        tx.addInput(new Uint8Array(32), 0)
        tx.addOutput(new Uint8Array(bytes - 64), 1n)
        return tx.toBuffer()
      }
      assert.equal(sized(4_000_000).length, 4_000_000)
      assert.equal(parseTransaction(sized(4_000_000)).outputs[0]?.script.length, 3_999_936)
      refuses(
        () => parseTransaction(sized(4_000_001)),
        'ERR_INVALID_TRANSACTION',
        /more than fit into a block/
      )
    })

    it('whatever the bytes are, by a PaychanError', () => {
      const check = (bytes: Uint8Array): void => {
        try {
          parseTransaction(bytes)
        } catch (error) {
          assert.ok(error instanceof PaychanError)
          assert.equal(error.code, 'ERR_INVALID_TRANSACTION')
        }
      }
      fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), check))
      fc.assert(
        fc.property(fc.nat(SIGNED.length - 1), fc.nat(255), (at, byte) => {
          const changed = Uint8Array.from(SIGNED)
          changed[at] = byte
          check(changed)
        }),
        { numRuns: 1000 }
      )
    })
  })

  describe('spends', () => {
    const { outPoint } = funding()

    it('are recognised by txid and output number', () => {
      const transaction = parseTransaction(SIGNED)
      assert.equal(transaction.spends(outPoint), true)
      assert.equal(transaction.spends({ ...outPoint, vout: 0 }), false)
      assert.equal(transaction.spends({ ...outPoint, txid: txid('cd'.repeat(32)) }), false)
    })

    it('are looked for among all inputs', () => {
      const two = raw(
        '03000000',
        '02',
        INPUT,
        INPUT.replace('00000000', '07000000'),
        '01',
        OUTPUT,
        '00000000'
      )
      assert.equal(parseTransaction(two).inputOf({ txid: txid('ab'.repeat(32)), vout: 7 }), 1)
      assert.equal(parseTransaction(two).inputOf({ txid: txid('ab'.repeat(32)), vout: 8 }), -1)
    })
  })

  it('say what they pay, and weigh what the reference library reckons', () => {
    const transaction = parseTransaction(SIGNED)
    const reference = bitcoin.Transaction.fromBuffer(SIGNED)
    assert.equal(transaction.paidTo(), 900_000n)
    assert.equal(transaction.paidTo(p2wpkh()), 300_000n)
    assert.equal(transaction.paidTo(new Uint8Array(1)), 0n)
    assert.equal(transaction.weight, reference.weight())
    assert.equal(transaction.strippedSize, reference.byteLength(false))
  })

  it('are made of the same parts as they are read', () => {
    for (const bytes of [COINBASE, SIGNED]) {
      const { version, lockTime, inputs, outputs } = parseTransaction(bytes)
      assert.deepEqual(makeTransaction({ version, lockTime, inputs, outputs }).raw, bytes)
    }
  })

  it('have the same txid with other witnesses, and none without', () => {
    const transaction = parseTransaction(SIGNED)
    const bare = transaction.withWitnesses()
    assert.deepEqual([bare.txid, bare.raw.length], [transaction.txid, transaction.strippedSize])
    const witnesses = transaction.inputs.map(({ witness }) => witness)
    assert.deepEqual(bare.withWitnesses(witnesses).raw, SIGNED)
  })

  it('are signed over what the reference library hashes (BIP143), whatever is signed', () => {
    const bytes = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: most })
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const u32 = fc.nat({ max: 0xffffffff })
    const value = fc.bigInt(0n, 2_100_000_000_000_000n)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(hash, u32, u32), { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(value, bytes(300)), { minLength: 1, maxLength: 4 }),
        fc.tuple(u32, u32),
        bytes(300),
        value,
        fc.nat({ max: 255 }),
        (inputs, outputs, [version, lockTime], code, spent, anyType) => {
          const tx = new Transaction()
          tx.version = version
          tx.locktime = lockTime
          for (const [id, vout, sequence] of inputs) tx.addInput(id, vout, sequence)
          for (const [sum, script] of outputs) tx.addOutput(script, sum)
          const parsed = parseTransaction(tx.toBuffer())
          // ALL, NONE and SINGLE, over all inputs or one; then what nobody has given a meaning.
          for (const type of [1, 2, 3, 0x81, 0x82, 0x83, anyType]) {
            for (const index of inputs.keys()) {
              assert.deepEqual(
                parsed.sighash(index, code, spent, type),
                Uint8Array.from(tx.hashForWitnessV0(index, code, spent, type))
              )
            }
          }
        }
      )
    )
    for (const length of [0xfc, 0xfd, 0xffff, 0x10000]) {
      const tx = Transaction.fromBuffer(SIGNED)
      const [code, parsed] = [new Uint8Array(length).fill(7), parseTransaction(SIGNED)]
      assert.deepEqual(
        parsed.sighash(0, code, 1n, 1),
        Uint8Array.from(tx.hashForWitnessV0(0, code, 1n, 1))
      )
    }
    assert.throws(() => parseTransaction(SIGNED).sighash(1, new Uint8Array(), 1n, 1), RangeError)
  })

  it('hash what all inputs have in common once: the work does not grow with the square of their number', () => {
    let reads = 0
    const inputs = Array.from({ length: 500 }, (_, vout) => ({
      get outPoint() {
        reads++
        return { txid: txid('ab'.repeat(32)), vout }
      },
      sequence: 1
    }))
    const digests = new Digests({ version: 2, lockTime: 0, inputs, outputs: [] })
    for (const index of inputs.keys()) digests.of(index, new Uint8Array(25), 1n, 1)
    assert.equal(reads, 2 * inputs.length)
  })

  it('are read once where the same bytes are looked at again, unless others may write into them', () => {
    const { raw } = makeTransaction({
      version: 3,
      inputs: [{ outPoint: funding().outPoint, sequence: 1 }],
      outputs: [{ script: p2wpkh(), value: satoshi(1_000n) }]
    })
    const bytes = Uint8Array.from(raw)
    assert.equal(readableTransaction(bytes), readableTransaction(bytes))
    assert.notEqual(readableTransaction(bytes), readableTransaction(bytes.slice()))
    const buffer = Buffer.from(bytes)
    assert.equal(readableTransaction(buffer)?.version, 3)
    buffer[0] = 2
    assert.equal(readableTransaction(buffer)?.version, 2)
    assert.equal(readableTransaction(bytes.subarray(1)), undefined)
  })

  it('share bytes that are equal, and no others', () => {
    const transaction = parseTransaction(SIGNED)
    const same = Uint8Array.from(SIGNED)
    assert.equal(transaction.over(same).raw, same)
    assert.deepEqual(transaction.over(same).outputs, transaction.outputs)
    assert.equal(transaction.over(COINBASE), transaction)
  })
})

describe('spends of coins of the wallet', () => {
  const secret = new Uint8Array(32).fill(7)
  const { publicKeyOf, verify } = loadEcdsa()
  const script = scriptOf({
    kind: 'witness',
    version: 0,
    program: crypto.hash160(publicKeyOf(secret))
  })
  const coin = (vout: number, signer: Uint8Array | undefined): Coin => ({
    outPoint: { txid: txid('ab'.repeat(32)), vout },
    value: satoshi(1_000n),
    script,
    sequence: 0xfffffffd,
    secret: signer
  })
  type Coin = Parameters<typeof signSpend>[0]['coins'][number]
  const spending = (...coins: Coin[]): ReturnType<typeof signSpend> =>
    signSpend({
      version: 2,
      lockTime: blockHeight(5),
      coins,
      outputs: [{ script, value: satoshi(700n) }],
      fee: satoshi(BigInt(coins.length) * 1_000n - 700n)
    })

  it('are signed with each key that is there, and for no coin of others', () => {
    const tx = spending(coin(0, secret), coin(1, undefined), coin(2, secret))
    for (const index of [0, 2]) {
      assert.equal(isForgedSpend(tx, index, { script, value: satoshi(1_000n) }, verify), false)
    }
    assert.deepEqual(tx.inputs[1]?.witness, [])
    assert.deepEqual([tx.version, tx.lockTime, tx.inputs[0]?.sequence], [2, 5, 0xfffffffd])
    assert.throws(() => spending(coin(0, new Uint8Array(32).fill(8))), /does not own it/)
  })
})

describe('spends that wait, of a script of ours', () => {
  const ecdsa = loadEcdsa()
  const VALUE = 50_000n
  const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const [K1, K2] = [ecdsa.publicKeyOf(one), ecdsa.publicKeyOf(other)]
  const ALL = 0x01

  function spend(): Transaction {
    const tx = new Transaction()
    tx.version = 3
    tx.addInput(new Uint8Array(32).fill(7), 1, 0xfffffffd)
    tx.addOutput(p2wsh(Uint8Array.of(0x51)), VALUE - 500n)
    return tx
  }

  function sign(tx: Transaction, script: Uint8Array, secret: Uint8Array): Uint8Array {
    return toDer(ecdsa.sign(secret, tx.hashForWitnessV0(0, script, VALUE, ALL)), ALL)
  }

  function judge(tx: Transaction, index: number, script: Uint8Array, value: bigint): boolean {
    const spent = { script, value: satoshi(value) }
    return isForgedSpend(parseTransaction(tx.toBuffer()), index, spent, ecdsa.verify)
  }

  const isForged = (tx: Transaction, script: Uint8Array): boolean => judge(tx, 0, script, VALUE)
  const funding = fundingWitnessScript(K1, K2)
  const payout = payoutWitnessScript(K1)

  it('is not judged where the program of version 0 is of a length that is none', () => {
    for (const length of [2, 19, 21, 31, 33, 40]) {
      assert.equal(isForged(spend(), Uint8Array.of(0, length, ...new Uint8Array(length))), false)
    }
  })

  it('of a funding output: both have signed, or it is forged', () => {
    const tx = spend()
    const [client, server] = [sign(tx, funding, one), sign(tx, funding, other)]
    const witness = (...items: Uint8Array[]): boolean => {
      tx.setWitness(0, items)
      return isForged(tx, p2wsh(funding))
    }
    const nothing = new Uint8Array()
    assert.equal(witness(nothing, client, server, funding), false)
    for (const items of [
      [],
      [nothing, client, client, funding],
      [nothing, server, client, funding],
      [client, server, funding],
      [nothing, client, server, payout],
      [nothing, client, nothing, funding]
    ]) {
      assert.equal(witness(...items), true)
    }
  })

  it('of a payout: its owner has signed, or it is forged', () => {
    const tx = spend()
    tx.setWitness(0, [sign(tx, payout, one), payout])
    assert.equal(isForged(tx, p2wsh(payout)), false)
    const good = sign(tx, payout, one)
    for (const items of [
      [sign(tx, payout, other), payout],
      [payout],
      [new Uint8Array(), payout],
      [good, good, payout]
    ]) {
      tx.setWitness(0, items)
      assert.equal(isForged(tx, p2wsh(payout)), true)
    }
  })

  it('of a coin of the wallet (P2WPKH): its key has signed this spend of this amount, or it is forged', () => {
    const hash = crypto.hash160(K1)
    const [coin, code] = [Uint8Array.of(0, 20, ...hash), scriptOf({ kind: 'p2pkh', hash })]
    const tx = spend()
    const [good, wrong] = [sign(tx, code, one), sign(tx, code, other)]
    const another = spend()
    another.locktime = 1
    const judged = (...items: Uint8Array[]): boolean => {
      tx.setWitness(0, items)
      return isForged(tx, coin)
    }
    assert.equal(judged(good, K1), false)
    // A key of somebody else with a signature of its own, the signature of somebody else, of
    // another transaction, over another script.
    for (const items of [
      [wrong, K2],
      [wrong, K1],
      [good, K2],
      [sign(another, code, one), K1],
      [sign(tx, coin, one), K1]
    ]) {
      assert.equal(judged(...items), true)
    }
    // Too few items, too many, and none that is a signature.
    for (const items of [
      [],
      [good],
      [K1],
      [good, K1, K1],
      [good, K1, new Uint8Array()],
      [new Uint8Array(), K1],
      [K1, good]
    ]) {
      assert.equal(judged(...items), true, `${items.length} items`)
    }
    tx.setWitness(0, [good, K1])
    assert.equal(judge(tx, 0, coin, VALUE + 1n), true, 'another amount')
    assert.equal(judge(tx, 1, coin, VALUE), true, 'an input that is not there')
  })

  it('of a script that is none of ours cannot be judged, if only it is that script', () => {
    const tx = spend()
    tx.setWitness(0, [Uint8Array.of(0x51)])
    assert.equal(isForged(tx, p2wsh(Uint8Array.of(0x51))), false)
    assert.equal(isForged(tx, p2wsh(Uint8Array.of(0x52))), true)
    assert.equal(isForged(tx, Uint8Array.of(0x51, 0x20, ...new Uint8Array(32))), false, 'taproot')
  })
})
