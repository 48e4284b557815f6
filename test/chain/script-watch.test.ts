import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import { scriptHashOf } from '../../src/chain/script-watch.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import { fromHex, txid, type Txid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { idOf, merkleProof } from './fake-chain.js'
import { FakeServer, Refusal, SILENCE } from './fake-server.js'
import { isSettled, realClock, Recorder, recordingWatcher, seededRandom, testScript, type History } from './helpers.js'

const script = testScript(1)

function entries (history: History): Array<[Txid, number | undefined]> {
  return history.map(({ txid, height }) => [txid, height])
}

describe('electrum chain / watchScript', () => {
  let server: FakeServer
  let chain: ElectrumChain
  let statuses: Recorder<ChainStatus>

  async function start (): Promise<void> {
    chain = createElectrumChain({ url: server.url, network: 'regtest', clock: realClock, random: seededRandom(), timeouts: { retryFirst: 2, retryMost: 20 } })
    statuses = new Recorder()
    chain.onStatus(status => { statuses.push(status) })
    await chain.start()
    await statuses.when(status => status === 'synced')
  }

  beforeEach(async () => {
    server = await new FakeServer().listen()
    server.chain.mine(3)
    await start()
  })

  afterEach(async () => {
    await chain.stop()
    await server.close()
  })

  it('names a script as the Electrum protocol does', () => {
    // The example of the protocol's documentation: P2PKH of the first block's coinbase address.
    assert.equal(scriptHashOf(fromHex('76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac')), '8b01df4e368ea28f8dc0423bcf7a4923e3a12d307c875e47a0cfbf90b5c39161')
  })

  it('is ready with an empty history', async () => {
    const watcher = recordingWatcher()
    await chain.watchScript(script, watcher).ready
    assert.deepEqual(watcher.histories.all, [[]])
  })

  it('delivers what comes into the mempool, and then its block, each once', async () => {
    const watcher = recordingWatcher()
    await chain.watchScript(script, watcher).ready
    const transaction = server.chain.pay(script)
    server.notifyScript(script)
    server.notifyScript(script)
    const [seen] = await watcher.histories.when(history => history.length === 1)
    assert.deepEqual(seen, { txid: idOf(transaction), raw: Uint8Array.from(transaction.toBuffer()), height: undefined })
    server.chain.mine()
    server.notifyTip()
    server.notifyScript(script)
    await watcher.histories.when(history => history[0]?.height === 4)
    assert.equal(watcher.histories.all.length, 3)
    assert.deepEqual(watcher.errors.all, [])
  })

  it('delivers spends of the script\'s outputs', async () => {
    const watcher = recordingWatcher()
    const funding = server.chain.pay(script)
    const spend = new Transaction()
    spend.addInput(funding.getHash(), 0)
    spend.addOutput(testScript(2), 900n)
    server.chain.mempool.push(spend)
    await chain.watchScript(script, watcher).ready
    assert.deepEqual(entries(watcher.histories.last ?? []), [[idOf(funding), undefined], [idOf(spend), undefined]])
  })

  for (const [what, notify] of [
    ['the header first', () => { server.notifyTip(); server.notifyScript(script) }],
    ['the history first', () => { server.notifyScript(script); server.notifyTip() }],
    ['the header only', () => { server.notifyTip() }]
  ] as const) {
    it(`delivers the history of a block before its tip when the server sends ${what}`, async () => {
      const events = new Recorder<string>()
      server.chain.pay(script)
      await chain.watchScript(script, { onHistory: ([first]) => { events.push(`history ${first?.height}`) }, onError: () => {} }).ready
      chain.onTip(({ height }) => { events.push(`tip ${height}`) })
      server.chain.mine()
      notify()
      await events.when(event => event === 'tip 4')
      assert.deepEqual(events.all, ['history undefined', 'tip 3', 'history 4', 'tip 4'])
    })
  }

  it('does not let a history that never comes hold back the tip for ever', async () => {
    const tips = new Recorder<number>()
    server.chain.pay(script)
    await chain.stop()
    const late = new Recorder<() => void>()
    // Time stands still except for the one limit that this is about.
    const clock = { now: () => 0, after: (ms: number, callback: () => void) => { if (ms === 3000) late.push(callback); return () => {} } }
    chain = createElectrumChain({ url: server.url, network: 'regtest', clock, random: seededRandom() })
    chain.onTip(({ height }) => { tips.push(height) })
    await chain.start()
    await chain.watchScript(script, recordingWatcher()).ready
    await tips.when(height => height === 3)
    server.on('blockchain.scripthash.get_history', () => SILENCE)
    server.chain.mine()
    const next = late.next()
    server.notifyTip()
    const callback = await next
    await server.requests.when(({ method }) => method === 'blockchain.scripthash.get_history')
    callback()
    await tips.when(height => height === 4)
  })

  it('fetches again when the history changes while it is fetched', async () => {
    const watcher = recordingWatcher()
    await chain.watchScript(script, watcher).ready
    server.chain.pay(script)
    server.on('blockchain.transaction.get', ([id]) => {
      server.restore('blockchain.transaction.get')
      server.chain.pay(script, 2000n)
      server.notifyScript(script)
      return server.honest('blockchain.transaction.get', [id])
    })
    server.notifyScript(script)
    await watcher.histories.when(history => history.length === 2)
  })

  describe('several watchers of one script', () => {
    it('share one subscription; the second has the history at once', async () => {
      server.chain.pay(script)
      const [one, two, three] = [recordingWatcher(), recordingWatcher(), recordingWatcher()]
      const [first, second] = [chain.watchScript(script, one), chain.watchScript(script, two)]
      await Promise.all([first.ready, second.ready])
      await chain.watchScript(script, three).ready
      assert.equal(server.count('blockchain.scripthash.subscribe'), 1)
      assert.deepEqual(two.histories.all, one.histories.all)
      assert.deepEqual(three.histories.all, one.histories.all)
    })

    it('stop one by one', async () => {
      const [one, two] = [recordingWatcher(), recordingWatcher()]
      const [first, second] = [chain.watchScript(script, one), chain.watchScript(script, two)]
      await Promise.all([first.ready, second.ready])
      first.stop()
      first.stop()
      server.chain.pay(script)
      server.notifyScript(script)
      await two.histories.when(history => history.length === 1)
      assert.equal(one.histories.all.length, 1)
      second.stop()
      const three = recordingWatcher()
      await chain.watchScript(script, three).ready
      assert.equal(two.histories.all.length, 2)
      assert.equal(three.histories.last?.length, 1)
    })

    it('do not suffer when one of them throws', async () => {
      const watcher = recordingWatcher()
      const bad = chain.watchScript(script, { onHistory: () => { throw new Error('a bug') }, onError: () => {} })
      await Promise.all([bad.ready, chain.watchScript(script, watcher).ready])
      assert.equal(watcher.histories.all.length, 1)
    })

    it('leave nothing behind, however many come and go', async () => {
      for (let n = 0; n < 50; n++) {
        const watch = chain.watchScript(script, recordingWatcher())
        await watch.ready
        watch.stop()
        chain.onTip(() => {})()
        chain.onStatus(() => {})()
      }
      const histories = server.count('blockchain.scripthash.get_history')
      server.notifyScript(script)
      server.chain.mine()
      const tip = new Recorder<number>()
      chain.onTip(({ height }) => { tip.push(height) })
      server.notifyTip()
      await tip.when(height => height === 4)
      assert.equal(server.count('blockchain.scripthash.get_history'), histories)
    })
  })

  describe('across connections', () => {
    it('waits while the server is down, and is ready when it comes up', async () => {
      await server.close()
      await statuses.when(status => status === 'down')
      const watcher = recordingWatcher()
      const { ready } = chain.watchScript(script, watcher)
      assert.equal(await isSettled(ready), false)
      server.chain.pay(script)
      await server.listen()
      await ready
      assert.equal(watcher.histories.last?.length, 1)
    })

    it('delivers what changed while the server was away, before the tip', async () => {
      const events = new Recorder<string>()
      await chain.watchScript(script, { onHistory: history => { events.push(`history of ${history.length}`) }, onError: () => {} }).ready
      chain.onTip(({ height }) => { events.push(`tip ${height}`) })
      await server.close()
      server.chain.pay(script)
      server.chain.mine(2)
      await server.listen()
      await events.when(event => event === 'tip 5')
      assert.deepEqual(events.all, ['history of 0', 'tip 3', 'history of 1', 'tip 5'])
    })

    it('says nothing when nothing has changed', async () => {
      const watcher = recordingWatcher()
      server.chain.pay(script)
      await chain.watchScript(script, watcher).ready
      const seen = statuses.all.length
      server.drop()
      await statuses.when(status => status === 'synced', seen)
      assert.equal(server.count('blockchain.scripthash.subscribe'), 2)
      assert.equal(watcher.histories.all.length, 1)
      assert.deepEqual(watcher.errors.all, [])
    })

    for (const method of ['blockchain.scripthash.subscribe', 'blockchain.scripthash.get_history', 'blockchain.transaction.get', 'blockchain.transaction.get_merkle']) {
      it(`survives a drop in the middle of ${method}`, async () => {
        const transaction = server.chain.pay(script)
        server.chain.mine()
        server.notifyTip()
        server.on(method, () => {
          server.restore(method)
          server.drop()
          return SILENCE
        })
        const watcher = recordingWatcher()
        await chain.watchScript(script, watcher).ready
        assert.deepEqual(entries(watcher.histories.last ?? []), [[idOf(transaction), 4]])
        assert.deepEqual(watcher.errors.all, [])
      })
    }
  })

  describe('a watch that cannot be set up', () => {
    it('rejects when the server refuses the subscription, and is gone', async () => {
      const watcher = recordingWatcher()
      server.on('blockchain.scripthash.subscribe', () => { throw new Refusal('excessive resource usage') })
      await assert.rejects(chain.watchScript(script, watcher).ready, { code: 'ERR_ELECTRUM_REFUSED', message: /excessive resource usage/ })
      server.restore('blockchain.scripthash.subscribe')
      const again = recordingWatcher()
      await chain.watchScript(script, again).ready
      assert.equal(watcher.histories.all.length, 0)
    })

    it('does not end the process when nobody looks at the rejection', async () => {
      server.on('blockchain.scripthash.subscribe', () => { throw new Refusal('no') })
      chain.watchScript(script, recordingWatcher())
      await server.requests.when(({ method }) => method === 'blockchain.scripthash.subscribe')
      await chain.broadcast(server.chain.pay(script).toBuffer()).catch(() => {})
    })

    it('that stood before is an error to its watcher, and is tried again', async () => {
      const watcher = recordingWatcher()
      await chain.watchScript(script, watcher).ready
      server.on('blockchain.scripthash.subscribe', () => { throw new Refusal('busy') })
      server.chain.pay(script)
      server.drop()
      assert.match((await watcher.errors.when(() => true)).message, /busy/)
      server.restore('blockchain.scripthash.subscribe')
      await watcher.histories.when(history => history.length === 1)
    })

    it('is an error when the answer has the wrong form, and is tried again', async () => {
      const watcher = recordingWatcher()
      server.on('blockchain.scripthash.get_history', () => ({ no: 'list' }))
      const { ready } = chain.watchScript(script, watcher)
      assert.equal(codeOf(await watcher.errors.when(() => true)), 'ERR_ELECTRUM_PROTOCOL')
      server.restore('blockchain.scripthash.get_history')
      await ready
    })
  })

  describe('a server that lies', () => {
    /** The watch must report the lie, hold back the history, and believe the truth afterwards. */
    async function mustBeRefused (method: string, lie: (params: unknown[]) => unknown): Promise<void> {
      const transaction = server.chain.pay(script)
      server.chain.pay(testScript(9))
      server.chain.mine()
      server.notifyTip()
      const watcher = recordingWatcher()
      server.on(method, lie)
      const { ready } = chain.watchScript(script, watcher)
      assert.equal(codeOf(await watcher.errors.when(() => true)), 'ERR_CHAIN_LIED')
      await watcher.errors.next()
      assert.deepEqual(watcher.histories.all, [])
      server.restore(method)
      await ready
      assert.deepEqual(watcher.histories.all.map(entries), [[[idOf(transaction), 4]]])
    }

    it('with a false merkle proof', async () => {
      await mustBeRefused('blockchain.transaction.get_merkle', () => ({ ...merkleProof([txid('aa'.repeat(32)), txid('bb'.repeat(32))], 0), block_height: 4 }))
    })

    it('with a place outside the block', async () => {
      await mustBeRefused('blockchain.transaction.get_merkle', params => ({ ...Object(server.honest('blockchain.transaction.get_merkle', params)), pos: 1000 }))
    })

    it('with a confirmation and no proof', async () => {
      await mustBeRefused('blockchain.transaction.get_merkle', () => { throw new Refusal('no such block') })
    })

    it('with a confirmation in another block than the real one', async () => {
      await mustBeRefused('blockchain.scripthash.get_history', ([hash]) => server.chain.history(String(hash)).map(entry => ({ ...entry, height: 3 })))
    })

    it('with a confirmation above its own tip', async () => {
      await mustBeRefused('blockchain.scripthash.get_history', ([hash]) => server.chain.history(String(hash)).map(entry => ({ ...entry, height: 1000 })))
    })

    it('with another transaction than the one asked for', async () => {
      await mustBeRefused('blockchain.transaction.get', () => server.chain.pay(testScript(7)).toHex())
    })

    it('with bytes that are no transaction', async () => {
      await mustBeRefused('blockchain.transaction.get', () => 'deadbeef')
    })

    it('with a transaction that has nothing to do with the script', async () => {
      await mustBeRefused('blockchain.scripthash.get_history', () => server.chain.history(scriptHashOf(testScript(9))))
    })

    it('with a transaction listed twice', async () => {
      await mustBeRefused('blockchain.scripthash.get_history', ([hash]) => [...server.chain.history(String(hash)), ...server.chain.history(String(hash))])
    })

    it('by taking back a confirmation that it has proved', async () => {
      server.chain.pay(script)
      server.chain.mine()
      server.notifyTip()
      const watcher = recordingWatcher()
      await chain.watchScript(script, watcher).ready
      for (const lie of [[], [{ tx_hash: watcher.histories.last?.[0]?.txid, height: 0 }]]) {
        server.on('blockchain.scripthash.get_history', () => lie)
        const next = watcher.errors.next()
        server.notifyScript(script)
        assert.match((await next).message, /takes back a confirmation/)
      }
      assert.equal(watcher.histories.all.length, 1)
    })
  })

  describe('reorganisations', () => {
    let transaction: Transaction
    let watcher: ReturnType<typeof recordingWatcher>

    beforeEach(async () => {
      transaction = server.chain.pay(script)
      server.chain.mine(2)
      server.notifyTip()
      watcher = recordingWatcher()
      await chain.watchScript(script, watcher).ready
      assert.deepEqual(entries(watcher.histories.last ?? []), [[idOf(transaction), 4]])
    })

    it('take a confirmation away again, without the server having to say so', async () => {
      server.chain.unmine(2)
      const waiting = server.chain.mempool.splice(0)
      server.chain.mine(3)
      server.chain.mempool.push(...waiting)
      server.notifyTip()
      await watcher.histories.when(([first]) => first?.height === undefined)
      assert.deepEqual(watcher.errors.all, [])
    })

    it('take a transaction away altogether', async () => {
      server.chain.unmine(2)
      server.chain.mempool.splice(0)
      server.chain.mine(3)
      server.notifyTip()
      await watcher.histories.when(history => history.length === 0)
    })

    it('move a transaction to another height', async () => {
      server.chain.unmine(2)
      const waiting = server.chain.mempool.splice(0)
      server.chain.mine(1)
      server.chain.mempool.push(...waiting)
      server.chain.mine(2)
      server.notifyTip()
      await watcher.histories.when(([first]) => first?.height === 5)
    })

    it('are checked anew when the block is another one at the same height', async () => {
      const proofs = server.count('blockchain.transaction.get_merkle')
      server.chain.unmine(2)
      server.chain.mine(3)
      const tips = new Recorder<number>()
      chain.onTip(({ height }) => { tips.push(height) })
      server.notifyTip()
      await tips.when(height => height === 6)
      assert.equal(server.count('blockchain.transaction.get_merkle'), proofs + 1)
      assert.equal(watcher.histories.all.length, 1)
    })

    it('are noticed when the history tells of them before the header does', async () => {
      server.chain.unmine(2)
      const waiting = server.chain.mempool.splice(0)
      server.chain.mine(3)
      server.chain.mempool.push(...waiting)
      server.notifyScript(script)
      await watcher.histories.when(([first]) => first?.height === undefined)
      assert.deepEqual(watcher.errors.all, [])
    })

    it('between a history and its proofs are no lie', async () => {
      await chain.stop()
      await start()
      const late = recordingWatcher()
      server.on('blockchain.transaction.get_merkle', params => {
        server.restore('blockchain.transaction.get_merkle')
        server.chain.unmine(2)
        server.chain.mine(3)
        return server.honest('blockchain.transaction.get_merkle', params)
      })
      await chain.watchScript(script, late).ready
      assert.deepEqual(entries(late.histories.last ?? []), [[idOf(transaction), 4]])
      assert.deepEqual(late.errors.all, [])
    })
  })
})
