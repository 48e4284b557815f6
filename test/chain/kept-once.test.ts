/** The bytes of a transaction take most of the memory of a watch: what is the same is kept once. */
import assert from 'node:assert/strict'
import {
  PooledScript,
  type Member,
  type PooledScriptContext
} from '../../src/chain/pooled-script.js'
import { makeTransaction } from '../../src/bitcoin/transaction.js'
import type { ProvedWatcher } from '../../src/chain/script-watch.js'
import { type Txid } from '../../src/types/bytes.js'
import { idOf } from './fake-chain.js'
import { recordingWatcher, testScript } from './helpers.js'
import { watchWorld, type WatchWorld } from './watch-world.js'

const script = testScript(1)

describe('transactions that are kept once', () => {
  describe('between a chain and who watches', () => {
    let world: WatchWorld
    let id: Txid

    beforeEach(async () => {
      world = await watchWorld()
      id = idOf(world.server.chain.pay(script))
      world.server.chain.mine()
      world.server.notifyTip()
    })

    afterEach(async () => {
      await world.stop()
    })

    /** What the history of a chain holds when the watcher keeps these bytes itself. */
    async function heldWith(kept: Uint8Array | undefined): Promise<Uint8Array | undefined> {
      const watcher = recordingWatcher()
      const { ready } = (await world.connect()).watchScript(script, {
        ...watcher,
        kept: (asked) => (asked === id ? kept : undefined)
      })
      await ready
      return watcher.histories.all.at(-1)?.[0]?.transaction.raw
    }

    it("two servers' histories hold the same array, when each is told what the other has", async () => {
      const first = await heldWith(undefined)
      assert.ok(first)
      assert.equal(await heldWith(first), first)
    })

    it('bytes that differ are not exchanged: the server has sent others', async () => {
      const sent = await heldWith(undefined)
      assert.ok(sent)
      const other = Uint8Array.from([...sent, 0])
      assert.deepEqual(await heldWith(other), sent)
    })
  })

  describe('between servers', () => {
    const transaction = makeTransaction({
      version: 2,
      inputs: [{ outPoint: { txid: 'ab'.repeat(32) as Txid, vout: 0 }, sequence: 0 }],
      outputs: []
    })
    const context: PooledScriptContext = {
      log: () => {},
      best: () => undefined,
      onError: () => true,
      onDifference: () => {},
      onOmission: () => {},
      later: () => () => {},
      onUnused: () => {}
    }

    function member(url: string, watchers: ProvedWatcher[]): Member {
      return {
        url,
        isUsed: true,
        blockAt: () => undefined,
        watchScript: (_script, watcher) => {
          watchers.push(watcher)
          return { ready: Promise.resolve(), isCurrent: true, stop: () => {} }
        }
      }
    }

    it('each is told what another one has sent, and what the one who watches keeps', () => {
      const watchers: ProvedWatcher[] = []
      const pooled = new PooledScript(script, context)
      pooled.add({
        onHistory: () => {},
        onError: () => {},
        kept: (id) => (id === 'cd'.repeat(32) ? transaction.raw : undefined)
      })
      pooled.attach(member('tcp://first', watchers))
      pooled.attach(member('tcp://second', watchers))
      const [first, second] = watchers
      assert.equal(second?.kept?.(transaction.txid), undefined)
      first?.onHistory([{ transaction, height: undefined }])
      assert.equal(second?.kept?.(transaction.txid), transaction.raw)
      assert.equal(second?.kept?.('cd'.repeat(32) as Txid), transaction.raw)
    })
  })
})
