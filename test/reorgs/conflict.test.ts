/**
 * A T1 that a reorganisation takes back and a conflicting spend of the client replaces: what the
 * server sees, and what it cannot lose.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { startDevnet } from '../../src/devnet/index.js'
import { createNode } from '../../src/node/create-node.js'
import { writeSeedFile } from '../../src/wallet/seed-file.js'
import { txid } from '../../src/types/bytes.js'
import { codeOfRejection, Fixture, TestNode } from '../node/fixture.js'
import { Recorder } from '../chain/helpers.js'
import type { NodeEvent } from '../../src/node/api.js'
import { satoshi } from '../../src/types/units.js'

/**
 * The seed of the fixture's devnet: the same seed and the same calls give the same chain, and the
 * same coins.
 */
const DEVNET_SEED = 'nodes'
const COIN = 2_000_000n

describe('reorgs / T1 is replaced by another spend of its coins', () => {
  let fixture: Fixture

  before(async () => {
    fixture = await Fixture.create({ autoMine: false })
  })
  after(async () => {
    await fixture.end()
  })

  /** What the same wallet would have sent instead, on a chain that is the same up to there. */
  async function otherSpend(words: string, to: string): Promise<Uint8Array> {
    const twin = await startDevnet({ seed: DEVNET_SEED })
    fixture.onEnd(async () => {
      await twin.stop()
    })
    const events = new Recorder<NodeEvent>()
    await writeSeedFile(fixture.path('twin/seed'), words)
    const api = await createNode({
      network: 'regtest',
      electrum: twin.url,
      dataDir: fixture.path('twin'),
      create: false,
      onEvent: (event) => {
        events.push(event)
      }
    })
    fixture.onEnd(async () => {
      await api.stop()
    })
    const node = new TestNode(api, events, twin)
    await twin.fund(await api.wallet.address(), COIN)
    await twin.mine(1)
    await node.sees(async () => (await api.wallet.balance()).confirmed === COIN)
    const { txid: id } = await api.wallet.send({ to, amount: 'all', satPerVByte: 5 })
    return (await twin.transaction(txid(id ?? assert.fail())))?.raw ?? assert.fail()
  }

  it('payments stop, both are told, and a server that waits for depth has acknowledged nothing; once that spend is final the channel is given up', async () => {
    const alice = await fixture.node('alice')
    const bob = await fixture.node('bob', { policy: { minDepth: 3 } })
    const words = await readFile(fixture.path('alice/seed'), 'utf8')
    await fixture.devnet.fund(await alice.api.wallet.address(), COIN)
    await fixture.devnet.mine(1)
    await alice.sees(async () => (await alice.api.wallet.balance()).confirmed === COIN)

    const opened = await alice.api.channels.open({
      peer: await bob.address(),
      amount: satoshi(1_000_000n),
      blocks: 144,
      wait: 'broadcast'
    })
    const funding = txid(opened.funding?.txid ?? assert.fail())
    while ((await fixture.devnet.transaction(funding)) === undefined) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
    await fixture.devnet.mine(2)
    for (const node of [alice, bob]) {
      await node.sees(async () => (await node.api.channels.list())[0]?.confirmations === 2)
    }
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: opened.id, amount: satoshi(1_000n) })),
      'ERR_CHANNEL_NOT_OPEN'
    )

    const conflict = await otherSpend(words.trim(), 'mkHS9ne12qx9pS9VojpwU5xtRd4T7X7ZUt')
    await fixture.devnet.reorg(2, { transactions: 'drop', instead: [conflict] })
    await fixture.devnet.mine(2)
    for (const node of [alice, bob]) {
      await node.synced()
      await node.sees(
        async () =>
          (await node.api.channels.list())[0]?.status === 'confirming' &&
          (await node.api.channels.list())[0]?.confirmations === 0
      )
      await node.sees(async () =>
        node.events.all.some(
          (event) => event.type === 'alarm' && event.code === 'ERR_FUNDING_REORGED'
        )
      )
    }
    assert.equal(await fixture.devnet.transaction(funding), undefined)
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: opened.id, amount: satoshi(1_000n) })),
      'ERR_CHANNEL_NOT_OPEN'
    )
    assert.deepEqual((await bob.api.payments.list()).length, 0)

    // FUND-6: T1 can be in no block any more.
    await fixture.devnet.mine(4)
    await alice.sees(async () => (await alice.api.channels.list())[0]?.status === 'abandoned')
    assert.equal((await alice.api.wallet.balance()).reserved, 0n)
  })
})
