import assert from 'node:assert/strict'
import { once } from 'node:events'
import fc from 'fast-check'
import { startDevnet, type Devnet } from '../../../src/devnet/index.js'
import { MAX_LINE_BYTES, startElectrumServer } from '../../../src/devnet/electrum/session.js'
import { satoshi } from '../../../src/types/units.js'
import {
  accept,
  alice,
  ALICE,
  bob,
  BOB,
  coinFor,
  coinOfAlice,
  freshChain,
  output,
  signed,
  type Spendable,
  statusOf,
  TestClient
} from '../support.js'

describe('devnet / electrum / session', () => {
  let devnet: Devnet
  let client: TestClient

  beforeEach(async () => {
    devnet = await startDevnet({ seed: 'session test' })
    client = await TestClient.connect(devnet.port)
  })

  afterEach(async () => {
    client.close()
    await devnet.stop()
  })

  const coin = async (value: bigint): Promise<Spendable> => await coinOfAlice(devnet, value)

  describe('subscriptions', () => {
    it('tell a new tip', async () => {
      const tip = await client.call('blockchain.headers.subscribe')
      assert.deepEqual(tip, { hex: await client.call('blockchain.block.header', 120), height: 120 })
      await devnet.mine(1)
      const told = await client.next()
      assert.deepEqual(told, {
        jsonrpc: '2.0',
        method: 'blockchain.headers.subscribe',
        params: [{ hex: await client.call('blockchain.block.header', 121), height: 121 }]
      })
    })

    it('tell a reorganisation once: the new tip, then the scripts whose history it changed', async () => {
      const txid = await devnet.fund(bob.address, 10_000n)
      await devnet.mine(2)
      const { height } = devnet
      await client.call('blockchain.headers.subscribe')
      await client.call('blockchain.scripthash.subscribe', BOB)
      await client.call('blockchain.scripthash.subscribe', ALICE)
      const told = [client.next(), client.next()]
      await devnet.reorg(2)
      const hex = await client.call('blockchain.block.header', height + 1)
      assert.deepEqual(await Promise.all(told), [
        {
          jsonrpc: '2.0',
          method: 'blockchain.headers.subscribe',
          params: [{ hex, height: height + 1 }]
        },
        {
          jsonrpc: '2.0',
          method: 'blockchain.scripthash.subscribe',
          params: [BOB, statusOf(`${txid}:0:`)]
        }
      ])
    })

    it('tell every change of a script: seen, replaced, confirmed, and its children losing their unconfirmed parent', async () => {
      const alices = await coin(100_000n)
      await client.call('blockchain.scripthash.subscribe', BOB)
      const changed = async (): Promise<unknown> => {
        const line = await client.next()
        assert.ok(typeof line === 'object' && line !== null && 'method' in line && 'params' in line)
        assert.equal(line.method, 'blockchain.scripthash.subscribe')
        return line.params
      }
      const pay = (fee: bigint): ReturnType<typeof signed> =>
        signed({ from: [{ ...alices, owner: alice }], to: [[bob.script, 100_000n - fee]] })
      await devnet.submit(pay(1_000n).toBuffer())
      assert.deepEqual(await changed(), [BOB, statusOf(`${pay(1_000n).getId()}:0:`)])
      await devnet.submit(pay(2_000n).toBuffer())
      assert.deepEqual(await changed(), [BOB, statusOf(`${pay(2_000n).getId()}:0:`)])
      await devnet.mine(1)
      assert.deepEqual(await changed(), [BOB, statusOf(`${pay(2_000n).getId()}:122:`)])
    })

    it('tell of a transaction that loses its unconfirmed parents only once it has lost the last', async () => {
      // A block has room for one transaction beside the coinbase: one with one input and one output
      // has 437 to 439 weight units.
      const chain = await freshChain({ maxWeight: 600 })
      const server = await startElectrumServer(chain, '127.0.0.1', 0)
      const watcher = await TestClient.connect(server.port)
      const coins = [
        await coinFor(chain, alice.script, 50_000n),
        await coinFor(chain, alice.script, 60_000n)
      ]
      const parents = coins.map((each, i) =>
        signed({
          from: [{ ...each, owner: alice }],
          to: [[alice.script, each.value - 2_000n + BigInt(i)]]
        })
      )
      const child = signed({
        from: parents.map((each) => ({ ...output(each, 0), owner: alice })),
        to: [[bob.script, 105_000n]]
      })
      for (const each of [...parents, child]) await accept(chain, each)
      assert.equal(
        await watcher.call('blockchain.scripthash.subscribe', BOB),
        statusOf(`${child.getId()}:-1:`)
      )
      await chain.mine(1)
      assert.equal(await watcher.call('server.ping'), null)
      await chain.mine(1)
      assert.deepEqual(await watcher.next(), {
        jsonrpc: '2.0',
        method: 'blockchain.scripthash.subscribe',
        params: [BOB, statusOf(`${child.getId()}:0:`)]
      })
      watcher.close()
      await server.stop()
    })

    it('tell nothing more once they are ended', async () => {
      await client.call('blockchain.scripthash.subscribe', BOB)
      assert.equal(await client.call('blockchain.scripthash.unsubscribe', BOB), true)
      assert.equal(await client.call('blockchain.scripthash.unsubscribe', BOB), false)
      await devnet.fund(bob.address, satoshi(1_000n))
      assert.equal(await client.call('server.ping'), null)
    })

    it('answer a broadcast before they tell what it changed', async () => {
      const tx = signed({
        from: [{ ...(await coin(100_000n)), owner: alice }],
        to: [[bob.script, 99_000n]]
      })
      await client.call('blockchain.scripthash.subscribe', BOB)
      assert.equal(await client.call('blockchain.transaction.broadcast', tx.toHex()), tx.getId())
      assert.deepEqual(await client.next(), {
        jsonrpc: '2.0',
        method: 'blockchain.scripthash.subscribe',
        params: [BOB, statusOf(`${tx.getId()}:0:`)]
      })
    })

    it('do not tell a script that the block did not change', async () => {
      await client.call('blockchain.scripthash.subscribe', BOB)
      await client.call('blockchain.headers.subscribe')
      await devnet.fund(alice.address, satoshi(1_000n))
      await devnet.mine(3)
      const told = await client.next()
      assert.ok(
        typeof told === 'object' &&
          told !== null &&
          'method' in told &&
          told.method === 'blockchain.headers.subscribe'
      )
      assert.equal(await client.call('server.ping'), null)
    })
  })

  describe('devnet.*', () => {
    it('mines', async () => {
      const mined = await client.call('devnet.mine', 3)
      assert.ok(
        typeof mined === 'object' && mined !== null && 'height' in mined && 'hashes' in mined
      )
      assert.equal(mined.height, 123)
      assert.equal(devnet.height, 123)
      assert.ok(Array.isArray(mined.hashes) && mined.hashes.at(-1) === devnet.tip.hash)
      await client.call('devnet.mine')
      assert.equal(devnet.height, 124)
    })

    it('mines to an address', async () => {
      await client.call('devnet.mine', 1, bob.address)
      assert.deepEqual(
        (await devnet.utxos(bob.script)).map(({ value }) => value),
        [5_000_000_000n]
      )
    })

    it('pays, by number and by string', async () => {
      for (const sats of [10_000, '10000']) {
        const paid = await client.call('devnet.fund', bob.address, sats)
        assert.ok(typeof paid === 'object' && paid !== null && 'txid' in paid)
        assert.equal((await devnet.transaction(String(paid.txid)))?.block, undefined)
      }
      assert.deepEqual(await client.call('devnet.info'), {
        height: 120,
        hash: devnet.tip.hash,
        network: 'regtest',
        mempool: 2,
        software: 'embedded'
      })
    })

    it('refuses bad addresses, amounts and counts', async () => {
      const mainnet = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'
      for (const params of [
        [mainnet, 1_000],
        ['', 1_000],
        [7, 1_000],
        [bob.address, 0.5],
        [bob.address, -1],
        [bob.address, '1e3'],
        [bob.address, 1],
        [bob.address, '9999999999999999']
      ]) {
        const error = await client.fail('devnet.fund', ...params)
        assert.ok(
          typeof error === 'object' && error !== null && 'code' in error && error.code === 1,
          JSON.stringify(params)
        )
      }
      for (const count of [-1, 1.5, 'two', 10_001]) {
        assert.ok((await client.fail('devnet.mine', count)) !== undefined)
      }
      assert.equal(devnet.height, 120)
    })
  })

  describe('lines', () => {
    it('answers a batch in one line, without its notifications', async () => {
      client.write(
        '[{"id":1,"method":"server.ping"},{"method":"server.ping"},{"id":"b","method":"nonsense"},5]'
      )
      assert.deepEqual(await client.next(), [
        { jsonrpc: '2.0', id: 1, result: null },
        { jsonrpc: '2.0', id: 'b', error: { code: -32601, message: 'unknown method "nonsense"' } },
        { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'a request is an object' } }
      ])
    })

    it('takes parameters by name', async () => {
      client.write(
        '{"id":1,"method":"blockchain.block.headers","params":{"count":0,"start_height":3}}'
      )
      assert.deepEqual(await client.next(), {
        jsonrpc: '2.0',
        id: 1,
        result: { hex: '', count: 0, max: 2016 }
      })
      for (const params of [
        '{"count":1}',
        '{"start_height":1,"count":1,"x":1}',
        '[1]',
        '[1,2,3,4]'
      ]) {
        client.write(`{"id":1,"method":"blockchain.block.headers","params":${params}}`)
        assert.deepEqual(await client.next(), {
          jsonrpc: '2.0',
          id: 1,
          error: { code: -32602, message: 'the parameters are (start_height, count, cp_height?)' }
        })
      }
    })

    it('answers garbage with an error and goes on', async () => {
      for (const garbage of ['', 'GET / HTTP/1.1', '{"id":1', '\u0000\u0001']) {
        client.write(garbage)
        assert.deepEqual(await client.next(), {
          jsonrpc: '2.0',
          id: null,
          error: { code: -32700, message: 'invalid JSON' }
        })
      }
      assert.equal(await client.call('server.ping'), null)
    })

    it('knows no method that objects have by themselves', async () => {
      for (const method of ['constructor', '__proto__', 'toString']) {
        assert.deepEqual(await client.fail(method), {
          code: -32601,
          message: `unknown method "${method}"`
        })
      }
    })

    it('closes the connection on a line without end', async () => {
      const closed = once(client.socket, 'close')
      client.socket.write('x'.repeat(MAX_LINE_BYTES + 1))
      assert.deepEqual(await client.next(), {
        jsonrpc: '2.0',
        id: null,
        error: { code: -32600, message: `a line has at most ${MAX_LINE_BYTES} bytes` }
      })
      await closed
      const other = await TestClient.connect(devnet.port)
      assert.equal(await other.call('server.ping'), null)
      other.close()
    })

    it('answers many requests in their order', async () => {
      for (let id = 0; id < 500; id++) {
        client.write(`{"id":${id},"method":"blockchain.block.header","params":[${id % 120}]}`)
      }
      for (let id = 0; id < 500; id++) {
        const answer = await client.next()
        assert.ok(typeof answer === 'object' && answer !== null && 'id' in answer)
        assert.equal(answer.id, id)
      }
    })

    it('survives any parameters of any method', async () => {
      const methods = [
        'server.version',
        'server.features',
        'server.banner',
        'server.ping',
        'blockchain.block.header',
        'blockchain.block.headers',
        'blockchain.estimatefee',
        'blockchain.headers.subscribe',
        'blockchain.scripthash.subscribe',
        'blockchain.scripthash.get_history',
        'blockchain.scripthash.listunspent',
        'blockchain.scripthash.get_balance',
        'blockchain.transaction.broadcast',
        'blockchain.transaction.get',
        'blockchain.transaction.get_merkle',
        'blockchain.transaction.id_from_pos',
        'mempool.get_fee_histogram',
        'mempool.get_info',
        'mempool.recent',
        'devnet.fund',
        'devnet.info',
        'blockchain.scriptpubkey.subscribe',
        'blockchain.scriptpubkey.get_history',
        'blockchain.outpoint.subscribe',
        'blockchain.outpoint.get_status',
        'blockchain.outpoint.unsubscribe',
        'blockchain.transaction.testmempoolaccept'
      ]
      const value = fc.oneof(
        fc.jsonValue(),
        fc.constantFrom(ALICE, bob.address, 0, 1, true, '00', '1.4')
      )
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...methods),
          fc.oneof(fc.array(value, { maxLength: 4 }), value),
          async (method, params) => {
            const other = await TestClient.connect(
              devnet.port,
              /scriptpubkey|outpoint|test|recent|get_info/.test(method) ? '1.7' : undefined
            )
            other.write(JSON.stringify({ id: 1, method, params }))
            const answer = await other.next()
            other.close()
            assert.ok(
              typeof answer === 'object' &&
                answer !== null &&
                ('result' in answer || 'error' in answer)
            )
            assert.ok(
              !JSON.stringify(answer).includes('-32603'),
              `internal error: ${method} ${JSON.stringify(params)}`
            )
          }
        ),
        { numRuns: 200 }
      )
    })
  })
})
