/**
 * What an outside wallet brings for T1: which PSBTs are taken, which are refused, and with what
 * code.
 */
import assert from 'node:assert/strict'
import { p2pkh, p2sh, p2tr, p2wpkh } from '@scure/btc-signer'
import { SigHash, Transaction } from '@scure/btc-signer/transaction.js'
import { Transaction as BitcoinTransaction } from 'bitcoinjs-lib'
import fc from 'fast-check'
import { toDer } from '../../src/bitcoin/ecdsa.js'
import { fundingScript } from '../../src/bitcoin/funding.js'
import { checkFundedPsbt, type FundedPsbt } from '../../src/bitcoin/funding-psbt.js'
import {
  basePsbt,
  bytesOfText,
  isPsbt,
  MAX_PSBT_BYTES,
  parsePsbt,
  psbtText
} from '../../src/bitcoin/psbt.js'
import { signedFunding } from '../../src/bitcoin/signed-funding.js'
import { toHex } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { ecdsa, keyPair } from '../channel/side.js'
import { OutsideWallet, type FundingOptions, type OutsideCoin } from '../outside-wallet.js'

const CAPACITY = satoshi(100_000n)
const SCRIPT = fundingScript(keyPair('client').publicKey, keyPair('server').publicKey)
const DEMAND = {
  network: 'regtest',
  script: SCRIPT,
  capacity: CAPACITY,
  height: blockHeight(500),
  leastRate: feeRate(1_000n)
} as const
const wallet = new OutsideWallet()
const nested = p2sh(p2wpkh(wallet.publicKey))
const COIN: OutsideCoin = { txid: 'c0'.repeat(32), vout: 1, value: 300_000n }
const PAID: ReadonlyArray<{ readonly script: Uint8Array; readonly amount: bigint }> = [
  { script: SCRIPT, amount: CAPACITY }
]

const psbtOf = (transaction: Transaction): Uint8Array => transaction.toPSBT(0)
const fund = (
  options: FundingOptions = {},
  coins: readonly OutsideCoin[] = [COIN],
  outputs = PAID
): Uint8Array => psbtOf(wallet.fund(coins, outputs, options))
const check = (psbt: Uint8Array): FundedPsbt => checkFundedPsbt(psbt, DEMAND)

/** A transaction that pays the wallet at output 1, as its whole. */
function previous(value: bigint): { raw: Uint8Array; id: string } {
  const transaction = new Transaction({ allowUnknownOutputs: true })
  transaction.addInput({
    txid: 'aa'.repeat(32),
    index: 0,
    witnessUtxo: { amount: 1_000_000n, script: wallet.script }
  })
  transaction.addOutput({ script: wallet.script, amount: 5_000n })
  transaction.addOutput({ script: wallet.script, amount: value })
  transaction.sign(wallet.secret)
  transaction.finalize()
  return { raw: transaction.extract(), id: transaction.id }
}

describe('bitcoin / funded PSBT', () => {
  it('is taken when it pays exactly the capacity to the channel; its txid is that of T1', () => {
    const transaction = wallet.fund([COIN], PAID)
    const { outPoint, fee, warnings, raw } = check(psbtOf(transaction))
    assert.deepEqual(
      [outPoint, fee, warnings],
      [{ txid: wallet.sign(psbtOf(transaction)).id, vout: 0 }, 1_000n, []]
    )
    assert.deepEqual(raw, transaction.unsignedTx)
  })

  for (const version of [1, 2, 3]) {
    it(`is taken in version ${version}: T1's version is the client's business (FUND-2)`, () => {
      check(fund({ version }))
    })
  }

  it('is taken with the whole previous transaction, and from P2TR', () => {
    const { raw, id } = previous(300_000n)
    assert.equal(check(fund({ previous: raw }, [{ ...COIN, txid: id }])).fee, 1_000n)
    check(fund({}, [{ ...COIN, script: p2tr(wallet.publicKey.slice(1)).script }]))
  })

  const { raw, id } = previous(300_000n)
  const refusals: ReadonlyArray<readonly [what: string, code: string, psbt: () => Uint8Array]> = [
    ['nothing', 'ERR_PSBT_MALFORMED', () => new Uint8Array(0)],
    ['garbage', 'ERR_PSBT_MALFORMED', () => new Uint8Array(200).fill(7)],
    ['one that is cut off', 'ERR_PSBT_MALFORMED', () => fund().slice(0, -20)],
    ['one of version 2 (BIP370)', 'ERR_PSBT_MALFORMED', () => wallet.fund([COIN], PAID).toPSBT(2)],
    [
      'more bytes than any that is needed',
      'ERR_PSBT_TOO_LARGE',
      () => Uint8Array.from([...fund(), ...new Uint8Array(MAX_PSBT_BYTES + 1 - fund().length)])
    ],
    [
      'as many bytes as are read, most of them behind its end',
      'ERR_PSBT_MALFORMED',
      () => Uint8Array.from([...fund(), ...new Uint8Array(MAX_PSBT_BYTES - fund().length)])
    ],
    [
      'the one that it was given, without inputs',
      'ERR_PSBT_NO_INPUTS',
      () => basePsbt(SCRIPT, CAPACITY)
    ],
    ['one output spent twice', 'ERR_PSBT_DUPLICATE_INPUT', () => fund({}, [COIN, COIN])],
    ['a version that is not relayed', 'ERR_PSBT_VERSION', () => fund({ version: 4 })],
    [
      '1 sat less than the capacity',
      'ERR_PSBT_OUTPUT',
      () => fund({}, [COIN], [{ script: SCRIPT, amount: CAPACITY - 1n }])
    ],
    [
      '1 sat more than the capacity',
      'ERR_PSBT_OUTPUT',
      () => fund({}, [COIN], [{ script: SCRIPT, amount: CAPACITY + 1n }])
    ],
    [
      'another script (another channel)',
      'ERR_PSBT_OUTPUT',
      () =>
        fund(
          {},
          [COIN],
          [
            {
              script: fundingScript(keyPair('client').publicKey, keyPair('other').publicKey),
              amount: CAPACITY
            }
          ]
        )
    ],
    ['two funding outputs', 'ERR_PSBT_OUTPUT', () => fund({}, [COIN], [...PAID, ...PAID])],
    [
      'an input without the output that it spends',
      'ERR_PSBT_UTXO_MISSING',
      () => {
        const transaction = new Transaction({ version: 3 })
        transaction.addInput({ txid: COIN.txid, index: 0 })
        transaction.addOutput({ script: SCRIPT, amount: CAPACITY })
        return psbtOf(transaction)
      }
    ],
    [
      'a P2PKH input',
      'ERR_PSBT_NOT_SEGWIT',
      () => fund({}, [{ ...COIN, script: p2pkh(wallet.publicKey).script }])
    ],
    [
      'a P2SH-P2WPKH input',
      'ERR_PSBT_NOT_SEGWIT',
      () => fund({}, [COIN, { ...COIN, vout: 2, script: nested.script }])
    ],
    [
      'an anyone-can-spend anchor',
      'ERR_PSBT_NOT_SEGWIT',
      () => fund({}, [{ ...COIN, script: Uint8Array.from([0x51, 2, 0x4e, 0x73]) }])
    ],
    ['keys of another network', 'ERR_PSBT_NETWORK', () => fund({ coinType: 0 })],
    [
      'outputs worth more than the inputs',
      'ERR_PSBT_FEE',
      () => fund({}, [{ ...COIN, value: 99_999n }])
    ],
    ['a fee of 1,001 sat/vB: the change is missing', 'ERR_PSBT_FEE', () => fund({ fee: 180_000n })],
    ['a lock far ahead of the tip', 'ERR_PSBT_LOCKED', () => fund({ lockTime: 507 })],
    ['a lock by time', 'ERR_PSBT_LOCKED', () => fund({ lockTime: 1_900_000_000 })],
    [
      'more inputs than a version 3 transaction may have',
      'ERR_PSBT_TOO_LARGE',
      () =>
        fund(
          {},
          Array.from({ length: 150 }, (_, vout) => ({ ...COIN, vout }))
        )
    ]
  ]
  for (const [what, code, psbt] of refusals) {
    it(`refuses ${what}: ${code}`, () => {
      assert.throws(() => check(psbt()), { name: 'PaychanError', code })
    })
  }

  it('refuses a previous transaction with another txid: ERR_PSBT_UTXO_MISMATCH', () => {
    // The library would not write it: the whole transaction is put in the place of another one of
    // the same length.
    const lie = previous(300_001n).raw
    const text = toHex(fund({ previous: raw }, [{ ...COIN, txid: id }]))
    assert.ok(text.includes(toHex(raw)) && raw.length === lie.length)
    assert.throws(() => check(bytesOfText(text.replace(toHex(raw), toHex(lie)))), {
      code: 'ERR_PSBT_UTXO_MISMATCH'
    })
  })

  it('takes an output beside the whole transaction it is of if both say the same; another amount or script is refused: ERR_PSBT_UTXO_MISMATCH', () => {
    const transaction = wallet.fund([{ ...COIN, txid: id }], PAID, { previous: raw })
    transaction.updateInput(0, { witnessUtxo: { amount: 300_000n, script: wallet.script } })
    const text = toHex(psbtOf(transaction))
    const amount = toHex(new Uint8Array(new BigUint64Array([300_000n]).buffer))
    const script = toHex(wallet.script)
    assert.equal(check(bytesOfText(text)).fee, 1_000n)
    /**
     * The bare output comes last: behind the whole transaction, and before it nothing has its
     * amount.
     */
    const altered = (part: string, other: string): Uint8Array => {
      const at = text.indexOf(`${amount}16${script}`, text.indexOf(toHex(raw)) + toHex(raw).length)
      const from = text.indexOf(part, at)
      assert.ok(at > 0 && from >= at)
      return bytesOfText(text.slice(0, from) + other + text.slice(from + part.length))
    }
    const theirs = toHex(new OutsideWallet('other').script)
    for (const psbt of [altered(amount, amount.replace(/^../, '00')), altered(script, theirs)]) {
      assert.throws(() => check(psbt), { code: 'ERR_PSBT_UTXO_MISMATCH' })
    }
  })

  it('refuses a sighash type that would leave the transaction open: ERR_PSBT_SIGHASH', () => {
    const transaction = wallet.fund([COIN], PAID)
    transaction.updateInput(0, { sighashType: SigHash.SINGLE })
    assert.throws(() => check(psbtOf(transaction)), { code: 'ERR_PSBT_SIGHASH' })
  })

  it('from P2TR is signed with its default or with ALL; from P2WPKH with ALL alone', () => {
    const taproot = { ...COIN, script: p2tr(wallet.publicKey.slice(1)).script }
    const asking = (coin: OutsideCoin, sighashType: number): Uint8Array => {
      const transaction = wallet.fund([coin], PAID)
      transaction.updateInput(0, { sighashType })
      return psbtOf(transaction)
    }
    for (const sighash of [SigHash.DEFAULT, SigHash.ALL]) check(asking(taproot, sighash))
    check(asking(COIN, SigHash.ALL))
    for (const psbt of [asking(taproot, SigHash.SINGLE), asking(COIN, SigHash.DEFAULT)]) {
      assert.throws(() => check(psbt), { code: 'ERR_PSBT_SIGHASH' })
    }
  })

  it('is taken with keys at a path of its own, which says nothing of a network', () => {
    const transaction = wallet.fund([COIN], PAID)
    transaction.updateInput(0, {
      bip32Derivation: [[wallet.publicKey, { fingerprint: 1, path: [0x80000000, 7] }]]
    })
    check(psbtOf(transaction))
  })

  /** A program of a version and a length, of which nobody knows the key. */
  const program = (opcode: number, bytes: number): Uint8Array =>
    Uint8Array.from([opcode, bytes, ...new Uint8Array(bytes).fill(7)])

  for (const [what, script] of [
    ['of version 0 and 20 bytes less or more than those of P2WPKH and P2WSH', program(0, 24)],
    ['of version 1 and another length than that of P2TR', program(0x51, 20)],
    ['of version 2, which anybody can spend', program(0x52, 32)]
  ] as const) {
    it(`refuses a coin of a program ${what}: ERR_PSBT_NOT_SEGWIT`, () => {
      assert.throws(() => check(fund({}, [{ ...COIN, script }])), { code: 'ERR_PSBT_NOT_SEGWIT' })
    })
  }

  // 94 bytes without change, and a quarter of 2 + 108, 2 + 67 or 2 + 254 of witness.
  for (const [what, script, vsize] of [
    ['P2WPKH', program(0, 20), 122n],
    ['P2TR', program(0x51, 32), 112n],
    ['P2WSH', program(0, 32), 158n]
  ] as const) {
    it(`pays a fee from nothing to 1,000 sat/vB, reckoned with the witness of ${what}, and is warned of one below what mempools ask for`, () => {
      const paying = (fee: bigint): FundedPsbt =>
        check(fund({ fee }, [{ ...COIN, script, value: CAPACITY + fee }]))
      assert.deepEqual(
        [0n, vsize - 1n, vsize].map((fee) => [paying(fee).fee, paying(fee).warnings.length]),
        [
          [0n, 1],
          [vsize - 1n, 1],
          [vsize, 0]
        ]
      )
      assert.equal(paying(vsize * 1_000n).fee, vsize * 1_000n)
      assert.throws(() => paying(vsize * 1_000n + 1n), { code: 'ERR_PSBT_FEE' })
    })
  }

  it('says until when it is locked: a block below 500,000,000, a time from there on', () => {
    for (const [lockTime, until] of [
      [507, 'block 507'],
      [499_999_999, 'block 499999999'],
      [500_000_000, 'a time']
    ] as const) {
      assert.throws(
        () => check(fund({ lockTime })),
        ({ message }: Error) => message.includes(`is locked until ${until} (`)
      )
    }
  })

  describe('is as large as can be sent and not one byte larger: ERR_PSBT_TOO_LARGE', () => {
    // What is signed later is reckoned with 2 + 108 bytes of witness for the one P2WPKH input.
    const [witness, bare] = [110, check(fund()).raw.length]
    /**
     * One whose unsigned transaction has so many bytes, by an output whose script has its length in
     * three bytes.
     */
    const sized = (bytes: number, version: number): Uint8Array =>
      fund(
        { version },
        [COIN],
        [...PAID, { script: new Uint8Array(bytes - bare - 11).fill(0x61), amount: 1_000n }]
      )

    it('in all: 40,000 bytes', () => {
      assert.equal(check(sized(40_000 - witness, 2)).raw.length, 40_000 - witness)
      assert.throws(() => check(sized(40_001 - witness, 2)), { code: 'ERR_PSBT_TOO_LARGE' })
    })

    it('in version 3: 10,000 vB', () => {
      // 4 x 9,972 + 110 = 39,998 weight units
      assert.equal(check(sized(9_972, 3)).raw.length, 9_972)
      assert.throws(() => check(sized(9_973, 3)), { code: 'ERR_PSBT_TOO_LARGE' })
      check(sized(9_973, 2))
    })
  })

  it('warns of a signature that came too early, and of a fee that no mempool takes', () => {
    const early = check(psbtOf(wallet.sign(fund(), { finalize: false })))
    assert.match(early.warnings.join(), /signed already/)
    assert.match(check(fund({ fee: 100n })).warnings.join(), /below the 1\d\d sat/)
    assert.deepEqual(check(fund({ lockTime: 506 })).warnings, [])
  })

  it('never ends in anything but a PSBT or a refusal, whatever the bytes', () => {
    const good = fund()
    const bent = fc
      .tuple(fc.nat(good.length - 1), fc.nat(255))
      .map(([at, byte]) => good.map((old, i) => (i === at ? byte : old)))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), bent), (bytes) => {
        try {
          check(bytes)
        } catch (error) {
          assert.ok(
            error instanceof PaychanError && error.code.startsWith('ERR_PSBT_'),
            String(error)
          )
        }
      }),
      { numRuns: 300 }
    )
  })
})

describe('bitcoin / signed T1 of an outside wallet', () => {
  const psbt = fund()
  const order = {
    psbt,
    outPoint: check(psbt).outPoint,
    script: SCRIPT,
    capacity: CAPACITY,
    verify: ecdsa.verify
  }
  const final = wallet.sign(psbt)

  it('is taken as a signed PSBT, as a final one, and as the transaction: they are the same', () => {
    for (const given of [
      wallet.sign(psbt, { finalize: false }).toPSBT(0),
      final.toPSBT(0),
      final.extract()
    ]) {
      assert.deepEqual(signedFunding(given, order).raw, final.extract())
    }
  })

  it('refuses what is not signed, or by another key: ERR_PSBT_NOT_SIGNED', () => {
    assert.throws(() => signedFunding(psbt, order), { code: 'ERR_PSBT_NOT_SIGNED' })
    assert.throws(() => signedFunding(order.psbt.length > 0 ? check(psbt).raw : psbt, order), {
      code: 'ERR_PSBT_NOT_SIGNED'
    })
    assert.throws(() => signedFunding(check(psbt).raw, order), /or not completely\. Sign/)
    assert.throws(() => signedFunding(psbt, order), /or not completely \(.+\)\. Sign/)
    const two = fund({}, [COIN, { ...COIN, vout: 2, script: new OutsideWallet('other').script }])
    const half = Transaction.fromPSBT(two)
    half.signIdx(wallet.secret, 0)
    assert.throws(
      () => signedFunding(psbtOf(half), { ...order, psbt: two, outPoint: check(two).outPoint }),
      { code: 'ERR_PSBT_NOT_SIGNED' }
    )
  })

  it('refuses another transaction than the one that T2 was signed for: ERR_PSBT_TXID (FUND-1, FUND-5)', () => {
    const bumped = wallet.sign(fund({ fee: 2_000n }))
    assert.throws(() => signedFunding(bumped.toPSBT(0), order), { code: 'ERR_PSBT_TXID' })
    assert.throws(() => signedFunding(bumped.extract(), order), { code: 'ERR_PSBT_TXID' })
  })

  it('refuses what does not pay the channel its capacity, whatever its PSBT was taken for (FUND-1)', () => {
    assert.throws(
      () => signedFunding(final.extract(), { ...order, capacity: satoshi(CAPACITY + 1n) }),
      { code: 'ERR_FUNDING_OUTPUT' }
    )
  })

  it('refuses a signature over another amount: ERR_PSBT_BAD_SIGNATURE', () => {
    const lie = wallet.sign(fund({ fee: 2_000n }, [{ ...COIN, value: 301_000n }]))
    assert.equal(lie.id, final.id)
    assert.throws(() => signedFunding(lie.extract(), order), { code: 'ERR_PSBT_BAD_SIGNATURE' })
  })

  it('refuses what is no signature of the key that the coin pays, alone beside it: ERR_PSBT_BAD_SIGNATURE', () => {
    const [der = new Uint8Array(), key = new Uint8Array()] =
      BitcoinTransaction.fromBuffer(final.extract()).ins[0]?.witness ?? []
    const spentBy = (...witness: Uint8Array[]): Uint8Array => {
      const transaction = BitcoinTransaction.fromBuffer(final.extract())
      transaction.setWitness(0, witness)
      return signedFunding(transaction.toBuffer(), order).raw
    }
    assert.deepEqual(spentBy(der, key), final.extract())
    const other = new OutsideWallet('other')
    const digest = BitcoinTransaction.fromBuffer(final.extract()).hashForWitnessV0(
      0,
      p2pkh(other.publicKey).script,
      COIN.value,
      SigHash.ALL
    )
    const theirs = toDer(ecdsa.sign(other.secret, digest), SigHash.ALL)
    for (const witness of [
      [der],
      [der, key, key],
      [der, key, new Uint8Array()],
      [theirs, other.publicKey],
      [der, other.publicKey],
      [key, key],
      [new Uint8Array(), key]
    ]) {
      assert.throws(() => spentBy(...witness), { code: 'ERR_PSBT_BAD_SIGNATURE' })
    }
  })

  it('is taken with 40,000 bytes, and refused with one more: ERR_PSBT_TOO_LARGE', () => {
    const coin = { ...COIN, script: Uint8Array.from([0, 32, ...new Uint8Array(32).fill(7)]) }
    const funded = check(fund({}, [coin]))
    // Its witness nobody but a mempool judges. Beside it: marker, flag, one item, its length in
    // three bytes.
    const sized = (bytes: number): Uint8Array => {
      const transaction = BitcoinTransaction.fromBuffer(funded.raw)
      transaction.setWitness(0, [new Uint8Array(bytes - funded.raw.length - 6)])
      return transaction.toBuffer()
    }
    const taken = (raw: Uint8Array): Uint8Array =>
      signedFunding(raw, { ...order, psbt: funded.psbt, outPoint: funded.outPoint }).raw
    assert.equal(taken(sized(40_000)).length, 40_000)
    assert.throws(() => taken(sized(40_001)), { code: 'ERR_PSBT_TOO_LARGE' })
  })

  it('refuses a signature that does not cover everything: ERR_PSBT_SIGHASH (FUND-2)', () => {
    const loose = Transaction.fromPSBT(psbt)
    loose.updateInput(0, { sighashType: SigHash.ALL_ANYONECANPAY })
    loose.signIdx(wallet.secret, 0, [SigHash.ALL_ANYONECANPAY])
    loose.finalize()
    assert.throws(() => signedFunding(loose.extract(), order), { code: 'ERR_PSBT_SIGHASH' })
  })

  describe('from P2TR (BIP341)', () => {
    const taproot = fund({}, [{ ...COIN, script: p2tr(wallet.publicKey.slice(1)).script }])
    const [DEFAULT, ALL, LOOSE] = [new Uint8Array(64).fill(7), 0x01, 0x81]
    const schnorr = (sighash: number): Uint8Array => Uint8Array.from([...DEFAULT, sighash])
    const annex = Uint8Array.of(0x50, 1)
    // A script of 65 bytes with its control block of 65: no signatures, though they are as long as
    // one.
    const leaf = [schnorr(LOOSE), schnorr(LOOSE)]

    function spentWith(...witness: Uint8Array[]): Uint8Array {
      const transaction = BitcoinTransaction.fromBuffer(check(taproot).raw)
      transaction.setWitness(0, witness)
      return signedFunding(transaction.toBuffer(), {
        ...order,
        psbt: taproot,
        outPoint: check(taproot).outPoint
      }).raw
    }

    for (const [what, witness] of [
      ['by the key', [DEFAULT]],
      ['by the key, with ALL', [schnorr(ALL)]],
      ['by the key, with an annex', [DEFAULT, annex]],
      ['by a script', [DEFAULT, ...leaf]],
      ['by a script, with ALL', [schnorr(ALL), DEFAULT, ...leaf]]
    ] as const) {
      it(`is taken ${what}`, () => {
        assert.ok(spentWith(...witness).length > 0)
      })
    }

    for (const [what, witness] of [
      ['by the key', [schnorr(LOOSE)]],
      [
        'by the key, though it begins as an annex does',
        [Uint8Array.of(0x50, ...schnorr(LOOSE).slice(1))]
      ],
      ['by the key, with an annex', [schnorr(LOOSE), annex]],
      ['by a script', [DEFAULT, schnorr(LOOSE), ...leaf]],
      ['by a script, with an annex', [schnorr(LOOSE), ...leaf, annex]]
    ] as const) {
      it(`refuses a signature that does not cover everything, ${what}: ERR_PSBT_SIGHASH (FUND-2)`, () => {
        assert.throws(() => spentWith(...witness), { code: 'ERR_PSBT_SIGHASH' })
      })
    }
  })

  it('refuses garbage: ERR_PSBT_MALFORMED', () => {
    for (const garbage of [new Uint8Array(0), new Uint8Array(100).fill(1), psbt.slice(0, 60)]) {
      assert.throws(() => signedFunding(garbage, order), { code: 'ERR_PSBT_MALFORMED' })
    }
  })
})

describe('bitcoin / PSBT as text', () => {
  it('is base64 or hex, over several lines if need be', () => {
    const psbt = fund()
    for (const text of [
      psbtText(psbt),
      toHex(psbt),
      ` ${psbtText(psbt).replace(/(.{20})/g, '$1\n')} `
    ]) {
      assert.deepEqual(bytesOfText(text), psbt)
    }
    assert.ok(isPsbt(psbt) && psbtText(psbt).startsWith('cHNidP8B'))
  })

  for (const [text, why] of [
    ['', /it is empty/],
    ['  ', /it is empty/],
    ['not base64!', /neither base64 nor hex/],
    ['cHNidP8', /neither base64 nor hex/],
    ['==', /neither base64 nor hex/],
    ['A===', /neither base64 nor hex/]
  ] as const) {
    it(`refuses '${text}'`, () => {
      assert.throws(() => bytesOfText(text), { code: 'ERR_PSBT_MALFORMED', message: why })
    })
  }

  it('is refused by its first bytes when they are those of something else', () => {
    assert.throws(() => parsePsbt(new Uint8Array(100)), {
      code: 'ERR_PSBT_MALFORMED',
      message: /it does not begin as one/
    })
  })
})
