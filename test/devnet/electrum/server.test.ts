import assert from 'node:assert/strict'
import { once } from 'node:events'
import { concat } from 'uint8arrays'
import { startDevnet, type Devnet } from '../../../src/devnet/index.js'
import { hash256 } from '../../../src/devnet/transaction.js'
import { fromHex, toHex } from '../../../src/types/bytes.js'
import { satoshi } from '../../../src/types/units.js'
import {
  alice,
  ALICE,
  bob,
  BOB,
  coinOfAlice,
  output,
  signed,
  type Spendable,
  statusOf,
  TestClient
} from '../support.js'

const GENESIS_HASH = '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206'

describe('devnet / electrum / server', () => {
  let devnet: Devnet
  let client: TestClient

  beforeEach(async () => {
    devnet = await startDevnet({ seed: 'server test' })
    client = await TestClient.connect(devnet.port)
  })

  afterEach(async () => {
    client.close()
    await devnet.stop()
  })

  const coin = async (value: bigint): Promise<Spendable> => await coinOfAlice(devnet, value)

  it('listens on loopback and says where', () => {
    assert.equal(devnet.url, `tcp://127.0.0.1:${devnet.port}`)
    assert.equal(devnet.height, 120)
    assert.deepEqual(client.socket.remoteAddress, '127.0.0.1')
  })

  it('says what to do when its port is taken', async () => {
    await assert.rejects(startDevnet({ port: devnet.port, seed: 'x' }), {
      code: 'ERR_LISTEN_FAILED',
      message: /Choose another port/
    })
  })

  it('stops with clients connected, and twice', async () => {
    const closed = once(client.socket, 'close')
    await devnet.stop()
    await closed
    await devnet.stop()
  })

  describe('server.*', () => {
    for (const [asked, agreed] of [
      ['1.4', '1.4'],
      ['1.4.2', '1.4.2'],
      [['1.4', '1.4.3'], '1.4.3'],
      [['1.4', '1.6'], '1.6'],
      [['1.4', '1.7'], '1.7'],
      [['1.1', '2.0'], '1.7'],
      ['1.6', '1.6'],
      ['1.7', '1.7']
    ] as const) {
      it(`agrees on ${agreed} with a client that speaks ${JSON.stringify(asked)}`, async () => {
        assert.deepEqual(await client.call('server.version', 'test', asked), [
          'paychan-devnet 0.1.0',
          agreed
        ])
      })
    }

    it('agrees on 1.4.3 at most when something was asked before: of 1.6 it is the first message', async () => {
      await client.call('server.ping')
      assert.deepEqual(await client.call('server.version', 'test', ['1.4', '1.6']), [
        'paychan-devnet 0.1.0',
        '1.4.3'
      ])
    })

    for (const version of ['1.3', '1.8', ['1.8', '1.9'], ['1.0', '1.2'], ['1.6', '1.4']]) {
      it(`closes the connection on a client that speaks ${JSON.stringify(version)}`, async () => {
        const closed = once(client.socket, 'close')
        assert.deepEqual(await client.fail('server.version', 'test', version), {
          code: 1,
          message: `unsupported protocol version: ${JSON.stringify(version)}`
        })
        await closed
      })
    }

    it('agrees only once', async () => {
      await client.call('server.version', 'test', '1.4')
      assert.deepEqual(await client.fail('server.version', 'test', '1.4'), {
        code: 1,
        message: 'server.version already sent'
      })
    })

    it('has the methods of the version that was agreed on, and no others', async () => {
      for (const [version, lacks] of [
        [
          '1.4',
          [
            'mempool.get_info',
            'blockchain.transaction.broadcast_package',
            'blockchain.scripthash.unsubscribe'
          ]
        ],
        [
          '1.6',
          [
            'blockchain.relayfee',
            'blockchain.scriptpubkey.get_history',
            'blockchain.outpoint.get_status',
            'blockchain.transaction.testmempoolaccept'
          ]
        ],
        [
          '1.7',
          [
            'blockchain.relayfee',
            'blockchain.scripthash.get_history',
            'blockchain.scripthash.subscribe'
          ]
        ]
      ] as const) {
        const spoken = await TestClient.connect(devnet.port, version)
        for (const method of lacks) {
          assert.deepEqual(
            await spoken.fail(method, 'x'),
            { code: -32601, message: `unknown method "${method}"` },
            version
          )
        }
        spoken.close()
      }
    })

    it('describes itself', async () => {
      assert.deepEqual(await client.call('server.features'), {
        genesis_hash: GENESIS_HASH,
        hosts: { '127.0.0.1': { tcp_port: devnet.port, ssl_port: null } },
        protocol_max: '1.7',
        protocol_min: '1.4',
        pruning: null,
        server_version: 'paychan-devnet 0.1.0',
        hash_function: 'sha256'
      })
      assert.match(String(await client.call('server.banner')), /development chain/)
      assert.equal(await client.call('server.donation_address'), '')
      assert.deepEqual(await client.call('server.peers.subscribe'), [])
      assert.equal(await client.call('server.ping'), null)
    })

    it('knows no estimate, the relay fee, and what waits', async () => {
      assert.equal(await client.call('blockchain.estimatefee', 6), -1)
      assert.equal(await client.call('blockchain.relayfee'), 0.00001)
      assert.deepEqual(await client.call('mempool.get_fee_histogram'), [])
      await devnet.fund(alice.address, satoshi(10_000n))
      assert.deepEqual(await client.call('mempool.get_fee_histogram'), [[2, 141]])
    })
  })

  describe('blockchain.block.*', () => {
    it('gives a header', async () => {
      const header = String(await client.call('blockchain.block.header', 0))
      assert.equal(
        Buffer.from(hash256(fromHex(header)))
          .reverse()
          .toString('hex'),
        GENESIS_HASH
      )
      assert.deepEqual(await client.fail('blockchain.block.header', 121), {
        code: 1,
        message: 'height 121 out of range'
      })
      assert.deepEqual(await client.fail('blockchain.block.header', -1), {
        code: 1,
        message: '-1 should be a non-negative integer'
      })
    })

    it('gives headers, as many as there are', async () => {
      const [first, second] = [
        await client.call('blockchain.block.header', 119),
        await client.call('blockchain.block.header', 120)
      ]
      assert.deepEqual(await client.call('blockchain.block.headers', 119, 10), {
        hex: `${String(first)}${String(second)}`,
        count: 2,
        max: 2016
      })
      assert.deepEqual(await client.call('blockchain.block.headers', 121, 10), {
        hex: '',
        count: 0,
        max: 2016
      })
      const newer = await TestClient.connect(devnet.port, '1.6')
      assert.deepEqual(await newer.call('blockchain.block.headers', 119, 10), {
        headers: [first, second],
        count: 2,
        max: 2016
      })
      newer.close()
    })

    it('proves a header against a checkpoint', async () => {
      const proof = await client.call('blockchain.block.header', 5, 8)
      assert.ok(
        typeof proof === 'object' &&
          proof !== null &&
          'branch' in proof &&
          'header' in proof &&
          'root' in proof
      )
      assert.ok(Array.isArray(proof.branch))
      const root = climb(hash256(fromHex(String(proof.header))), 5, proof.branch.map(String))
      assert.equal(Buffer.from(root).reverse().toString('hex'), proof.root)
      assert.deepEqual(await client.fail('blockchain.block.header', 9, 8), {
        code: 1,
        message: 'require header height 9 <= cp_height 8 <= chain height 120'
      })
    })
  })

  describe('blockchain.scripthash.*', () => {
    it('knows nothing of a script that nobody paid', async () => {
      assert.equal(await client.call('blockchain.scripthash.subscribe', BOB), null)
      assert.deepEqual(await client.call('blockchain.scripthash.get_history', BOB), [])
      assert.deepEqual(await client.call('blockchain.scripthash.listunspent', BOB), [])
      assert.deepEqual(await client.call('blockchain.scripthash.get_balance', BOB), {
        confirmed: 0,
        unconfirmed: 0
      })
    })

    it('tells confirmed, waiting, and waiting on a parent apart', async () => {
      const alices = await coin(100_000n)
      const first = signed({
        from: [{ ...alices, owner: alice }],
        to: [
          [bob.script, 60_000n],
          [alice.script, 39_000n]
        ]
      })
      const second = signed({
        from: [{ ...output(first, 1), owner: alice }],
        to: [[alice.script, 38_000n]]
      })
      for (const each of [first, second]) {
        assert.equal(
          await client.call('blockchain.transaction.broadcast', each.toHex()),
          each.getId()
        )
      }
      const rows = [
        { tx_hash: alices.outPoint.txid, height: 121 },
        { tx_hash: first.getId(), height: 0, fee: 1_000 },
        { tx_hash: second.getId(), height: -1, fee: 1_000 }
      ]
      assert.deepEqual(await client.call('blockchain.scripthash.get_history', ALICE), rows)
      assert.deepEqual(await client.call('blockchain.scripthash.get_mempool', ALICE), rows.slice(1))
      assert.deepEqual(await client.call('blockchain.scripthash.listunspent', ALICE), [
        { tx_hash: second.getId(), tx_pos: 0, height: 0, value: 38_000 }
      ])
      assert.deepEqual(await client.call('blockchain.scripthash.get_balance', ALICE), {
        confirmed: 100_000,
        unconfirmed: -62_000
      })
      assert.equal(
        await client.call('blockchain.scripthash.subscribe', ALICE),
        statusOf(`${alices.outPoint.txid}:121:${first.getId()}:0:${second.getId()}:-1:`)
      )
    })

    it('refuses what is no script hash', async () => {
      for (const bad of ['xyz', 7, null, `${ALICE}00`]) {
        assert.deepEqual(await client.fail('blockchain.scripthash.subscribe', bad), {
          code: 1,
          message: `${String(bad)} is not a valid script hash`
        })
      }
    })
  })

  describe('blockchain.transaction.*', () => {
    it('gives a transaction, raw and described', async () => {
      const {
        outPoint: { txid }
      } = await coin(100_000n)
      await devnet.mine(2)
      const raw = toHex((await devnet.transaction(txid))?.raw ?? new Uint8Array(0))
      assert.equal(await client.call('blockchain.transaction.get', txid), raw)
      const described = await client.call('blockchain.transaction.get', txid, true)
      assert.ok(
        typeof described === 'object' &&
          described !== null &&
          'confirmations' in described &&
          'hex' in described
      )
      assert.deepEqual([described.confirmations, described.hex], [3, raw])
      const unknown = await client.fail('blockchain.transaction.get', '00'.repeat(32))
      assert.deepEqual(unknown, {
        code: 2,
        message: 'daemon error: No such mempool or blockchain transaction.'
      })
    })

    it('refuses a transaction with the reason, and repeats it', async () => {
      const hex = signed({
        from: [{ ...(await coin(1_000n)), owner: alice }],
        to: [[bob.script, 1_001n]]
      }).toHex()
      assert.deepEqual(await client.fail('blockchain.transaction.broadcast', hex), {
        code: 1,
        message: `the transaction was rejected by network rules.\n\nbad-txns-in-belowout, value in (0.00001) < value out (0.00001001)\n[${hex}]`
      })
    })

    it('takes a package, or says what of it is refused', async () => {
      const parent = signed({
        from: [{ ...(await coin(100_000n)), owner: alice }],
        to: [[alice.script, 99_990n]],
        version: 3
      })
      const child = (fee: bigint): string =>
        signed({
          from: [{ ...output(parent, 0), owner: alice }],
          to: [[bob.script, 99_990n - fee]],
          version: 3
        }).toHex()
      const method = 'blockchain.transaction.broadcast_package'
      client.close()
      client = await TestClient.connect(devnet.port, '1.6')
      const refusal = await client.call(method, [parent.toHex(), child(1n)])
      assert.deepEqual(Object.keys(refusal ?? {}), ['success', 'errors'])
      assert.match(JSON.stringify(refusal), /"success":false.*min relay fee not met, 11 < 220/)
      assert.deepEqual(await client.call(method, [parent.toHex(), child(1_000n)]), {
        success: true
      })
      assert.equal((await devnet.backend.mempool()).length, 2)
      assert.deepEqual(await client.fail(method, []), {
        code: 1,
        message: 'a package has 1 to 25 transactions'
      })
    })

    it('proves every transaction of a block', async () => {
      const txids = []
      for (let i = 0; i < 6; i++) txids.push(await devnet.fund(alice.address, satoshi(1_000n)))
      await devnet.mine(1)
      const header = fromHex(String(await client.call('blockchain.block.header', 121)))
      for (const txid of txids) {
        const proof = await client.call('blockchain.transaction.get_merkle', txid, 121)
        assert.ok(
          typeof proof === 'object' &&
            proof !== null &&
            'merkle' in proof &&
            'pos' in proof &&
            'block_height' in proof
        )
        assert.ok(Array.isArray(proof.merkle) && typeof proof.pos === 'number')
        assert.equal(proof.block_height, 121)
        assert.deepEqual(
          Uint8Array.from(climb(fromHex(txid).reverse(), proof.pos, proof.merkle.map(String))),
          header.slice(36, 68)
        )
        assert.equal(await client.call('blockchain.transaction.id_from_pos', 121, proof.pos), txid)
        assert.deepEqual(
          await client.call('blockchain.transaction.id_from_pos', 121, proof.pos, true),
          { tx_hash: txid, merkle: proof.merkle }
        )
      }
      assert.deepEqual(await client.fail('blockchain.transaction.get_merkle', txids[0], 120), {
        code: 1,
        message: `tx ${String(txids[0])} not in block at height 120`
      })
      assert.deepEqual(await client.fail('blockchain.transaction.id_from_pos', 121, 7), {
        code: 1,
        message: 'no tx at position 7 in block at height 121'
      })
    })
  })
})

/** From a leaf by its branch to the root. */
function climb(leaf: Uint8Array, position: number, branch: readonly string[]): Uint8Array {
  return branch.reduce((hash, hex, level) => {
    const sibling = fromHex(hex).reverse()
    return hash256(concat(((position >> level) & 1) === 0 ? [hash, sibling] : [sibling, hash]))
  }, leaf)
}
