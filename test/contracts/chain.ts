/**
 * What every adapter of the `Chain` port must do; run on the one of `src/testing` and on the one
 * over Electrum.
 */
import assert from 'node:assert/strict'
import { crypto, Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { Chain, ChainStatus, Tip } from '../../src/engine/ports.js'
import { hashFromTxid, txid, type Txid } from '../../src/types/bytes.js'
import { blockDelta, feeRate, satoshi, type Satoshi } from '../../src/types/units.js'
import { isSettled, Recorder, recordingWatcher } from '../chain/helpers.js'

/** A chain that the suite may play with, and the adapter that looks at it. */
export interface ChainFixture {
  readonly chain: Chain
  /** Pays to a script; the transaction waits in the mempool. */
  fund: (scriptPubKey: Uint8Array, amount: Satoshi) => Promise<Txid>
  mine: (count: number) => Promise<void>
  /** Cuts the adapter off; resolves once its status says so. */
  disconnect: () => Promise<void>
  reconnect: () => Promise<void>
  stop: () => Promise<void>
}

/**
 * P2WSH of `<byte> OP_DROP OP_1`: anyone can spend it, and there are many of them (bytes above 16:
 * smaller ones have opcodes).
 */
function openScript(byte: number): { script: Uint8Array; witness: Uint8Array } {
  const witness = Uint8Array.from([0x01, byte, 0x75, 0x51])
  return { script: Uint8Array.from([0x00, 0x20, ...crypto.sha256(witness)]), witness }
}

const { script, witness } = openScript(0x21)
const other = openScript(0x22).script
const AMOUNT = satoshi(100_000n)

function spendOf(
  funding: Txid,
  options: { fee?: bigint; lock?: number; vout?: number; sequence?: number } = {}
): Transaction {
  const spend = new Transaction()
  spend.version = 2
  spend.locktime = options.lock ?? 0
  spend.addInput(hashFromTxid(funding), options.vout ?? 0, options.sequence ?? 0xfffffffd)
  spend.setWitness(0, [witness])
  spend.addOutput(other, AMOUNT - (options.fee ?? 1_000n))
  return spend
}

function bytesOf(transaction: Transaction): Uint8Array {
  return Uint8Array.from(transaction.toBuffer())
}

/** A fixture that can also replace the newest blocks by one more, all empty. */
export interface ReorganisingFixture extends ChainFixture {
  readonly reorg: (depth: number) => Promise<void>
}

/** What holds for every chain. */
export function chainContract(name: string, create: () => Promise<ChainFixture>): void {
  describe(`the chain port / ${name}`, () => {
    let world: ChainFixture
    let chain: Chain
    let tips: Recorder<Tip>
    let statuses: Recorder<ChainStatus>

    /** The output that pays AMOUNT to the script: a backend may add change before or after it. */
    async function funded(): Promise<{ txid: Txid; vout: number }> {
      const watcher = recordingWatcher()
      const watch = chain.watchScript(script, watcher)
      const id = await world.fund(script, AMOUNT)
      const history = await watcher.histories.when((entries) =>
        entries.some((entry) => entry.transaction.txid === id)
      )
      watch.stop()
      const raw =
        history.find((entry) => entry.transaction.txid === id)?.transaction.raw ?? new Uint8Array()
      return {
        txid: id,
        vout: Transaction.fromBuffer(raw).outs.findIndex((output) => output.value === AMOUNT)
      }
    }

    beforeEach(async () => {
      world = await create()
      chain = world.chain
      tips = new Recorder()
      statuses = new Recorder()
      chain.onTip((tip) => {
        tips.push(tip)
      })
      chain.onStatus((status) => {
        statuses.push(status)
      })
      if (chain.status !== 'synced') await statuses.when((status) => status === 'synced')
    })

    afterEach(async () => {
      await world.stop()
    })

    it('tells the tip, at once to whom it is known', async () => {
      const tip = await tips.when(() => true)
      assert.deepEqual(chain.tip, tip)
      assert.match(tip.hash, /^[0-9a-f]{64}$/)
      let seen: Tip | undefined
      chain.onTip((value) => {
        seen = value
      })()
      assert.deepEqual(seen, tip)
    })

    it('tells every new tip until it is told to stop', async () => {
      const first = await tips.when(() => true)
      const silent = new Recorder<Tip>()
      chain.onTip((tip) => {
        silent.push(tip)
      })()
      await world.mine(2)
      const tip = await tips.when(({ height }) => height === first.height + 2)
      assert.notEqual(tip.hash, first.hash)
      assert.deepEqual(chain.tip, tip)
      assert.equal(silent.all.length, 1)
    })

    it('delivers the empty history of an unused script', async () => {
      const watcher = recordingWatcher()
      await chain.watchScript(other, watcher).ready
      assert.deepEqual(watcher.histories.all, [[]])
    })

    it("delivers a transaction in the mempool, then in its block, before that block's tip", async () => {
      const events = new Recorder<string>()
      const { height } = await tips.when(() => true)
      await chain.watchScript(script, {
        onHistory: (history) => {
          events.push(`history ${history.map((entry) => entry.height ?? 'mempool').join()}`)
        },
        onError: (error) => {
          events.push(error.message)
        }
      }).ready
      await world.fund(script, AMOUNT)
      await events.when((event) => event === 'history mempool')
      chain.onTip((tip) => {
        events.push(`tip ${tip.height}`)
      })
      await world.mine(1)
      await events.when((event) => event === `tip ${height + 1}`)
      // electrs may have it in neither place for a moment, between the two.
      const told = events.all.filter((event, n) => n === 0 || event !== 'history ')
      assert.deepEqual(told, [
        'history ',
        'history mempool',
        `tip ${height}`,
        `history ${height + 1}`,
        `tip ${height + 1}`
      ])
    })

    it('delivers the whole transaction, and the spend of its output as well', async () => {
      const watcher = recordingWatcher()
      await chain.watchScript(script, watcher).ready
      const { txid: id, vout } = await funded()
      const spend = spendOf(id, { vout })
      assert.equal((await chain.broadcast(parseTransaction(bytesOf(spend)))).txid, spend.getId())
      const history = await watcher.histories.when((entries) => entries.length === 2)
      assert.deepEqual(
        history.map((entry) => entry.transaction.txid),
        [id, spend.getId()]
      )
      assert.deepEqual(history[1], {
        transaction: parseTransaction(bytesOf(spend)),
        height: undefined
      })
    })

    it('delivers the known history to a later watcher, and nothing to one that has stopped', async () => {
      const [early, late] = [recordingWatcher(), recordingWatcher()]
      const watch = chain.watchScript(script, early)
      await watch.ready
      watch.stop()
      watch.stop()
      const { txid: id } = await funded()
      await chain.watchScript(script, late).ready
      assert.deepEqual(
        late.histories.all.map((history) => history.map((entry) => entry.transaction.txid)),
        [[id]]
      )
      assert.deepEqual(early.histories.all, [[]])
    })

    it('says of a watch that it is current, from the first history on, until there is no connection', async () => {
      const watch = chain.watchScript(other, recordingWatcher())
      assert.equal(watch.isCurrent, false, 'nobody has told yet')
      await watch.ready
      assert.equal(watch.isCurrent, true)
      await world.mine(1)
      assert.equal(watch.isCurrent, true, 'a block changes nothing about that')
      await world.disconnect()
      assert.equal(watch.isCurrent, false)
      const back = statuses.when((status) => status === 'synced', statuses.all.length)
      await world.reconnect()
      await back
      while (!watch.isCurrent) {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      }
      watch.stop()
    })

    it('says how many servers have taken a broadcast, of how many, and why the others have not', async () => {
      const { txid: id, vout } = await funded()
      const spend = spendOf(id, { vout })
      assert.deepEqual(await chain.broadcast(parseTransaction(bytesOf(spend))), {
        txid: spend.getId(),
        taken: 1,
        of: 1,
        refusals: []
      })
    })

    it('resolves a broadcast of what the mempool or the chain has already', async () => {
      const { txid: id, vout } = await funded()
      const spend = spendOf(id, { vout })
      assert.equal((await chain.broadcast(parseTransaction(bytesOf(spend)))).txid, spend.getId())
      assert.equal((await chain.broadcast(parseTransaction(bytesOf(spend)))).txid, spend.getId())
      await world.mine(1)
      assert.equal((await chain.broadcast(parseTransaction(bytesOf(spend)))).txid, spend.getId())
    })

    describe('refuses a broadcast', () => {
      async function refusalOf(transaction: Transaction): Promise<unknown> {
        const error: unknown = await chain.broadcast(parseTransaction(bytesOf(transaction))).then(
          () => undefined,
          (reason: unknown) => reason
        )
        assert.ok(error instanceof Error && 'code' in error && 'facts' in error)
        assert.equal(error.code, 'ERR_BROADCAST_REFUSED')
        assert.ok(
          typeof error.facts === 'object' &&
            error.facts !== null &&
            'kind' in error.facts &&
            'reason' in error.facts
        )
        return error.facts.kind
      }

      it('of inputs that do not exist', async () => {
        assert.equal(await refusalOf(spendOf(txid('ab'.repeat(32)))), 'missing-inputs')
      })

      it('before its lock height, and takes it from then on', async () => {
        const { txid: id, vout } = await funded()
        const { height } = await tips.when(() => true)
        await world.mine(1)
        const spend = spendOf(id, { vout, lock: height + 2 })
        assert.equal(await refusalOf(spend), 'non-final')
        await world.mine(1)
        assert.equal((await chain.broadcast(parseTransaction(bytesOf(spend)))).txid, spend.getId())
      })

      it('before its relative lock, and takes it from then on', async () => {
        const { txid: id, vout } = await funded()
        await world.mine(1)
        const spend = spendOf(id, { vout, sequence: 2 })
        assert.equal(await refusalOf(spend), 'non-final')
        await world.mine(1)
        assert.equal((await chain.broadcast(parseTransaction(bytesOf(spend)))).txid, spend.getId())
      })

      it('below the relay fee', async () => {
        const { txid: id, vout } = await funded()
        assert.equal(await refusalOf(spendOf(id, { vout, fee: 10n })), 'fee-too-low')
      })

      it('that pays no more than what it would replace', async () => {
        const { txid: id, vout } = await funded()
        await chain.broadcast(parseTransaction(bytesOf(spendOf(id, { vout, fee: 1_000n }))))
        assert.equal(await refusalOf(spendOf(id, { vout, fee: 1_001n })), 'insufficient-fee')
        await chain.broadcast(parseTransaction(bytesOf(spendOf(id, { vout, fee: 5_000n }))))
      })
    })

    it('estimates a fee rate between 1 and 1,000 sat/vB', async () => {
      const rate = await chain.estimateFeeRate(blockDelta(6))
      assert.ok(rate >= feeRate(1_000n) && rate <= feeRate(1_000_000n))
    })

    it('tells what a mempool asks for: 1 sat/vB at least, to come in and to replace', async () => {
      const { minimum, incremental } = await chain.relayRates()
      assert.ok(minimum >= feeRate(1_000n) && minimum <= feeRate(1_000_000n))
      assert.ok(incremental >= feeRate(1_000n) && incremental <= feeRate(10_000n))
    })

    describe('without a connection', () => {
      it('says so, and delivers what happened meanwhile when it is back', async () => {
        const { height } = await tips.when(() => true)
        const watcher = recordingWatcher()
        await chain.watchScript(script, watcher).ready
        await world.disconnect()
        assert.equal(chain.status, 'down')
        await world.fund(script, AMOUNT)
        await world.mine(1)
        await world.reconnect()
        await watcher.histories.when(([entry]) => entry?.height === height + 1)
        await tips.when((tip) => tip.height === height + 1)
        assert.equal(chain.status, 'synced')
        assert.equal(statuses.last, 'synced')
      })

      it('lets a new watch and a broadcast wait', async () => {
        const { txid: id, vout } = await funded()
        await world.disconnect()
        const { ready } = chain.watchScript(script, recordingWatcher())
        const sent = chain.broadcast(parseTransaction(bytesOf(spendOf(id, { vout }))))
        assert.equal(await isSettled(ready), false)
        assert.equal(await isSettled(sent), false)
        await world.reconnect()
        await ready
        assert.equal((await sent).txid, spendOf(id, { vout }).getId())
      })
    })
  })
}

/** What holds besides where servers tell of a payment or a block before they answer a question. */
export function caughtUpContract(name: string, create: () => Promise<ChainFixture>): void {
  describe(`the chain port / ${name} / caught up`, () => {
    let world: ChainFixture

    beforeEach(async () => {
      world = await create()
      await synced(world.chain)
    })

    afterEach(async () => {
      await world.stop()
    })

    it('means that histories and tips are with their listeners, and questions answered', async () => {
      const { chain } = world
      const watcher = recordingWatcher()
      await chain.watchScript(script, watcher).ready
      const tips = new Recorder<Tip>()
      chain.onTip((tip) => {
        tips.push(tip)
      })
      const { height } = await tips.when(() => true)
      for (const block of [1, 2, 3]) {
        const id = await world.fund(script, AMOUNT)
        await chain.caughtUp()
        assert.equal(watcher.histories.last?.at(-1)?.transaction.txid, id)
        await world.mine(1)
        const rates = chain.relayRates()
        await chain.caughtUp()
        assert.equal(await isSettled(rates), true)
        assert.equal(tips.last?.height, height + block)
        const newest = watcher.histories.last?.at(-1)
        assert.deepEqual([newest?.transaction.txid, newest?.height], [id, height + block])
      }
    })

    it('waits for no server that is not there', async () => {
      await world.disconnect()
      await world.chain.caughtUp()
      assert.equal(world.chain.status, 'down')
      await world.reconnect()
      await synced(world.chain)
    })
  })
}

async function synced(chain: Chain): Promise<void> {
  const statuses = new Recorder<ChainStatus>()
  chain.onStatus((status) => {
    statuses.push(status)
  })
  if (chain.status !== 'synced') await statuses.when((status) => status === 'synced')
}

/** What holds besides for a chain whose backend can reorganise. */
export function reorganisationContract(
  name: string,
  create: () => Promise<ReorganisingFixture>
): void {
  describe(`the chain port / ${name} / a reorganisation`, () => {
    it('takes a confirmation away, and then shows the new tip', async () => {
      const { chain, fund, mine, reorg, stop } = await create()
      try {
        const tips = new Recorder<Tip>()
        chain.onTip((tip) => {
          tips.push(tip)
        })
        const watcher = recordingWatcher()
        await chain.watchScript(script, watcher).ready
        await fund(script, AMOUNT)
        await mine(1)
        await watcher.histories.when(([entry]) => entry?.height !== undefined)
        const before = watcher.histories.all.length
        const { height } = tips.last ?? { height: 0 }
        await reorg(1)
        await watcher.histories.when(
          ([entry]) => entry !== undefined && entry.height === undefined,
          before
        )
        await tips.when((tip) => tip.height > height)
      } finally {
        await stop()
      }
    })
  })
}
