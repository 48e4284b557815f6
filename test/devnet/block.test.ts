import assert from 'node:assert/strict'
import { Block as ReferenceBlock, Transaction } from 'bitcoinjs-lib'
import { concat } from 'uint8arrays'
import fc from 'fast-check'
import {
  type Block,
  buildCoinbase,
  genesisBlock,
  meetsTarget,
  mineBlock,
  sealBlock,
  subsidyAt,
  witnessCommitment
} from '../../src/devnet/block.js'
import { Chain } from '../../src/devnet/chain.js'
import {
  decodeTransaction,
  hash256,
  merkleBranch,
  merkleRoot,
  type Tx
} from '../../src/devnet/transaction.js'
import { Rejected } from '../../src/devnet/backend.js'
import { ScriptVerifier } from '../../src/devnet/script-interpreter.js'
import { fromHex, outPointText, txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi, type Satoshi } from '../../src/types/units.js'
import { alice, bob, freshChain, signed } from './support.js'

describe('devnet / block', () => {
  describe('genesis', () => {
    it('is that of regtest', () => {
      const genesis = genesisBlock()
      assert.equal(genesis.hash, '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206')
      assert.equal(
        genesis.transactions[0]?.txid,
        '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b'
      )
    })
  })

  describe('subsidy', () => {
    it('halves every 150 blocks, until nothing is left', () => {
      assert.deepEqual([1, 149, 150, 299, 300, 150 * 33, 150 * 64].map(subsidyAt), [
        5_000_000_000n,
        5_000_000_000n,
        2_500_000_000n,
        2_500_000_000n,
        1_250_000_000n,
        0n,
        0n
      ])
    })
  })

  describe('target', () => {
    const hash = (top: string): Uint8Array => fromHex(top.padEnd(64, '0')).reverse()

    it('is met by 7fffff followed by zeros', () => {
      assert.ok(meetsTarget(hash('7fffff')))
    })
    it('is met by what is below', () => {
      assert.ok(meetsTarget(hash(`7ffffe${'f'.repeat(58)}`)))
    })
    it('is missed by one more', () => {
      assert.ok(!meetsTarget(fromHex(`7fffff${'0'.repeat(57)}1`).reverse()))
    })
    it('is missed by a hash whose top bit is set', () => {
      assert.ok(!meetsTarget(hash('80')))
    })
  })

  describe('chain of headers', () => {
    it('links every block to the one before, with work, roots and commitments that bitcoinjs agrees with', async () => {
      const chain = await freshChain()
      await chain.fund(alice.script, satoshi(100_000n))
      await chain.mine(1)
      let previous = genesisBlock().rawHeader
      for (let height = 1; height <= chain.best.height; height++) {
        const header = await chain.header(height)
        const txids = await chain.blockTxids(height)
        assert.ok(header !== undefined && txids !== undefined)
        const raws = await Promise.all(
          txids.map(async (id) => (await chain.transaction(id))?.raw ?? new Uint8Array(0))
        )
        const block = ReferenceBlock.fromBuffer(
          concat([header, Uint8Array.of(raws.length), ...raws])
        )
        assert.ok(block.checkProofOfWork(), `work of block ${height}`)
        assert.ok(block.checkTxRoots(), `roots of block ${height}`)
        assert.deepEqual(
          block.prevHash,
          Uint8Array.from(ReferenceBlock.fromBuffer(previous).getHash())
        )
        previous = header
      }
    })
  })

  describe('rules', () => {
    const now = 2_000_000_000
    let chain: Chain
    let parent: Block

    beforeEach(() => {
      chain = new Chain(new ScriptVerifier())
      parent = chain.tip
    })

    const coinbaseAt = (
      height: number,
      value: Satoshi = subsidyAt(height),
      others: readonly Tx[] = []
    ): Tx => buildCoinbase(height, alice.script, value, others)
    const onTop = (transactions: readonly Tx[], time = chain.tip.header.time + 600): Block =>
      mineBlock(chain.tip, time, transactions)
    const grow = (blocks: number): void => {
      for (let i = 0; i < blocks; i++) chain.connect(onTop([coinbaseAt(chain.tip.height + 1)]), now)
    }
    const refuses = (block: Block, reason: string, time = now): void => {
      const before = { tip: chain.tip.hash, total: chain.coins.total }
      assert.throws(
        () => chain.connect(block, time),
        (error: unknown) => error instanceof Rejected && error.reason === reason
      )
      assert.deepEqual({ tip: chain.tip.hash, total: chain.coins.total }, before)
    }
    /** Spends the coinbase of block 1, which is Alice's. */
    const spendFirst = (value: bigint, locktime = 0, sequence?: number): Tx => {
      const first = chain.block(1)?.transactions[0]
      assert.ok(first !== undefined)
      const from = {
        outPoint: { txid: first.txid, vout: 0 },
        value: 5_000_000_000n,
        owner: alice,
        ...(sequence === undefined ? {} : { sequence })
      }
      return decodeTransaction(
        signed({ from: [from], to: [[bob.script, value]], locktime }).toBuffer()
      )
    }

    it('accept a block with a coinbase alone', () => {
      chain.connect(onTop([coinbaseAt(1)]), now)
      assert.equal(chain.tip.height, 1)
    })

    it('refuse one without work', () => {
      const good = onTop([coinbaseAt(1)])
      let nonce = good.header.nonce
      let bad = good
      while (meetsTarget(fromHex(bad.hash).reverse())) {
        bad = sealBlock(good.height, { ...good.header, nonce: ++nonce }, good.transactions)
      }
      refuses(bad, 'high-hash')
    })

    it('refuse easier work', () => {
      const good = onTop([coinbaseAt(1)])
      refuses(
        sealBlock(good.height, { ...good.header, bits: 0x2100ffff }, good.transactions),
        'bad-diffbits'
      )
    })

    it('refuse one that is not on top of the tip', () => {
      const stale = onTop([coinbaseAt(1)])
      grow(1)
      refuses(stale, 'prev-blk-not-found')
    })

    it('refuse a time that is not after the median of the last eleven', () => {
      grow(20)
      const median = chain.medianTimePast()
      refuses(onTop([coinbaseAt(21)], median), 'time-too-old')
      chain.connect(onTop([coinbaseAt(21)], median + 1), now)
    })

    it('refuse a time more than two hours ahead', () => {
      refuses(onTop([coinbaseAt(1)], now + 7_201), 'time-too-new')
      chain.connect(onTop([coinbaseAt(1)], now + 7_200), now)
    })

    it('refuse a merkle root of other transactions', () => {
      const other = onTop([coinbaseAt(1)])
      refuses(
        { ...other, transactions: [buildCoinbase(1, bob.script, subsidyAt(1), [])] },
        'bad-txnmrklroot'
      )
    })

    it('refuse a block without a coinbase, or with two', () => {
      refuses(onTop([]), 'bad-cb-missing')
      refuses(onTop([coinbaseAt(1), coinbaseAt(1)]), 'bad-cb-multiple')
    })

    it('refuse a coinbase that claims more than subsidy and fees, accept all of it', () => {
      refuses(onTop([coinbaseAt(1, satoshi(5_000_000_001n))]), 'bad-cb-amount')
      grow(100)
      const tx = spendFirst(4_999_990_000n)
      refuses(onTop([coinbaseAt(101, satoshi(5_000_010_001n), [tx]), tx]), 'bad-cb-amount')
      chain.connect(onTop([coinbaseAt(101, satoshi(5_000_010_000n), [tx]), tx]), now)
    })

    it('refuse a coinbase that names another height (BIP34)', () => {
      for (const height of [1, 17, 120]) {
        refuses(onTop([coinbaseAt(height + 1, subsidyAt(1))]), 'bad-cb-height')
      }
    })

    it('refuse a witness commitment that leaves a transaction out (BIP141)', () => {
      grow(100)
      const tx = spendFirst(4_999_990_000n)
      refuses(onTop([coinbaseAt(101), tx]), 'bad-witness-merkle-match')
    })

    it('refuse to spend a coinbase before 100 blocks are on it', () => {
      grow(99)
      const tx = spendFirst(5_000_000_000n)
      refuses(
        onTop([coinbaseAt(100, subsidyAt(100), [tx]), tx]),
        'bad-txns-premature-spend-of-coinbase'
      )
      grow(1)
      chain.connect(onTop([coinbaseAt(101, subsidyAt(101), [tx]), tx]), now)
    })

    it('refuse an nLockTime that is not over', () => {
      grow(100)
      const early = spendFirst(5_000_000_000n, 101)
      refuses(onTop([coinbaseAt(101, subsidyAt(101), [early]), early]), 'bad-txns-nonfinal')
      const due = spendFirst(5_000_000_000n, 100)
      chain.connect(onTop([coinbaseAt(101, subsidyAt(101), [due]), due]), now)
    })

    it('refuse a relative lock that is not over (BIP68)', () => {
      grow(100)
      const early = spendFirst(5_000_000_000n, 0, 101)
      refuses(onTop([coinbaseAt(101, subsidyAt(101), [early]), early]), 'bad-txns-nonfinal')
      const due = spendFirst(5_000_000_000n, 0, 100)
      chain.connect(onTop([coinbaseAt(101, subsidyAt(101), [due]), due]), now)
    })

    it('refuse the same coin twice in one block', () => {
      grow(100)
      const [a, b] = [spendFirst(4_000_000_000n), spendFirst(4_100_000_000n)]
      refuses(
        onTop([coinbaseAt(101, subsidyAt(101), [a, b]), a, b]),
        'bad-txns-inputs-missingorspent'
      )
    })

    it('refuse more value out than in', () => {
      grow(100)
      const tx = spendFirst(5_000_000_001n)
      refuses(onTop([coinbaseAt(101, subsidyAt(101), [tx]), tx]), 'bad-txns-in-belowout')
    })

    it('refuse a wrong signature', () => {
      grow(100)
      const first = chain.block(1)?.transactions[0]
      assert.ok(first !== undefined)
      const forged = signed({
        from: [{ outPoint: { txid: first.txid, vout: 0 }, value: 5_000_000_000n, owner: bob }],
        to: [[bob.script, 1_000_000n]]
      })
      forged.setWitness(0, [forged.ins[0]?.witness[0] ?? new Uint8Array(0), alice.publicKey])
      const tx = decodeTransaction(forged.toBuffer())
      refuses(
        onTop([coinbaseAt(101, subsidyAt(101), [tx]), tx]),
        'block-script-verify-flag-failed (Signature must be zero for failed CHECK(MULTI)SIG operation)'
      )
    })

    it('refuse a block of more than 4,000,000 weight units', () => {
      const big = new Transaction()
      big.addInput(new Uint8Array(32).fill(7), 0)
      for (let i = 0; i < 10; i++) big.addOutput(new Uint8Array(99_000), 0n)
      const tx = decodeTransaction(big.toBuffer())
      assert.ok(tx.weight < 4_000_000)
      refuses(onTop([coinbaseAt(1, subsidyAt(1), [tx]), tx]), 'bad-txns-inputs-missingorspent')
      big.setWitness(0, [new Uint8Array(40_000)])
      const heavier = decodeTransaction(big.toBuffer())
      refuses(onTop([coinbaseAt(1, subsidyAt(1), [heavier]), heavier]), 'bad-blk-weight')
    })

    it('keep no coin of what nobody can spend', () => {
      grow(1)
      const [coinbase] = chain.tip.transactions
      assert.ok(coinbase !== undefined)
      assert.deepEqual(coinbase.outputs[1]?.script, witnessCommitment([]))
      assert.ok(chain.coins.coin(outPointText({ txid: coinbase.txid, vout: 0 })) !== undefined)
      assert.equal(chain.coins.coin(outPointText({ txid: coinbase.txid, vout: 1 })), undefined)
      assert.equal(
        chain.coins.coin(
          outPointText({
            txid: txid('4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b'),
            vout: 0
          })
        ),
        undefined
      )
      assert.equal(parent.height, blockHeight(0))
    })
  })
})

const hashes = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), {
  minLength: 1,
  maxLength: 40
})

describe('devnet / merkle', () => {
  it('has a single hash as its own root', () => {
    const only = new Uint8Array(32).fill(1)
    assert.deepEqual(merkleRoot([only]), only)
    assert.deepEqual(merkleBranch([only], 0), [])
  })

  it('leads from every position to the root', () => {
    fc.assert(
      fc.property(hashes, (list) => {
        const root = merkleRoot(list)
        list.forEach((leaf, position) => {
          const reached = merkleBranch(list, position).reduce(
            (hash, sibling, level) =>
              hash256(concat(((position >> level) & 1) === 0 ? [hash, sibling] : [sibling, hash])),
            leaf
          )
          assert.deepEqual(Uint8Array.from(reached), Uint8Array.from(root))
        })
      }),
      { numRuns: 50 }
    )
  })
})
