/**
 * Nodes whose data directory is gone, and that have nothing but their words and their peers: on the
 * devnet's chain and real streams.
 */
import assert from 'node:assert/strict'
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { mock } from 'node:test'
import { ClassicLevel } from 'classic-level'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import type { Link } from '../../src/engine/ports.js'
import { createNode } from '../../src/node/create-node.js'
import { SEED_FILE, STORE_DIRECTORY } from '../../src/node/system.js'
import { restoreData } from '../../src/node/backup.js'
import { openLevelStore } from '../../src/store/level.js'
import { txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { readSeedFile } from '../../src/wallet/seed-file.js'
import { startHost } from '../p2p/hosts.js'
import { offerBy, refundRequest } from '../strangers.js'
import { createTestSigner } from '../wallet/fixtures.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

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
    return (await node.api.channels.list())[0]?.status
  }

  it('a client that pays, loses its data directory and connects has its channel back, and closes it in peace', async () => {
    const bob = await fixture.node('bob')
    const alice = await fixture.rich('alice')
    const { id } = await alice.api.channels.open({
      peer: await bob.address(),
      amount: satoshi(500_000n)
    })
    await alice.api.pay({ to: id, amount: satoshi(120_000n) })
    const again = await loseAll('alice', alice)
    assert.deepEqual(await again.api.channels.list(), [])
    await again.api.peers.connect(await bob.address())
    await again.sees(async () => (await statusOf(again)) === 'stopped')
    const { recovered, known } = await again.api.channels.recover(await bob.address())
    assert.deepEqual([recovered, known], [[], 1])
    await again.sees(async () => {
      try {
        await again.api.channels.close(id)
        return true
      } catch {
        return false
      }
    })
    await bob.sees(async () => (await statusOf(bob)) === 'closed')
    await bob.sees(async () => (await bob.api.wallet.balance()).confirmed === 120_000n)
    await again.sees(async () => (await again.api.wallet.balance()).confirmed > 1_870_000n)
  })

  it('a client that is put back on a copy of before a renewal asks its server by itself, and closes the new channel (RESTORE-8)', async () => {
    const bob = await fixture.node('bob')
    const alice = await fixture.rich('alice')
    const { id } = await alice.api.channels.open({
      peer: await bob.address(),
      amount: satoshi(500_000n)
    })
    await alice.api.pay({ to: id, amount: satoshi(120_000n) })
    const [dataDir, copy] = [fixture.path('alice'), fixture.path('copy')]
    await alice.api.stop()
    await cp(dataDir, copy, { recursive: true })
    const later = await fixture.node('alice', { create: false })
    await later.sees(async () => (await statusOf(later)) === 'open')
    const fresh = await later.api.channels.renew(id)
    await later.api.stop()
    await rm(dataDir, { recursive: true })
    await cp(copy, dataDir, { recursive: true })
    const again = await fixture.node('alice', { create: false })
    await again.sees(async () =>
      (await again.api.channels.list()).some(
        (channel) => channel.id === fresh.id && channel.status === 'stopped'
      )
    )
    await again.sees(async () => {
      try {
        await again.api.channels.close(fresh.id)
        return true
      } catch {
        return false
      }
    })
    await again.sees(async () => (await again.api.wallet.balance()).confirmed > 1_870_000n)
  })

  it('a server that loses its data directory is given its channel back by the client, who dials it', async () => {
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const bob = await fixture.node('bob', { listen })
    const alice = await fixture.rich('alice')
    const { id } = await alice.api.channels.open({
      peer: await bob.address(),
      amount: satoshi(500_000n)
    })
    await alice.api.pay({ to: id, amount: satoshi(120_000n) })
    const again = await loseAll('bob', bob)
    // Another port: the client is told where it is now.
    await alice.api.peers.connect(await again.address())
    await again.sees(async () => (await statusOf(again)) === 'stopped')
    assert.equal((await again.api.channels.list())[0]?.ourBalance, 120_000n)
    await again.sees(async () => {
      try {
        await again.api.channels.close(id)
        return true
      } catch {
        return false
      }
    })
    await again.sees(async () => (await again.api.wallet.balance()).confirmed > 110_000n)
  })
})

/*
 * Whole nodes against peers that cost nothing: what they leave behind, and what the words still
 * bring back.
 */

const CAPACITY = 100_000n

/**
 * A PeerId that nobody knows; each opening of it takes a stream and ends as soon as it has what it
 * wants.
 */
async function stranger(
  address: string,
  height: number,
  openings: number,
  upTo: 'AcceptChannel' | 'RefundSignature'
): Promise<number> {
  const node = await startHost({ onError: () => {} })
  let reached = 0
  for (let n = 0; n < openings; n++) {
    const signer = createTestSigner(randomBytes(16).toString('hex'))
    const offer = offerBy(signer, n, {
      closeHash: randomBytes(20),
      capacity: CAPACITY,
      refundHeight: height + 1_000
    })
    const last = await new Promise<Message | undefined>((resolve) => {
      const heard =
        (link: Link) =>
        (message: Message): void => {
          if (message.type === 'AcceptChannel' && upTo === 'RefundSignature') {
            const outPoint = { txid: txid(randomBytes(32).toString('hex')), vout: 0 }
            link.send(refundRequest(termsOf(offer, message), offer, outPoint))
            return
          }
          link.close()
          resolve(message)
        }
      node.services.peers
        .open(address, (link) => ({
          onMessage: heard(link),
          onClosed: () => {
            resolve(undefined)
          }
        }))
        .then(
          (link) => {
            link.send(offer)
          },
          () => {
            resolve(undefined)
          }
        )
    })
    if (last?.type === upTo) reached += 1
  }
  await node.stop()
  return reached
}

/** The records of a stopped node. */
async function recordsOf(data: string): Promise<Array<readonly [string, Uint8Array]>> {
  const store = await openLevelStore(join(data, STORE_DIRECTORY))
  const records: Array<readonly [string, Uint8Array]> = []
  for await (const entry of store.entries('')) records.push(entry)
  await store.close()
  return records
}

describe('node / strangers', () => {
  it('who have refunds signed and fund nothing move no address: the words bring back the coins', async () => {
    const f = await Fixture.create({ autoMine: false })
    try {
      const bob = await f.node('bob')
      const address = await bob.address()
      let signed = 0
      // More than the gap of BIP44 in all.
      for (let n = 0; n < 3; n++) {
        signed += await stranger(address, f.devnet.height, 10, 'RefundSignature')
      }
      assert.equal(signed, 30)
      assert.deepEqual((await bob.api.info()).addresses, { receive: 0, change: 0, close: 0 })
      const own = await bob.api.wallet.address()
      await f.devnet.fund(own, satoshi(1_000_000n))
      await f.devnet.mine(1)
      await bob.sees(async () => (await bob.api.wallet.balance()).confirmed === 1_000_000n)
      await bob.api.stop()
      const words = (await readFile(join(f.path('bob'), 'seed'), 'utf8')).trim()
      await restoreData(f.path('restored'), { words, passphrase: undefined, gap: 5 })
      const restored = await f.node('restored', { create: false })
      await restored.sees(
        async () => (await restored.api.wallet.balance()).confirmed === 1_000_000n
      )
    } finally {
      await f.end()
    }
  })

  it('who offer channels and hang up leave nothing on the disk, and nothing in the list', async () => {
    const f = await Fixture.create({ autoMine: false })
    try {
      const bob = await f.node('bob')
      const address = await bob.address()
      let taken = 0
      for (let n = 0; n < 3; n++) {
        taken += await stranger(address, f.devnet.height, 10, 'AcceptChannel')
      }
      assert.equal(taken, 30)
      await bob.sees(async () => (await bob.api.channels.list()).length === 0)
      await bob.api.stop()
      assert.deepEqual(
        (await recordsOf(f.path('bob'))).filter(([key]) => /^(channel|known|ledger)\//.test(key)),
        []
      )
    } finally {
      await f.end()
    }
  })

  it('cannot have more refunds signed, with as many PeerIds as they like, than the node has room for', async () => {
    const f = await Fixture.create({ autoMine: false })
    try {
      const bob = await f.node('bob', { policy: { maxUnfundedInAll: 8 } })
      const address = await bob.address()
      let signed = 0
      for (let n = 0; n < 4; n++) {
        signed += await stranger(address, f.devnet.height, 4, 'RefundSignature')
      }
      assert.equal(signed, 6, 'a quarter is for peers with a funded channel')
      assert.equal((await bob.api.channels.list()).length, 6)
    } finally {
      await f.end()
    }
  })
})

/*
 * A disk that fills up under a running node: it stops as a whole, and comes back with all that was
 * acknowledged.
 */

/** Lets every write below a directory fail, as on a full disk. */
function fillDisk(directory: string): () => void {
  const original = Reflect.get(ClassicLevel.prototype, 'batch') as (
    this: ClassicLevel,
    ...args: unknown[]
  ) => unknown
  const full = mock.method(
    ClassicLevel.prototype,
    'batch',
    function (this: ClassicLevel, ...args: unknown[]) {
      if (!this.location.startsWith(directory)) return original.apply(this, args)
      throw Object.assign(new Error('IO error: No space left on device'), {
        code: 'LEVEL_IO_ERROR'
      })
    }
  )
  return () => {
    full.mock.restore()
  }
}

describe('node / a disk that is full', () => {
  let fixture: Fixture
  let makeRoom = (): void => {}

  beforeEach(async () => {
    fixture = await Fixture.create()
  })
  afterEach(async () => {
    makeRoom()
    await fixture.end()
  })

  it('under a payment: the payee stops by itself, the payment is unknown, and is made once there is room', async () => {
    const bob = await fixture.node('bob')
    const alice = await fixture.rich('alice')
    const address = await bob.address()
    const { id } = await alice.api.channels.open({ peer: address, amount: satoshi(500_000n) })
    await alice.api.pay({ to: id, amount: satoshi(1_000n) })
    makeRoom = fillDisk(fixture.path('bob'))
    const alarm = bob.events.when((event) => event.type === 'alarm')
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: id, amount: satoshi(500n) })),
      'ERR_PAYMENT_UNKNOWN'
    )
    const told = await alarm
    assert.equal(told.type === 'alarm' && told.code, 'ERR_STORE_FAILED')
    assert.equal(await codeOfRejection(bob.api.wallet.balance()), 'ERR_STORE_FAILED')
    await bob.api.stop()
    makeRoom()
    const again = await fixture.node('bob', { listen: [address.replace(/\/p2p\/.*/, '')] })
    await again.sees(async () => (await again.api.payments.list()).length === 2)
    assert.equal((await again.api.channels.list())[0]?.ourBalance, 1_500n)
  })

  it('under the wallet: an address is refused, and the node stops as well', async () => {
    const bob = await fixture.node('bob')
    makeRoom = fillDisk(fixture.path('bob'))
    const alarm = bob.events.when(
      (event) => event.type === 'alarm' && event.code === 'ERR_STORE_FAILED'
    )
    assert.equal(await codeOfRejection(bob.api.wallet.address()), 'ERR_STORE_FAILED')
    await alarm
    assert.equal(await codeOfRejection(bob.api.info()), 'ERR_STORE_FAILED')
  })

  it('as it starts: it does not start', async () => {
    const bob = await fixture.node('bob')
    await bob.api.stop()
    const store = mock.method(ClassicLevel.prototype, 'open', async () => {
      throw Object.assign(new Error('IO error: No space left on device'), {
        code: 'LEVEL_IO_ERROR'
      })
    })
    makeRoom = () => {
      store.mock.restore()
    }
    assert.equal(
      await codeOfRejection(
        createNode({ network: 'regtest', electrum: fixture.electrum, dataDir: fixture.path('bob') })
      ),
      'ERR_STORE_FAILED'
    )
  })
})
