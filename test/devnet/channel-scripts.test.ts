import { opcodes, script as bitcoinScript, Transaction } from 'bitcoinjs-lib'
import type { EmbeddedChain } from '../../src/devnet/embedded-chain.js'
import {
  accept,
  alice,
  bob,
  coinFor,
  freshChain,
  output,
  p2wsh,
  Person,
  refuse,
  signed,
  unsigned,
  type Draft,
  type Spendable
} from './support.js'

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
