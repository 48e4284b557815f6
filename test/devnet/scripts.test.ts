import assert from 'node:assert/strict'
import { opcodes, script as bitcoinScript, Transaction } from 'bitcoinjs-lib'
import type { EmbeddedChain } from '../../src/devnet/index.js'
import { Rejected } from '../../src/devnet/backend.js'
import { scriptErrorSentence, ScriptVerifier } from '../../src/devnet/script-interpreter.js'
import {
  decodeTransaction,
  dustThreshold,
  isPushOnly,
  scriptKind,
  witnessProgram
} from '../../src/devnet/transaction.js'
import { fromHex, toHex, txid } from '../../src/types/bytes.js'
import {
  accept,
  alice,
  bob,
  coinFor,
  type Draft,
  freshChain,
  output,
  p2wsh,
  Person,
  refuse,
  signed,
  type Spendable,
  unsigned
} from './support.js'

describe('devnet / script interpreter', () => {
  const coin = { outPoint: { txid: txid('11'.repeat(32)), vout: 0 }, value: 50_000n }
  const tx = decodeTransaction(
    signed({ from: [{ ...coin, owner: alice }], to: [[bob.script, 49_000n]] }).toBuffer()
  )
  const right = [{ value: 50_000n, script: alice.script }]
  const wrong = [{ value: 50_001n, script: alice.script }]

  it('keeps a success by wtxid and does not run the scripts again', () => {
    const verifier = new ScriptVerifier()
    verifier.verify(tx, right, 'mempool')
    // Had they run again, they would have failed.
    verifier.verify(tx, wrong, 'block')
    assert.throws(() => {
      new ScriptVerifier().verify(tx, wrong, 'block')
    }, Rejected)
  })

  it('keeps no failure', () => {
    const verifier = new ScriptVerifier()
    assert.throws(
      () => {
        verifier.verify(tx, wrong, 'mempool')
      },
      {
        reason:
          'mempool-script-verify-flag-failed (Signature must be zero for failed CHECK(MULTI)SIG operation)'
      }
    )
    verifier.verify(tx, right, 'mempool')
  })

  it('refuses a script that cannot be decoded, and more inputs than outputs are known', () => {
    assert.throws(() => {
      new ScriptVerifier().verify(tx, [{ value: 50_000n, script: Uint8Array.of(0x4c) }], 'mempool')
    }, Rejected)
    assert.throws(() => {
      new ScriptVerifier().verify(tx, [], 'mempool')
    }, Rejected)
  })

  it('has a sentence for every code, and one for those it does not know', () => {
    assert.equal(
      scriptErrorSentence('SCRIPT_ERR_EVAL_FALSE_IN_STACK'),
      scriptErrorSentence('SCRIPT_ERR_EVAL_FALSE')
    )
    assert.equal(scriptErrorSentence('SCRIPT_ERR_UNKNOWN_ERROR: Error'), 'unknown error')
  })
})

const A = toHex(alice.publicKey)
const B = toHex(bob.publicKey)

describe('devnet / scripts', () => {
  const kinds: [string, string][] = [
    [`0014${'11'.repeat(20)}`, 'p2wpkh'],
    [`0020${'11'.repeat(32)}`, 'p2wsh'],
    [`5120${'11'.repeat(32)}`, 'p2tr'],
    ['51024e73', 'p2a'],
    [`5220${'11'.repeat(32)}`, 'witness-unknown'],
    [`5114${'11'.repeat(20)}`, 'witness-unknown'],
    [`0015${'11'.repeat(21)}`, 'nonstandard'],
    [`76a914${'11'.repeat(20)}88ac`, 'p2pkh'],
    [`76a914${'11'.repeat(20)}88ad`, 'nonstandard'],
    [`a914${'11'.repeat(20)}87`, 'p2sh'],
    [`21${A}ac`, 'p2pk'],
    [`5121${A}51ae`, 'multisig'],
    [`5221${A}21${B}52ae`, 'multisig'],
    [`5321${A}21${B}52ae`, 'nonstandard'],
    [`5221${A}21${B}53ae`, 'nonstandard'],
    ['6a', 'op-return'],
    ['6a0401020304', 'op-return'],
    ['6a04010203', 'nonstandard'],
    ['6a76', 'nonstandard'],
    ['', 'nonstandard'],
    ['51', 'nonstandard']
  ]
  for (const [hex, kind] of kinds) {
    it(`calls ${hex.slice(0, 24)}${hex.length > 24 ? '...' : ''} ${kind}`, () => {
      assert.equal(scriptKind(fromHex(hex)), kind)
    })
  }

  it('reads a witness program', () => {
    assert.deepEqual(witnessProgram(fromHex(`6020${'22'.repeat(32)}`)), {
      version: 16,
      program: fromHex('22'.repeat(32))
    })
    assert.equal(witnessProgram(fromHex('510101')), undefined)
  })

  it('knows pushes of every length from operators', () => {
    for (const hex of ['', '00', '60', '4f', '4c0101', '4d010001', '4e0100000001']) {
      assert.ok(isPushOnly(fromHex(hex)), hex)
    }
    for (const hex of ['61', '4c', '4c02ff', '4d01', '4e01000000', '02ff', '4effffffff']) {
      assert.ok(!isPushOnly(fromHex(hex)), hex)
    }
  })

  it('asks nothing of an output that nobody can spend', () => {
    assert.equal(dustThreshold(fromHex('6a0101')), 0n)
  })
})

const { SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_NONE, SIGHASH_SINGLE } = Transaction

/**
 * Alice is the client, Bob the server; the transactions are those of the channels, written out by
 * hand.
 */
describe('devnet / transactions of a channel', () => {
  const payout = new Person('alice payout')
  const twoOfTwo = bitcoinScript.compile([
    opcodes.OP_2,
    alice.publicKey,
    bob.publicKey,
    opcodes.OP_2,
    opcodes.OP_CHECKMULTISIG
  ])
  const delayed = bitcoinScript.compile([
    payout.publicKey,
    opcodes.OP_CHECKSIGVERIFY,
    opcodes.OP_1,
    opcodes.OP_CHECKSEQUENCEVERIFY
  ])
  let chain: EmbeddedChain
  let funding: Spendable

  beforeEach(async () => {
    chain = await freshChain()
    const coin = await coinFor(chain, alice.script, 1_100_000n)
    const t1 = signed({
      from: [{ ...coin, owner: alice }],
      to: [
        [p2wsh(twoOfTwo), 1_000_000n],
        [alice.script, 99_000n]
      ],
      version: 3
    })
    await accept(chain, t1)
    await chain.mine(1)
    funding = output(t1, 0)
  })

  /**
   * Spends the funding output; Alice's signature is made for `signedAs`, everything else for the
   * draft.
   */
  const state = (
    to: Draft['to'],
    aliceType: number,
    bobType = SIGHASH_ALL,
    more: Partial<Draft> & { signedAs?: Draft['to'] } = {}
  ): Transaction => {
    const { signedAs = to, ...rest } = more
    const draft = { from: [{ ...funding, owner: alice }], version: 3, ...rest }
    const transaction = unsigned({ ...draft, to })
    const digest = (of: Transaction, type: number): Uint8Array =>
      of.hashForWitnessV0(0, twoOfTwo, funding.value, type)
    transaction.setWitness(0, [
      new Uint8Array(0),
      alice.sign(digest(unsigned({ ...draft, to: signedAs }), aliceType), aliceType),
      bob.sign(digest(transaction, bobType), bobType),
      twoOfTwo
    ])
    return transaction
  }
  const sweep = (of: Transaction, sequence: number): Transaction => {
    const coin = output(of, 0)
    const transaction = unsigned({
      from: [{ ...coin, owner: payout, sequence }],
      to: [[alice.script, coin.value - 1_000n]],
      version: 3
    })
    transaction.setWitness(0, [
      payout.sign(transaction.hashForWitnessV0(0, delayed, coin.value, SIGHASH_ALL)),
      delayed
    ])
    return transaction
  }
  const failed = 'mempool-script-verify-flag-failed'

  describe('T3', () => {
    const remainder = [p2wsh(delayed), 600_000n] as const

    it('lets the payee add its output after the payer has signed SINGLE|ANYONECANPAY', async () => {
      await accept(
        chain,
        state(
          [remainder, [bob.script, 399_000n]],
          SIGHASH_SINGLE | SIGHASH_ANYONECANPAY,
          SIGHASH_ALL,
          { signedAs: [remainder] }
        )
      )
    })

    it('is raised by the payee alone', async () => {
      for (const fee of [500n, 5_000n, 50_000n]) {
        await accept(
          chain,
          state(
            [remainder, [bob.script, 400_000n - fee]],
            SIGHASH_SINGLE | SIGHASH_ANYONECANPAY,
            SIGHASH_ALL,
            { signedAs: [remainder] }
          )
        )
      }
    })

    it('does not let the payee take from the payer, or from its script', async () => {
      for (const changed of [
        [p2wsh(delayed), 599_999n],
        [bob.script, 600_000n]
      ] as const) {
        await refuse(
          chain,
          state(
            [changed, [bob.script, 399_000n]],
            SIGHASH_SINGLE | SIGHASH_ANYONECANPAY,
            SIGHASH_ALL,
            { signedAs: [remainder] }
          ),
          failed
        )
      }
    })

    it('does not let the payee publish before the lock that was signed', async () => {
      const to = [remainder, [bob.script, 399_000n] as const]
      const lock = chain.best.height + 1
      await refuse(
        chain,
        state(to, SIGHASH_SINGLE | SIGHASH_ANYONECANPAY, SIGHASH_ALL, { locktime: lock }),
        'non-final'
      )
      await chain.mine(1)
      await accept(
        chain,
        state(to, SIGHASH_SINGLE | SIGHASH_ANYONECANPAY, SIGHASH_ALL, { locktime: lock })
      )
    })

    it('pays all to the payee when the payer has signed NONE|ANYONECANPAY', async () => {
      await accept(
        chain,
        state([[bob.script, 999_000n]], SIGHASH_NONE | SIGHASH_ANYONECANPAY, SIGHASH_ALL, {
          signedAs: []
        })
      )
    })

    it('needs both signatures', async () => {
      const alone = unsigned({
        from: [{ ...funding, owner: bob }],
        to: [[bob.script, 999_000n]],
        version: 3
      })
      const signature = bob.sign(alone.hashForWitnessV0(0, twoOfTwo, funding.value, SIGHASH_ALL))
      alone.setWitness(0, [new Uint8Array(0), signature, signature, twoOfTwo])
      await refuse(chain, alone, failed)
    })

    it("holds back what hangs on the payer's output for one block", async () => {
      const t3 = state([remainder, [bob.script, 399_000n]], SIGHASH_SINGLE | SIGHASH_ANYONECANPAY)
      await accept(chain, t3)
      await refuse(chain, sweep(t3, 1), 'non-BIP68-final')
      await refuse(chain, sweep(t3, 0), failed)
      await chain.mine(1)
      await accept(chain, sweep(t3, 1))
    })
  })

  describe('T2', () => {
    const refund = (locktime: number): Transaction =>
      state([[alice.script, 999_000n]], SIGHASH_ALL, SIGHASH_NONE | SIGHASH_ANYONECANPAY, {
        locktime
      })

    it('gives everything back from height L on, and not before', async () => {
      const lock = chain.best.height + 5
      await chain.mine(4)
      await refuse(chain, refund(lock), 'non-final')
      await chain.mine(1)
      await accept(chain, refund(lock))
    })

    it('is good for nothing once T3 is confirmed', async () => {
      await accept(chain, state([[bob.script, 999_000n]], SIGHASH_NONE | SIGHASH_ANYONECANPAY))
      await chain.mine(1)
      await refuse(chain, refund(0), 'bad-txns-inputs-missingorspent')
    })
  })

  describe('cooperative close', () => {
    it('needs no lock, and no third party can change it', async () => {
      const agreed = [
        [alice.script, 600_000n],
        [bob.script, 399_000n]
      ] as const
      await refuse(
        chain,
        state(
          [
            [alice.script, 600_000n],
            [bob.script, 398_999n]
          ],
          SIGHASH_ALL,
          SIGHASH_ALL,
          { signedAs: agreed }
        ),
        failed
      )
      await accept(chain, state(agreed, SIGHASH_ALL))
    })
  })
})
