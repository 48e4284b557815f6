/** `send`, `bumpfee`, `transactions`, `label`: what they ask the node, and what they show. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serveApi, type ApiServer } from '../../src/daemon/server.js'
import { renderSent } from '../../src/cli/render-wallet.js'
import { FakeNode, FUNDING, sent, transaction } from '../daemon/fake-node.js'
import { testWorld, type TestWorld } from './world.js'

describe('cli / wallet', () => {
  let dir: string
  let node: FakeNode
  let server: ApiServer
  let world: TestWorld

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    node = new FakeNode()
    server = await serveApi(node, join(dir, 'api.sock'))
    world = testWorld({ env: { PAYCHAN_DATA: dir } })
  })
  afterEach(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  it('sends what was asked for, with units in what it shows', async () => {
    assert.equal(await world.run('send', 'bcrt1qaddress', '0.0003btc', '--feerate', '2.5', '--label', 'rent'), 0)
    assert.deepEqual(node.calls, [{ verb: 'send', args: [{ to: 'bcrt1qaddress', amount: 30_000n, feeRate: 2_500n, label: 'rent' }] }])
    assert.equal(world.out(), `Sent 30,000 sat to bcrt1qaddress.\nThe fee is 141 sat (1 sat/vB); 69,859 sat come back as change.\nTransaction ${FUNDING}\n`)
  })

  it('sends all, or only says what that would cost', async () => {
    assert.equal(await world.run('send', 'bcrt1qaddress', 'all', '--dry-run', '--json'), 0)
    assert.deepEqual(node.calls[0]?.args, [{ to: 'bcrt1qaddress', amount: 'all', dryRun: true }])
    assert.deepEqual(JSON.parse(world.out()), { txid: null, to: 'bcrt1qaddress', amount: 30_000, fee: 141, feeRate: 1_000, change: 69_859, broadcast: true })
    assert.match(renderSent({ ...sent, txid: undefined }), /Nothing was sent/)
    assert.match(renderSent({ ...sent, broadcast: false }), /it is on disk, and goes out as soon as one answers/)
  })

  it('raises a fee', async () => {
    assert.equal(await world.run('bumpfee', FUNDING, '--feerate', '5'), 0)
    assert.deepEqual(node.calls, [{ verb: 'bumpFee', args: [FUNDING, { feeRate: 5_000n }] }])
    assert.match(world.out(), /replaces .* its fee is 705 sat \(5 sat\/vB\)/)
  })

  it('lists transactions, and says when there are more', async () => {
    node.answers.transactions = async () => [transaction, { ...transaction, kind: 'receive', amount: 1_500_000n, fee: undefined, label: undefined, status: 'mempool', height: undefined, confirmations: 0 }]
    assert.equal(await world.run('transactions', '--limit', '1'), 0)
    assert.match(world.out(), /118 +3 {2}funding {2}-1,000,153 sat {2}153 sat {2}f0f0.* {2}to bob/)
    assert.match(world.err(), /--limit/)
    const all = testWorld({ env: { PAYCHAN_DATA: dir } })
    await all.run('transactions')
    assert.match(all.out(), /mempool +0 {2}receive {2}\+1,500,000 sat/)
  })

  it('labels, and takes labels away', async () => {
    await world.run('label', FUNDING, 'rent')
    await world.run('label', FUNDING)
    assert.deepEqual(node.calls.map(({ args }) => args), [[FUNDING, 'rent'], [FUNDING, '']])
  })

  it('refuses wrong arguments with exit code 2, and asks nothing', async () => {
    for (const argv of [['send', 'x'], ['send', 'x', '1.5'], ['send', 'x', '1', '--feerate', '1.2345'], ['send', 'x', '1', '--feerate', '-1'], ['bumpfee'], ['transactions', '--limit', '0']]) {
      assert.equal(await testWorld({ env: { PAYCHAN_DATA: dir } }).run(...argv), 2, argv.join(' '))
    }
    assert.deepEqual(node.calls, [])
  })
})
