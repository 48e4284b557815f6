/**
 * A script to which strangers have paid so often that a server does not tell its history any more:
 * what becomes of the output that matters.
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import {
  createElectrumChain,
  type ElectrumChain,
  type ServerReport
} from '../../src/chain/chain.js'
import { createServerPool } from '../../src/chain/pool.js'
import type { ChainStatus, Clock } from '../../src/engine/ports.js'
import { hashFromTxid, type OutPoint } from '../../src/types/bytes.js'
import { idOf } from './fake-chain.js'
import { FakeServer, Refusal } from './fake-server.js'
import {
  realClock,
  Recorder,
  recordingWatcher,
  seededRandom,
  testScript,
  type RecordingWatcher
} from './helpers.js'

const SCRIPT = testScript(1)
/** For how long a server may leave out what another one has proved. */
const OMISSION = 12_345

describe('electrum chain / an outpoint of a script whose history is too long', () => {
  let server: FakeServer
  let funding: Transaction
  let outPoint: OutPoint
  let chain: ElectrumChain
  let status: Record<string, unknown>
  const ends: Array<() => Promise<void>> = []

  beforeEach(async () => {
    server = await new FakeServer().listen()
    server.version = '1.7'
    server.chain.mine(3)
    funding = server.chain.pay(SCRIPT)
    server.chain.mine(1)
    outPoint = { txid: idOf(funding), vout: 0 }
    status = { funder_height: 4 }
    for (const method of [
      'blockchain.scriptpubkey.subscribe',
      'blockchain.scriptpubkey.get_history'
    ]) {
      server.on(method, () => {
        throw new Refusal('history too large')
      })
    }
    server.on('blockchain.outpoint.subscribe', ([id, vout]) => {
      assert.deepEqual([id, vout], [outPoint.txid, 0])
      return status
    })
    ends.push(async () => {
      await server.close()
    })
  })

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function synced(made: ElectrumChain): Promise<void> {
    chain = made
    ends.push(async () => {
      await chain.stop()
    })
    const statuses = new Recorder<ChainStatus>()
    chain.onStatus((each) => {
      statuses.push(each)
    })
    await chain.start()
    await statuses.when((each) => each === 'synced')
  }

  const alone = async (): Promise<void> => {
    await synced(
      createElectrumChain({
        url: server.url,
        network: 'regtest',
        clock: realClock,
        random: seededRandom()
      })
    )
  }
  const watched = (): RecordingWatcher => ({ ...recordingWatcher(), outPoint: () => outPoint })

  function spend(): Transaction {
    const transaction = new Transaction()
    transaction.version = 2
    transaction.addInput(hashFromTxid(outPoint.txid), 0)
    transaction.addOutput(testScript(2), 1_000n)
    return transaction
  }

  it('is told of: what has made it, and what spends it, proved as ever', async () => {
    await alone()
    const watcher = watched()
    const watch = chain.watchScript(SCRIPT, watcher)
    await watch.ready
    assert.deepEqual(
      [
        watcher.histories.last?.map(({ transaction: { txid }, height }) => [txid, height]),
        watch.isCurrent
      ],
      [[[outPoint.txid, 4]], true]
    )
    const spender = spend()
    server.chain.mempool.push(spender)
    server.chain.mine(1)
    status = { funder_height: 4, spender_txhash: idOf(spender), spender_height: 5 }
    server.notifyTip()
    server.notify('blockchain.outpoint.subscribe', [outPoint.txid, 0, status])
    const history = await watcher.histories.when((each) => each.length === 2)
    assert.deepEqual(
      history.map(({ transaction: { txid }, height }) => [txid, height]),
      [
        [outPoint.txid, 4],
        [idOf(spender), 5]
      ]
    )
    assert.deepEqual(watcher.errors.all, [])
  })

  it('is not told of without a proof: a spend in no block that was shown is refused', async () => {
    await alone()
    const watcher = watched()
    await chain.watchScript(SCRIPT, watcher).ready
    server.chain.mempool.push(spend())
    status = { funder_height: 4, spender_txhash: idOf(spend()), spender_height: 3 }
    server.notify('blockchain.outpoint.subscribe', [outPoint.txid, 0, status])
    const error = await watcher.errors.next()
    assert.match(error.message, /claims a confirmation/)
  })

  it('does not help whoever has no outpoint, nor with a version that knows none', async () => {
    await alone()
    await assert.rejects(chain.watchScript(SCRIPT, recordingWatcher()).ready, {
      code: 'ERR_ELECTRUM_REFUSED',
      message: /history too large/
    })
    server.version = '1.6'
    for (const method of ['blockchain.scripthash.subscribe', 'blockchain.scripthash.get_history']) {
      server.on(method, () => {
        throw new Refusal('history too large')
      })
    }
    await chain.stop()
    await alone()
    await assert.rejects(chain.watchScript(SCRIPT, watched()).ready, {
      code: 'ERR_ELECTRUM_REFUSED'
    })
  })

  it('beside a server that tells all: nobody is called a liar for what strangers have paid', async () => {
    const other = await new FakeServer().listen()
    ends.push(async () => {
      await other.close()
    })
    server.chain.pay(SCRIPT)
    server.chain.mine(1)
    other.chain.blocks.splice(0, other.chain.blocks.length, ...server.chain.blocks)
    const reports = new Recorder<ServerReport>()
    const waits: number[] = []
    const clock: Clock = {
      now: () => realClock.now(),
      after: (ms, callback) => {
        waits.push(ms)
        return realClock.after(ms, callback)
      }
    }
    await synced(
      createServerPool({
        servers: [{ url: server.url }, { url: other.url }],
        network: 'regtest',
        clock,
        random: seededRandom(),
        times: { omission: OMISSION, settle: 5, answers: 100 },
        onReport: (report) => {
          reports.push(report)
        }
      })
    )
    const watcher = watched()
    await chain.watchScript(SCRIPT, watcher).ready
    await watcher.histories.when((each) => each.length === 2)
    server.chain.mine(1)
    other.chain.blocks.splice(0, other.chain.blocks.length, ...server.chain.blocks)
    const tips = new Recorder<number>()
    chain.onTip(({ height }) => {
      tips.push(height)
    })
    for (const from of [server, other]) from.notifyTip()
    await tips.when((height) => height === server.chain.height)
    assert.deepEqual(
      [reports.all, chain.servers.map(({ state }) => state), waits.includes(OMISSION)],
      [[], ['used', 'used'], false],
      'nor waited for'
    )
  })
})
