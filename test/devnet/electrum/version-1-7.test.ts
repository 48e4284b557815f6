/**
 * What protocol 1.7 adds: scripts named by themselves, outpoints, questions before a broadcast,
 * another ping.
 */
import assert from 'node:assert/strict'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { createElectrumChain, type ElectrumChain } from '../../../src/chain/chain.js'
import { startDevnet, type Devnet } from '../../../src/devnet/index.js'
import type { ChainStatus } from '../../../src/engine/ports.js'
import { toHex } from '../../../src/types/bytes.js'
import { realClock, Recorder, recordingWatcher, seededRandom } from '../../chain/helpers.js'
import { TollGate } from '../../toll.js'
import {
  alice,
  bob,
  BOB,
  coinOfAlice,
  output,
  signed,
  type Spendable,
  statusOf,
  TestClient
} from '../support.js'

const SPK = toHex(bob.script)

describe('devnet / electrum / protocol 1.7', () => {
  let devnet: Devnet
  let client: TestClient
  let coin: Spendable

  beforeEach(async () => {
    devnet = await startDevnet({ seed: 'version 1.7' })
    client = await TestClient.connect(devnet.port, '1.7')
    coin = await coinOfAlice(devnet, 100_000n)
  })

  afterEach(async () => {
    client.close()
    await devnet.stop()
  })

  const pay = (fee: bigint): ReturnType<typeof signed> =>
    signed({ from: [{ ...coin, owner: alice }], to: [[bob.script, 100_000n - fee]] })

  it('names scripts by themselves, and tells their changes by their hash, as ElectrumX does', async () => {
    assert.equal(await client.call('blockchain.scriptpubkey.subscribe', SPK), null)
    await devnet.submit(pay(1_000n).toBuffer())
    const status = statusOf(`${pay(1_000n).getId()}:0:`)
    assert.deepEqual(await client.next(), {
      jsonrpc: '2.0',
      method: 'blockchain.scriptpubkey.subscribe',
      params: [BOB, status]
    })
    assert.deepEqual(await client.call('blockchain.scriptpubkey.get_history', SPK), [
      { tx_hash: pay(1_000n).getId(), height: 0, fee: 1_000 }
    ])
    assert.equal(await client.call('blockchain.scriptpubkey.unsubscribe', SPK), true)
    assert.deepEqual(await client.fail('blockchain.scriptpubkey.get_balance', 'no hex'), {
      code: 1,
      message: 'no hex should be hex'
    })
  })

  it('tells of an outpoint: made, spent, in blocks', async () => {
    const [first] = [pay(1_000n)]
    const spend = signed({
      from: [{ ...output(first, 0), owner: bob }],
      to: [[alice.script, 98_000n]]
    })
    const name = [first.getId(), 0, SPK]
    assert.deepEqual(await client.call('blockchain.outpoint.subscribe', ...name), {})
    const told = async (): Promise<unknown> => {
      const line = await client.next()
      assert.ok(
        typeof line === 'object' &&
          line !== null &&
          'method' in line &&
          'params' in line &&
          Array.isArray(line.params)
      )
      assert.deepEqual(
        [line.method, line.params.slice(0, 2)],
        ['blockchain.outpoint.subscribe', [first.getId(), 0]]
      )
      return line.params[2]
    }
    await devnet.submit(first.toBuffer())
    assert.deepEqual(await told(), { funder_height: 0 })
    await devnet.submit(spend.toBuffer())
    assert.deepEqual(await told(), {
      funder_height: 0,
      spender_txhash: spend.getId(),
      spender_height: -1
    })
    await devnet.mine(1)
    const { height } = devnet
    assert.deepEqual(await told(), {
      funder_height: height,
      spender_txhash: spend.getId(),
      spender_height: height
    })
    assert.deepEqual(await client.call('blockchain.outpoint.get_status', ...name), {
      funder_height: height,
      spender_txhash: spend.getId(),
      spender_height: height
    })
    assert.deepEqual(
      [
        await client.call('blockchain.outpoint.unsubscribe', first.getId(), 0),
        await client.call('blockchain.outpoint.unsubscribe', first.getId(), 0)
      ],
      [true, false]
    )
    assert.deepEqual(await client.call('blockchain.outpoint.get_status', first.getId(), 7, SPK), {})
  })

  it('says whether a mempool would take a transaction, and takes none by that', async () => {
    const [good, bad] = [pay(1_000n), pay(1n)]
    const verdicts = (await client.call('blockchain.transaction.testmempoolaccept', [
      good.toHex(),
      bad.toHex()
    ])) as Array<Record<string, unknown>>
    assert.deepEqual(
      verdicts.map(({ txid, allowed, reason }) => [txid, allowed, reason]),
      [
        [good.getId(), true, undefined],
        [bad.getId(), false, 'min relay fee not met, 1 < 110']
      ]
    )
    assert.deepEqual(await devnet.backend.mempool(), [])
    await devnet.submit(good.toBuffer())
    assert.deepEqual(await client.call('mempool.recent'), [
      { txid: good.getId(), fee: 1_000, vsize: good.virtualSize() }
    ])
  })

  it('answers a ping with as much as is asked for, and takes one that wants no answer', async () => {
    assert.deepEqual(await client.call('server.ping', 4, 'ab'), { data: '0000' })
    assert.deepEqual(await client.call('server.ping'), { data: '' })
    client.write(JSON.stringify({ jsonrpc: '2.0', method: 'server.ping', params: ['00'] }))
    assert.deepEqual(await client.call('server.ping', 1), { data: '0' })
    assert.deepEqual(await client.fail('server.ping', 2_000_000), {
      code: 1,
      message: 'pong_len is at most 1000000'
    })
  })

  describe('and our own side of it', () => {
    let gate: TollGate
    let chain: ElectrumChain

    beforeEach(async () => {
      gate = await new TollGate(devnet).open()
      chain = createElectrumChain({
        url: gate.url,
        network: 'regtest',
        clock: realClock,
        random: seededRandom()
      })
      const statuses = new Recorder<ChainStatus>()
      chain.onStatus((status) => {
        statuses.push(status)
      })
      await chain.start()
      await statuses.when((status) => status === 'synced')
    })

    afterEach(async () => {
      await chain.stop()
      await gate.close()
    })

    it('agrees on it, and watches scripts with it', async () => {
      const watcher = recordingWatcher()
      await chain.watchScript(bob.script, watcher).ready
      await devnet.submit(pay(1_000n).toBuffer())
      await watcher.histories.when((history) => history.length === 1)
      await devnet.mine(1)
      await watcher.histories.when(([each]) => each?.height === devnet.height)
      const methods = new Set(gate.requests.map(({ method }) => method))
      assert.deepEqual(
        [
          methods.has('blockchain.scriptpubkey.subscribe'),
          methods.has('blockchain.scripthash.subscribe')
        ],
        [true, false]
      )
      assert.deepEqual(gate.refused, [])
    })

    it('asks before it sends: a refusal is the same, and costs a hundredth', async () => {
      await assert.rejects(chain.broadcast(parseTransaction(pay(1n).toBuffer())), {
        code: 'ERR_BROADCAST_REFUSED',
        message: /min relay fee not met, 1 < 110/
      })
      assert.deepEqual(gate.refused, [])
      const id = pay(1_000n).getId()
      assert.equal((await chain.broadcast(parseTransaction(pay(1_000n).toBuffer()))).txid, id)
      assert.equal(
        (await chain.broadcast(parseTransaction(pay(1_000n).toBuffer()))).txid,
        id,
        'what is there already is taken'
      )
      await devnet.mine(1)
      assert.equal(
        (await chain.broadcast(parseTransaction(pay(1_000n).toBuffer()))).txid,
        id,
        'also in a block'
      )
      assert.deepEqual(gate.refused, [])
    })
  })
})
