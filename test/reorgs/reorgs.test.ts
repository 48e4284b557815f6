/**
 * Reorganisations of 1 to 10 blocks at every stage of a channel: real nodes, a real Electrum
 * connection, the devnet's chain.
 */
import assert from 'node:assert/strict'
import { txid, type Txid } from '../../src/types/bytes.js'
import type { ReorgOptions } from '../../src/devnet/index.js'
import { codeOfRejection } from '../node/fixture.js'
import { chainSource } from '../chain-source.js'
import { sized } from '../size.js'
import { Pair } from './pair.js'

const DEPTHS = sized({ small: [1, 10], all: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] })

/**
 * What was in the blocks waits again, or is gone: every other depth, on a chain that can forget.
 */
const fateAt = (depth: number): NonNullable<ReorgOptions['transactions']> =>
  depth % 2 === 1 || !chainSource.canForget ? 'wait' : 'drop'

interface Stage {
  readonly name: string
  /**
   * Brings a new channel to where the transaction that matters is in the newest block; returns that
   * transaction.
   */
  readonly arrive: (pair: Pair) => Promise<Txid>
  /** What is true while that transaction is in no block. */
  readonly meanwhile: (pair: Pair) => Promise<void>
  /** Until it is in the mempool, whoever brought it there. */
  readonly waits?: (pair: Pair, transaction: Txid) => Promise<void>
  /** What is true once it is in a block again. */
  readonly afterwards: (pair: Pair) => Promise<void>
}

const STAGES: readonly Stage[] = [
  {
    name: 'funding',
    arrive: async (pair) => {
      await pair.open()
      return pair.fundingTxid
    },
    meanwhile: async (pair) => {
      await pair.both('confirming')
      assert.equal(await codeOfRejection(pair.pay(1_000n)), 'ERR_CHANNEL_NOT_OPEN')
    },
    afterwards: async (pair) => {
      await pair.both('open')
      await pair.pay(1_000n)
    }
  },
  {
    name: 'payment',
    arrive: async (pair) => {
      await pair.open()
      await pair.pay(30_000n)
      return pair.fundingTxid
    },
    meanwhile: async (pair) => {
      await pair.both('confirming')
      assert.equal(await codeOfRejection(pair.pay(1_000n)), 'ERR_CHANNEL_NOT_OPEN')
      assert.deepEqual(await pair.shares(), [970_000n, 30_000n], 'what was paid stays paid')
    },
    afterwards: async (pair) => {
      await pair.both('open')
      await pair.pay(1_000n)
      assert.deepEqual(await pair.shares(), [969_000n, 31_000n])
    }
  },
  {
    name: 'cooperative close',
    arrive: async (pair) => {
      await pair.open()
      await pair.pay(30_000n)
      const close = await pair.close()
      await pair.mine()
      await pair.both('closed')
      return close
    },
    meanwhile: async (pair) => {
      await pair.both('closing')
    },
    afterwards: async (pair) => {
      await pair.both('closed')
      await pair.paidOut({ server: 30_000n })
    }
  },
  {
    name: 'settlement',
    arrive: async (pair) => await pair.payAndSettle(30_000n),
    meanwhile: async (pair) => {
      await pair.notClosed()
    },
    // The server bids again at the new height: another transaction, maybe.
    waits: async (pair) => {
      await pair.someSpendWaits()
    },
    afterwards: async (pair) => {
      await pair.both('closed')
      await pair.paidOut({ server: 30_000n })
    }
  },
  {
    name: 'refund',
    arrive: async (pair) => {
      await pair.open()
      await pair.serverLeaves()
      const refund = await pair.refund()
      await pair.client('closed')
      return refund
    },
    meanwhile: async (pair) => {
      await pair.clientNotClosed()
    },
    waits: async (pair) => {
      await pair.someSpendWaits()
    },
    afterwards: async (pair) => {
      await pair.client('closed')
      await pair.paidOut({ server: 0n })
      await pair.serverReturns()
    }
  },
  {
    name: 'sweep of the output of T3 with 1 CSV',
    arrive: async (pair) => {
      await pair.open()
      await pair.pay(30_000n)
      await pair.settle()
      await pair.mine()
      const sweep = await pair.sweep()
      await pair.mine()
      return sweep
    },
    meanwhile: async () => {},
    afterwards: async (pair) => {
      await pair.both('closed')
      await pair.paidOut({ server: 30_000n })
    }
  }
]

for (const {
  name,
  arrive,
  meanwhile,
  waits = async (pair: Pair, transaction: Txid): Promise<void> => {
    await pair.waits(transaction)
  },
  afterwards
} of STAGES) {
  describe(`reorgs / ${name}`, () => {
    let pair: Pair

    before(async () => {
      pair = await Pair.create()
    })
    after(async () => {
      await pair.end()
    })
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') process.stderr.write(`${await pair.describe()}\n`)
    })

    for (const depth of DEPTHS) {
      const fate = fateAt(depth)
      it(`${depth} deep, and the transactions ${fate === 'wait' ? 'wait in the mempool again' : 'are gone'}: nobody loses more than fees`, async () => {
        const transaction = txid(await arrive(pair))
        await pair.mine(depth - 1)
        await pair.reorg(depth, { transactions: fate })
        await meanwhile(pair)
        await waits(pair, transaction)
        await pair.mine(2)
        await afterwards(pair)
      })
    }
  })
}
