import assert from 'node:assert/strict'
import { opcodes, payments, script as bitcoinScript, Transaction } from 'bitcoinjs-lib'
import type { EmbeddedChain } from '../../src/devnet/index.js'
import { fromHex } from '../../src/types/bytes.js'
import {
  accept,
  alice,
  bob,
  coinFor,
  freshChain,
  GENESIS_TIME,
  output,
  p2wsh,
  Person,
  refuse,
  signed,
  unsigned,
  type Spendable
} from './support.js'

describe('devnet / mempool rules', () => {
  let chain: EmbeddedChain
  let coin: Spendable

  beforeEach(async () => {
    chain = await freshChain()
    coin = await coinFor(chain, alice.script, 100_000n)
  })

  const mine = async (blocks = 1): Promise<void> => {
    await chain.mine(blocks)
  }
  const pay = (
    value: bigint,
    more: { sequence?: number; version?: number; locktime?: number; script?: Uint8Array } = {}
  ): Transaction => {
    const { sequence, script = bob.script, ...rest } = more
    return signed({
      from: [{ ...coin, owner: alice, ...(sequence === undefined ? {} : { sequence }) }],
      to: [[script, value]],
      ...rest
    })
  }

  describe('inputs', () => {
    it('accept a confirmed coin', async () => {
      await accept(chain, pay(99_000n))
    })

    it('accept an output of the mempool', async () => {
      const first = pay(99_000n)
      await accept(chain, first)
      await accept(
        chain,
        signed({ from: [{ ...output(first, 0), owner: bob }], to: [[alice.script, 98_000n]] })
      )
    })

    it('refuse what does not exist', async () => {
      coin = { ...coin, outPoint: { ...coin.outPoint, vout: 7 } }
      await refuse(chain, pay(99_000n), 'bad-txns-inputs-missingorspent')
    })

    it('refuse what is spent in a block', async () => {
      await accept(chain, pay(99_000n))
      await mine()
      await refuse(chain, pay(98_000n), 'bad-txns-inputs-missingorspent')
    })

    it('refuse an output index that the mempool transaction does not have', async () => {
      const first = pay(99_000n)
      await accept(chain, first)
      await refuse(
        chain,
        signed({
          from: [
            { ...output(first, 0), outPoint: { ...output(first, 0).outPoint, vout: 1 }, owner: bob }
          ],
          to: [[bob.script, 1_000n]]
        }),
        'bad-txns-inputs-missingorspent'
      )
    })

    it('refuse the same input twice', async () => {
      await refuse(
        chain,
        signed({
          from: [
            { ...coin, owner: alice },
            { ...coin, owner: alice }
          ],
          to: [[bob.script, 150_000n]]
        }),
        'bad-txns-inputs-duplicate'
      )
    })

    it('refuse a coinbase', async () => {
      const coinbase = new Transaction()
      coinbase.addInput(new Uint8Array(32), 0xffffffff, 0xffffffff, new Uint8Array(4))
      coinbase.addOutput(bob.script, 1_000n)
      await refuse(chain, coinbase, 'coinbase')
    })

    it('refuse a coinbase output that is not mature', async () => {
      await chain.mine(1, alice.script)
      const id = (await chain.blockTxids(chain.best.height))?.[0]
      assert.ok(id !== undefined)
      coin = { outPoint: { txid: id, vout: 0 }, value: 5_000_000_000n }
      await mine(98)
      await refuse(
        chain,
        pay(4_000_000_000n),
        'bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 99'
      )
      await mine()
      await accept(chain, pay(4_000_000_000n))
    })
  })

  describe('a transaction that is known', () => {
    it('is accepted again while it is in the mempool', async () => {
      await accept(chain, pay(99_000n))
      await accept(chain, pay(99_000n))
      assert.equal((await chain.mempool()).length, 1)
      assert.deepEqual(await chain.test(pay(99_000n).toBuffer()), {
        accepted: false,
        reason: 'txn-already-in-mempool'
      })
    })

    it('is refused once it is confirmed', async () => {
      await accept(chain, pay(99_000n))
      await mine()
      await refuse(chain, pay(99_000n), 'Transaction outputs already in utxo set')
      assert.deepEqual(await chain.test(pay(99_000n).toBuffer()), {
        accepted: false,
        reason: 'txn-already-known'
      })
    })
  })

  describe('value', () => {
    it('refuses more out than in', async () => {
      await refuse(
        chain,
        pay(100_001n),
        'bad-txns-in-belowout, value in (0.001) < value out (0.00100001)'
      )
    })

    it('refuses less than 1 sat/vB', async () => {
      const size = BigInt(pay(99_000n).virtualSize())
      await refuse(
        chain,
        pay(100_000n - size + 1n),
        `min relay fee not met, ${size - 1n} < ${size}`
      )
      await accept(chain, pay(100_000n - size))
    })

    it('refuses a negative output and more than there can be', async () => {
      await refuse(chain, pay(-1n), 'bad-txns-vout-negative')
      await refuse(chain, pay(2_100_000_000_000_001n), 'bad-txns-vout-toolarge')
      await refuse(
        chain,
        signed({
          from: [{ ...coin, owner: alice }],
          to: [
            [bob.script, 2_100_000_000_000_000n],
            [bob.script, 1n]
          ]
        }),
        'bad-txns-txouttotal-toolarge'
      )
    })
  })

  describe('nLockTime', () => {
    it('refuses a height until the tip has it', async () => {
      const lock = chain.best.height + 2
      await refuse(chain, pay(99_000n, { locktime: lock }), 'non-final')
      await mine()
      await refuse(chain, pay(99_000n, { locktime: lock }), 'non-final')
      await mine()
      assert.equal(chain.best.height, lock)
      await accept(chain, pay(99_000n, { locktime: lock }))
    })

    it('is ignored when every input is final', async () => {
      await accept(chain, pay(99_000n, { locktime: 499_999_999, sequence: 0xffffffff }))
    })

    it('compares a time with the median of the last eleven blocks (BIP113)', async () => {
      // Blocks are 600 s apart: the median is that of the block five below the tip.
      const median = GENESIS_TIME + (chain.best.height - 5) * 600
      await refuse(chain, pay(99_000n, { locktime: median }), 'non-final')
      await accept(chain, pay(99_000n, { locktime: median - 1 }))
    })
  })

  describe('BIP68', () => {
    it('counts blocks on top of the coin', async () => {
      await mine()
      await refuse(chain, pay(99_000n, { sequence: 3 }), 'non-BIP68-final')
      await mine()
      await accept(chain, pay(99_000n, { sequence: 3 }))
    })

    it('counts an output of the mempool from the next block', async () => {
      const first = pay(99_000n)
      await accept(chain, first)
      const second = signed({
        from: [{ ...output(first, 0), owner: bob, sequence: 1 }],
        to: [[bob.script, 98_000n]]
      })
      await refuse(chain, second, 'non-BIP68-final')
      await mine()
      await accept(chain, second)
    })

    it('counts units of 512 seconds from the median time before the coin', async () => {
      // 600 s a block: after n blocks the medians are n x 600 s apart. 2 x 512 = 1,024 s need two
      // blocks.
      await refuse(chain, pay(99_000n, { sequence: 0x400002 }), 'non-BIP68-final')
      await mine()
      await accept(chain, pay(99_000n, { sequence: 0x400002 }))
    })

    it('is off for version 1, and for sequences with bit 31', async () => {
      await accept(chain, pay(99_000n, { sequence: 500, version: 1 }))
      await accept(chain, pay(98_000n, { sequence: 0x80000000 + 500 }))
    })
  })

  describe('form', () => {
    it('refuses versions 0 and 4', async () => {
      await refuse(chain, pay(99_000n, { version: 0 }), 'version')
      await refuse(chain, pay(99_000n, { version: 4 }), 'version')
    })

    it('refuses dust by the kind of the output, accepts one satoshi more', async () => {
      const script = p2wsh(Uint8Array.of(opcodes.OP_TRUE))
      const cases: [Uint8Array, bigint][] = [
        [bob.script, 294n],
        [script, 330n],
        [payments.p2pkh({ pubkey: bob.publicKey }).output ?? script, 546n],
        [payments.p2sh({ redeem: { output: bob.script } }).output ?? script, 540n],
        [fromHex(`5120${'79'.repeat(32)}`), 330n]
      ]
      for (const [each, limit] of cases) {
        const change = 90_000n
        const make = (value: bigint): Transaction =>
          signed({
            from: [{ ...coin, owner: alice }],
            to: [
              [each, value],
              [alice.script, change]
            ]
          })
        await refuse(chain, make(limit - 1n), 'dust')
        assert.equal((await chain.test(make(limit).toBuffer())).accepted, true)
      }
    })

    it('refuses an output script of no standard form', async () => {
      await refuse(chain, pay(99_000n, { script: fromHex('5187') }), 'scriptpubkey')
    })

    it('accepts one OP_RETURN of 80 bytes, refuses a longer one, and two', async () => {
      const data = (length: number): Uint8Array =>
        bitcoinScript.compile([0x6a, new Uint8Array(length).fill(1)])
      const make = (...scripts: Uint8Array[]): Transaction =>
        signed({
          from: [{ ...coin, owner: alice }],
          to: [[bob.script, 90_000n], ...scripts.map((each) => [each, 0n] as const)]
        })
      await refuse(chain, make(data(81)), 'scriptpubkey')
      await refuse(chain, make(data(10), data(10)), 'multi-op-return')
      await accept(chain, make(data(80)))
    })

    it('refuses a transaction of fewer than 65 bytes without witness', async () => {
      await refuse(
        chain,
        signed({ from: [{ ...coin, owner: alice }], to: [[fromHex('6a'), 0n]] }),
        'tx-size-small'
      )
      await refuse(
        chain,
        signed({ from: [{ ...coin, owner: alice }], to: [[fromHex('6a0100'), 0n]] }),
        'tx-size-small'
      )
      await accept(
        chain,
        signed({ from: [{ ...coin, owner: alice }], to: [[fromHex('6a03000000'), 0n]] })
      )
    })

    it('refuses more than 400,000 weight units', async () => {
      const outputs = Array.from({ length: 3_230 }, () => [bob.script, 300n] as const)
      await refuse(chain, signed({ from: [{ ...coin, owner: alice }], to: outputs }), 'tx-size')
    })

    it('refuses a scriptSig with operators, and a long one', async () => {
      const operators = pay(99_000n)
      operators.setInputScript(0, Uint8Array.of(0x76))
      await refuse(chain, operators, 'scriptsig-not-pushonly')
      const long = pay(99_000n)
      long.setInputScript(0, new Uint8Array(1_651))
      await refuse(chain, long, 'scriptsig-size')
    })

    it('refuses bytes that are no transaction', async () => {
      for (const raw of [
        new Uint8Array(0),
        fromHex('00'),
        new Uint8Array(300),
        pay(99_000n).toBuffer().subarray(1),
        fromHex(`${pay(99_000n).toHex()}00`)
      ]) {
        const result = await chain.submit(raw)
        assert.ok(!result.accepted && result.reason.startsWith('TX decode failed'))
      }
    })
  })

  describe('scripts', () => {
    it('refuse a wrong signature and say which input', async () => {
      const mallory = new Person('mallory')
      const forged = signed({ from: [{ ...coin, owner: mallory }], to: [[bob.script, 99_000n]] })
      const refused = await chain.submit(forged.toBuffer())
      assert.ok(!refused.accepted)
      assert.match(
        refused.reason,
        /^mempool-script-verify-flag-failed \(Script failed an OP_EQUALVERIFY operation\), input 0 of [0-9a-f]{64} \(wtxid [0-9a-f]{64}\), spending [0-9a-f]{64}:\d$/
      )
    })

    it('refuse a missing witness, an undefined hash type and a high S', async () => {
      await refuse(
        chain,
        unsigned({ from: [{ ...coin, owner: alice }], to: [[bob.script, 99_000n]] }),
        'mempool-script-verify-flag-failed (Witness program hash mismatch)'
      )
      const make = (change: (signature: Uint8Array) => Uint8Array): Transaction => {
        const transaction = pay(99_000n)
        const [signature = new Uint8Array(0), key = new Uint8Array(0)] =
          transaction.ins[0]?.witness ?? []
        transaction.setWitness(0, [change(signature), key])
        return transaction
      }
      await refuse(
        chain,
        make((signature) => Uint8Array.of(...signature.subarray(0, -1), 4)),
        'mempool-script-verify-flag-failed (Signature hash type missing or not understood)'
      )
      await refuse(
        chain,
        make(highS),
        'mempool-script-verify-flag-failed (Non-canonical signature: S value is unnecessarily high)'
      )
    })

    it('enforce OP_CHECKLOCKTIMEVERIFY (BIP65)', async () => {
      const lock = chain.best.height
      const script = bitcoinScript.compile([
        bitcoinScript.number.encode(lock),
        opcodes.OP_CHECKLOCKTIMEVERIFY
      ])
      coin = await coinFor(chain, p2wsh(script), 50_000n)
      const claim = (locktime: number, sequence: number): Transaction => {
        const transaction = unsigned({
          from: [{ ...coin, owner: alice, sequence }],
          to: [[bob.script, 49_000n]],
          locktime
        })
        transaction.setWitness(0, [script])
        return transaction
      }
      const unmet = 'mempool-script-verify-flag-failed (Locktime requirement not satisfied)'
      await refuse(chain, claim(lock - 1, 0xfffffffd), unmet)
      await refuse(chain, claim(lock, 0xffffffff), unmet)
      await accept(chain, claim(lock, 0xfffffffd))
    })

    it('enforce OP_CHECKSEQUENCEVERIFY (BIP112)', async () => {
      const script = bitcoinScript.compile([opcodes.OP_2, opcodes.OP_CHECKSEQUENCEVERIFY])
      coin = await coinFor(chain, p2wsh(script), 50_000n)
      const claim = (sequence: number, version = 2): Transaction => {
        const transaction = unsigned({
          from: [{ ...coin, owner: alice, sequence }],
          to: [[bob.script, 49_000n]],
          version
        })
        transaction.setWitness(0, [script])
        return transaction
      }
      const unmet = 'mempool-script-verify-flag-failed (Locktime requirement not satisfied)'
      await refuse(chain, claim(1), unmet)
      await refuse(chain, claim(2, 1), unmet)
      await refuse(chain, claim(0xfffffffd), unmet)
      await refuse(chain, claim(2), 'non-BIP68-final')
      await mine()
      await accept(chain, claim(2))
    })

    it('refuse witness items that are not standard', async () => {
      const script = bitcoinScript.compile([opcodes.OP_DROP, opcodes.OP_TRUE])
      coin = await coinFor(chain, p2wsh(script), 50_000n)
      const claim = (item: Uint8Array): Transaction => {
        const transaction = unsigned({
          from: [{ ...coin, owner: alice }],
          to: [[bob.script, 49_000n]]
        })
        transaction.setWitness(0, [item, script])
        return transaction
      }
      await refuse(chain, claim(new Uint8Array(81)), 'bad-witness-nonstandard')
      await accept(chain, claim(new Uint8Array(80)))
    })

    it('refuse to spend a witness version of the future', async () => {
      coin = await coinFor(chain, fromHex(`5220${'01'.repeat(32)}`), 50_000n)
      const claim = unsigned({ from: [{ ...coin, owner: alice }], to: [[bob.script, 49_000n]] })
      await refuse(chain, claim, 'bad-txns-nonstandard-inputs')
    })
  })

  describe('chains of unconfirmed transactions', () => {
    it('are at most 25 long', async () => {
      let last = pay(99_000n, { script: alice.script })
      for (let length = 1; length <= 25; length++) {
        await accept(chain, last)
        last = signed({
          from: [{ ...output(last, 0), owner: alice }],
          to: [[alice.script, output(last, 0).value - 200n]]
        })
      }
      await refuse(chain, last, 'too-long-mempool-chain')
      await mine()
      await accept(chain, last)
    })

    it('have at most 25 members from one parent on, and a small one more', async () => {
      const parent = signed({
        from: [{ ...coin, owner: alice }],
        to: Array.from({ length: 26 }, () => [alice.script, 3_000n] as const)
      })
      await accept(chain, parent)
      const child = (vout: number): Transaction =>
        signed({ from: [{ ...output(parent, vout), owner: alice }], to: [[bob.script, 2_000n]] })
      for (let vout = 0; vout < 24; vout++) await accept(chain, child(vout))
      const [a, b] = [output(child(0), 0), output(parent, 24)]
      await refuse(
        chain,
        signed({
          from: [
            { ...a, owner: bob },
            { ...b, owner: alice }
          ],
          to: [[bob.script, 3_000n]]
        }),
        'too-long-mempool-chain'
      )
      await accept(chain, child(24))
      await refuse(chain, child(25), 'too-long-mempool-chain')
    })
  })
})

/** The same signature with the other S, which is as valid but not standard. */
function highS(der: Uint8Array): Uint8Array {
  const order = BigInt('0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
  const { signature, hashType } = bitcoinScript.signature.decode(der)
  const s = order - BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`)
  return bitcoinScript.signature.encode(
    Uint8Array.of(...signature.subarray(0, 32), ...fromHex(s.toString(16).padStart(64, '0'))),
    hashType
  )
}
