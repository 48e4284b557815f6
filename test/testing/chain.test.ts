import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { SimChain } from '../../src/testing/chain.js'
import { Books } from '../../src/sim/measure/books.js'
import { hashFromTxid, toHex, txid, type Txid } from '../../src/types/bytes.js'

const SCRIPT = Uint8Array.from([0, 20, ...new Uint8Array(20).fill(7)])
const OTHER = Uint8Array.from([0, 20, ...new Uint8Array(20).fill(8)])
const WITNESS = [new Uint8Array(72).fill(0x30), new Uint8Array(33).fill(2)]

interface Spend {
  readonly from: string
  readonly value: number
  readonly version?: number
  readonly lock?: number
  readonly sequence?: number
  readonly outputs?: number
  readonly to?: Uint8Array
}

/** Pays all of it to one script, so that what is not named is the fee. */
function spend({
  from,
  value,
  version = 2,
  lock = 0,
  sequence = 0xfffffffd,
  outputs = 1,
  to = SCRIPT
}: Spend): Uint8Array {
  const transaction = new Transaction()
  transaction.version = version
  transaction.locktime = lock
  const [id = '', vout = ''] = from.split(':')
  transaction.addInput(hashFromTxid(txid(id)), Number(vout), sequence)
  transaction.setWitness(0, WITNESS)
  for (let n = 0; n < outputs; n++) {
    transaction.addOutput(to, BigInt(Math.floor(value / outputs)))
  }
  return Uint8Array.from(transaction.toBuffer())
}

describe('sim / chain', () => {
  let rate = 1
  let chain: SimChain
  let coin: string

  beforeEach(() => {
    rate = 1
    chain = new SimChain({
      start: 100,
      blockVsize: 1_000_000,
      rateAt: () => rate,
      judge: () => undefined
    })
    coin = `${chain.mint(toHex(SCRIPT), 100_000)}:0`
  })

  const mined = (id: Txid): number | undefined => chain.transaction(id)?.height

  it('takes into the next block what pays its rate; the rest waits', () => {
    rate = 50
    const other = `${chain.mint(toHex(SCRIPT), 100_000)}:0`
    const [cheap, dear] = [
      chain.broadcast(parseTransaction(spend({ from: coin, value: 99_000 }))),
      chain.broadcast(parseTransaction(spend({ from: other, value: 90_000 })))
    ]
    chain.mine()
    assert.deepEqual([mined(cheap), mined(dear)], [undefined, 101])
    rate = 5
    chain.mine()
    assert.equal(mined(cheap), 102)
  })

  it('says what each block took, by its height, also after reorganisations, whose first block is empty', () => {
    for (rate = 1; rate <= 5; rate++) chain.mine()
    assert.deepEqual(
      [100, 101, 105, 106].map((height) => chain.thresholdAt(height)),
      [Infinity, 1, 5, Infinity]
    )
    rate = 7
    chain.reorg(2)
    assert.deepEqual(
      [103, 104, 105, 106, 107].map((height) => chain.thresholdAt(height)),
      [3, Infinity, 7, 7, Infinity]
    )
    assert.deepEqual(chain.newestThresholds(4), [2, 3, 7, 7])
    rate = 9
    chain.reorg(3)
    assert.deepEqual(
      [103, 104, 105, 106, 107].map((height) => chain.thresholdAt(height)),
      [3, Infinity, 9, 9, 9]
    )
    assert.deepEqual(chain.newestThresholds(9), [1, 2, 3, 9, 9, 9])
  })

  it('refuses what is locked, spent, missing, too cheap, dust, or makes money', () => {
    const refused = (raw: Uint8Array, words: RegExp): void => {
      assert.throws(() => chain.broadcast(parseTransaction(raw)), words)
    }
    refused(spend({ from: coin, value: 99_000, lock: 101 }), /non-final/)
    refused(spend({ from: coin.replace(/:0$/, ':1'), value: 99_000 }), /missingorspent/)
    refused(spend({ from: coin, value: 99_999 }), /min relay fee/)
    refused(spend({ from: coin, value: 100_001 }), /in-belowout/)
    refused(spend({ from: coin, value: 100 }), /dust/)
    chain.broadcast(parseTransaction(spend({ from: coin, value: 99_000 })))
    chain.mine()
    refused(spend({ from: coin, value: 98_000 }), /missingorspent/)
  })

  it('takes fees below 1 sat/vB where mempools do, and asks a replacement for as little more', () => {
    chain = new SimChain({
      start: 100,
      blockVsize: 1_000_000,
      rateAt: () => rate,
      relayRate: 0.1,
      judge: () => undefined
    })
    const from = `${chain.mint(toHex(SCRIPT), 100_000)}:0`
    const send = (fee: number): Txid =>
      chain.broadcast(parseTransaction(spend({ from, value: 100_000 - fee })))
    assert.throws(() => send(10), /min relay fee not met, 10 < 11/)
    send(20)
    assert.throws(() => send(30), /insufficient fee/)
    send(31)
  })

  it('BIP68: a coin with a lock of one block is spent in the block after its own', () => {
    const parent = chain.broadcast(parseTransaction(spend({ from: coin, value: 99_000 })))
    const child = spend({ from: `${parent}:0`, value: 98_000, sequence: 1 })
    assert.throws(() => chain.broadcast(parseTransaction(child)), /non-BIP68-final/)
    chain.mine()
    chain.broadcast(parseTransaction(child))
  })

  it('BIP125: a replacement pays more than what it replaces, by its own size, and takes its children with it', () => {
    const first = chain.broadcast(parseTransaction(spend({ from: coin, value: 99_000 })))
    const child = chain.broadcast(parseTransaction(spend({ from: `${first}:0`, value: 98_000 })))
    assert.throws(
      () => chain.broadcast(parseTransaction(spend({ from: coin, value: 98_050 }))),
      /insufficient fee/
    )
    const second = chain.broadcast(parseTransaction(spend({ from: coin, value: 97_000 })))
    assert.deepEqual([...chain.waiting.keys()], [second])
    assert.equal(chain.transaction(child), undefined)
  })

  it('begins with money where a test wants it', () => {
    const at = { txid: txid('ab'.repeat(32)), vout: 2 }
    assert.equal(chain.mint(toHex(OTHER), 50_000, at), at.txid)
    const [coin, ...others] = chain.unspent(toHex(OTHER)).filter(({ value }) => value > 0)
    assert.deepEqual([coin, others], [{ outPoint: at, value: 50_000, height: 100 }, []])
  })

  it('drops what a full mempool drops with its children, and shows none of them any more', () => {
    const parent = chain.broadcast(parseTransaction(spend({ from: coin, value: 99_000 })))
    chain.broadcast(parseTransaction(spend({ from: `${parent}:0`, value: 98_000 })))
    const other = `${chain.mint(toHex(OTHER), 50_000)}:0`
    chain.broadcast(parseTransaction(spend({ from: other, value: 49_000 })))
    chain.drop(parent)
    assert.deepEqual(
      chain.historyOf(toHex(SCRIPT)).map(({ fee }) => fee),
      [0, 1_000],
      'the coin, and what the other one pays'
    )
    assert.deepEqual(chain.unspent(toHex(SCRIPT)).length, 2)
  })

  it('shows no child of what is replaced, neither to whom it pays nor to whom it has spent from', () => {
    const parent = chain.broadcast(
      parseTransaction(spend({ from: coin, value: 99_000, to: OTHER }))
    )
    chain.broadcast(parseTransaction(spend({ from: `${parent}:0`, value: 98_000 })))
    chain.broadcast(parseTransaction(spend({ from: coin, value: 90_000 })))
    assert.deepEqual(chain.historyOf(toHex(OTHER)), [])
  })

  describe('before Bitcoin Core 28', () => {
    beforeEach(() => {
      chain = new SimChain({ start: 100, fullRbf: false })
      coin = `${chain.mint(toHex(SCRIPT), 100_000)}:0`
    })

    const replaced = (of: Partial<Spend>): void => {
      chain.broadcast(parseTransaction(spend({ from: coin, value: 99_000, ...of })))
      chain.broadcast(parseTransaction(spend({ from: coin, value: 90_000 })))
    }

    it('a transaction is replaced that says that it can be (BIP125, rule 1)', () => {
      replaced({ sequence: 0xfffffffd })
    })

    it('no other is', () => {
      assert.throws(() => {
        replaced({ sequence: 0xfffffffe })
      }, /txn-mempool-conflict/)
    })

    it('version 3 always is (BIP431)', () => {
      replaced({ sequence: 0xfffffffe, version: 3 })
    })
  })

  describe('what comes in without being asked', () => {
    const ELSEWHERE = `${'ab'.repeat(32)}:0`

    it('is a payment from elsewhere, which pays enough for any block', () => {
      rate = 50
      const id = chain.insert(parseTransaction(spend({ from: ELSEWHERE, value: 1_000 })))
      chain.mine()
      assert.equal(mined(id), 101)
    })

    it('spends a coin of this chain, for what it pays, and takes the place of who spent it before', () => {
      const before = chain.broadcast(parseTransaction(spend({ from: coin, value: 90_000 })))
      const id = chain.insert(parseTransaction(spend({ from: coin, value: 99_999 })))
      assert.equal(chain.transaction(before), undefined)
      assert.deepEqual([chain.transaction(id)?.fee, chain.spenderOf(coin)?.txid], [1, id])
      assert.equal(chain.insert(parseTransaction(spend({ from: coin, value: 99_999 }))), id)
    })

    it('is not what can never be in a block', () => {
      chain.broadcast(parseTransaction(spend({ from: coin, value: 90_000 })))
      chain.mine()
      assert.throws(
        () => chain.insert(parseTransaction(spend({ from: coin, value: 99_000 }))),
        /missingorspent/
      )
    })
  })

  it('version 3 (BIP431): one child, of version 3; a child that pays more brings its parent along', () => {
    rate = 20
    const parent = chain.broadcast(
      parseTransaction(spend({ from: coin, value: 99_800, version: 3, outputs: 2 }))
    )
    assert.throws(
      () => chain.broadcast(parseTransaction(spend({ from: `${parent}:0`, value: 40_000 }))),
      /nontruc-spends-truc/
    )
    const child = chain.broadcast(
      parseTransaction(spend({ from: `${parent}:0`, value: 40_000, version: 3 }))
    )
    assert.throws(
      () =>
        chain.broadcast(
          parseTransaction(spend({ from: `${parent}:1`, value: 30_000, version: 3 }))
        ),
      /TRUC-violation/
    )
    chain.mine()
    assert.deepEqual([mined(parent), mined(child)], [101, 101])
  })

  it('a block that is wanted by many of ours costs more: whoever takes half of it pays twice', () => {
    chain = new SimChain({
      start: 100,
      blockVsize: 1_000,
      rateAt: () => 10,
      judge: () => undefined
    })
    const coins = Array.from({ length: 5 }, () => `${chain.mint(toHex(SCRIPT), 100_000)}:0`)
    // Five of 110 vB would be more than half of 1,000 vB.
    const ids = coins.map((from) =>
      chain.broadcast(parseTransaction(spend({ from, value: 100_000 - 110 * 15 })))
    )
    chain.mine()
    const taken = ids.filter((id) => mined(id) !== undefined).length
    assert.equal(
      taken,
      3,
      '3 x 110 vB less a fiftieth: 10 x 1,000 / (1,000 - 310) = 14.5 sat/vB; with a fourth it is above 15'
    )
  })

  it('a reorganisation takes blocks back and mines another branch; what was in them waits again, what is too early is gone', () => {
    const books = new Books(chain)
    chain.keepBooks(books)
    const parent = chain.broadcast(parseTransaction(spend({ from: coin, value: 99_000 })))
    chain.mine()
    const child = chain.broadcast(
      parseTransaction(spend({ from: `${parent}:0`, value: 98_000, sequence: 1 }))
    )
    const hash = chain.tipHash
    chain.reorg(1)
    assert.equal(chain.height, 102)
    assert.notEqual(chain.tipHash, hash)
    assert.deepEqual([mined(parent), chain.transaction(child), chain.reorgs], [102, undefined, 1])
    assert.equal(books.fees, 1_000)
  })

  it('keeps what is too early until the other branch is there, when asked to', () => {
    const parent = chain.broadcast(parseTransaction(spend({ from: coin, value: 99_000 })))
    chain.mine()
    const child = chain.broadcast(
      parseTransaction(spend({ from: `${parent}:0`, value: 98_000, lock: 101, sequence: 1 }))
    )
    chain.reorg(1, { length: 0, keepsEarly: true })
    assert.equal(chain.height, 100)
    assert.deepEqual(chain.mempool.toSorted(), [parent, child].toSorted())
  })

  it('tells who watches a script of everything that touches it, spends included', () => {
    const told: boolean[] = []
    chain.onChange(({ scripts, tip }) => {
      if (scripts.has(toHex(SCRIPT))) told.push(tip)
    })
    chain.broadcast(parseTransaction(spend({ from: coin, value: 99_000 })))
    chain.mine()
    chain.mine()
    assert.deepEqual(told, [false, true])
    assert.equal(chain.historyOf(toHex(SCRIPT)).length, 2)
  })
})
