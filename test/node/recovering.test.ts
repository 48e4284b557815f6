/**
 * Nodes whose data directory is gone, and that have nothing but their words and their peers: on the
 * devnet's chain and real streams.
 */
import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SEED_FILE } from '../../src/node/layout.js'
import { restoreData } from '../../src/node/restore.js'
import { readSeedFile } from '../../src/wallet/seed-file.js'
import { Fixture, type TestNode } from './fixture.js'

describe('node / recovering', () => {
  let fixture: Fixture
  beforeEach(async () => {
    fixture = await Fixture.create()
    fixture.mayLackPayments()
  })
  afterEach(async () => {
    await fixture.end()
  })

  /** Stops a node, deletes all it had, and starts it again from its words. */
  async function loseAll(name: string, node: TestNode): Promise<TestNode> {
    const dataDir = fixture.path(name)
    const words = await readSeedFile(join(dataDir, SEED_FILE))
    await node.api.stop()
    await rm(dataDir, { recursive: true })
    await restoreData(dataDir, { words, passphrase: undefined, gap: 20 })
    return await fixture.node(name, { create: false })
  }

  async function statusOf(node: TestNode): Promise<string | undefined> {
    return (await node.api.channels())[0]?.status
  }

  it('a client that pays, loses its data directory and connects has its channel back, and closes it in peace', async () => {
    const bob = await fixture.node('bob')
    const alice = await fixture.rich('alice')
    const { id } = await alice.api.open({ peer: await bob.address(), amount: 500_000n })
    await alice.api.pay({ to: id, amount: 120_000n })
    const again = await loseAll('alice', alice)
    assert.deepEqual(await again.api.channels(), [])
    await again.api.connect(await bob.address())
    await again.sees(async () => (await statusOf(again)) === 'stopped')
    const { recovered, known } = await again.api.recover(await bob.address())
    assert.deepEqual([recovered, known], [[], 1])
    await again.sees(async () => {
      try {
        await again.api.close(id)
        return true
      } catch {
        return false
      }
    })
    await bob.sees(async () => (await statusOf(bob)) === 'closed')
    await bob.sees(async () => (await bob.api.balance()).confirmed === 120_000n)
    await again.sees(async () => (await again.api.balance()).confirmed > 1_870_000n)
  })

  it('a client that is put back on a copy of before a renewal asks its server by itself, and closes the new channel (RESTORE-8)', async () => {
    const bob = await fixture.node('bob')
    const alice = await fixture.rich('alice')
    const { id } = await alice.api.open({ peer: await bob.address(), amount: 500_000n })
    await alice.api.pay({ to: id, amount: 120_000n })
    const [dataDir, copy] = [fixture.path('alice'), fixture.path('copy')]
    await alice.api.stop()
    await cp(dataDir, copy, { recursive: true })
    const later = await fixture.node('alice', { create: false })
    await later.sees(async () => (await statusOf(later)) === 'open')
    const fresh = await later.api.renew(id)
    await later.api.stop()
    await rm(dataDir, { recursive: true })
    await cp(copy, dataDir, { recursive: true })
    const again = await fixture.node('alice', { create: false })
    await again.sees(async () =>
      (await again.api.channels()).some(
        (channel) => channel.id === fresh.id && channel.status === 'stopped'
      )
    )
    await again.sees(async () => {
      try {
        await again.api.close(fresh.id)
        return true
      } catch {
        return false
      }
    })
    await again.sees(async () => (await again.api.balance()).confirmed > 1_870_000n)
  })

  it('a server that loses its data directory is given its channel back by the client, who dials it', async () => {
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const bob = await fixture.node('bob', { listen })
    const alice = await fixture.rich('alice')
    const { id } = await alice.api.open({ peer: await bob.address(), amount: 500_000n })
    await alice.api.pay({ to: id, amount: 120_000n })
    const again = await loseAll('bob', bob)
    // Another port: the client is told where it is now.
    await alice.api.connect(await again.address())
    await again.sees(async () => (await statusOf(again)) === 'stopped')
    assert.equal((await again.api.channels())[0]?.ourBalance, 120_000n)
    await again.sees(async () => {
      try {
        await again.api.close(id)
        return true
      } catch {
        return false
      }
    })
    await again.sees(async () => (await again.api.balance()).confirmed > 110_000n)
  })
})
