import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { createLibp2p } from 'libp2p'
import { createHost } from '../../src/p2p/index.js'
import type { NodeEvent } from '../../src/node/api.js'
import { createNode } from '../../src/node/create-node.js'
import { paychanIdentity } from '../../src/node/identity.js'
import { defaultPolicy, paychan, type Paychan } from '../../src/node/service.js'
import { EXIT, exitCodeOf } from '../../src/cli/output.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi, type Satoshi } from '../../src/types/units.js'
import { testRoot } from '../wallet/fixtures.js'
import { Proxy } from '../chain/proxy.js'
import { Recorder } from '../chain/helpers.js'
import { freePorts } from '../real/bitcoind.js'
import { addressOf, somePeerId, startMute } from '../p2p/hosts.js'
import { placesOf, servedPlaces } from '../daemon/fake-node.js'
import { codeOfRejection, Fixture, seen } from './fixture.js'

const CAPACITY = satoshi(1_000_000n)
const BLOCKS = 144

describe('node', () => {
  let fixture: Fixture

  beforeEach(async () => {
    fixture = await Fixture.create()
  })
  afterEach(async () => {
    await fixture.end()
  })

  it('has every call where the table of verbs says', async () => {
    const { api } = await fixture.node('alice')
    assert.deepEqual(
      placesOf(api),
      [...servedPlaces(), 'caughtUp', 'events.after', 'events.newest', 'events.on', 'gate'].sort()
    )
  })

  describe('two of them over TCP', () => {
    it('open a channel, pay, close, and have what they should', async () => {
      const [alice, bob] = [await fixture.rich('alice'), await fixture.node('bob')]
      const { peerId } = await bob.api.info()
      const channel = await alice.api.channels.open({
        peer: await bob.address(),
        amount: CAPACITY,
        blocks: BLOCKS
      })
      assert.deepEqual(
        [channel.status, channel.peerId, channel.ourBalance],
        ['open', peerId, CAPACITY]
      )

      const paid = await alice.api.pay({ to: peerId, amount: satoshi(40_000n), memo: 'tea' })
      assert.deepEqual([paid.status, paid.memo, paid.amount], ['acknowledged', 'tea', 40_000n])
      await Promise.all(
        Array.from(
          { length: 50 },
          async () => await alice.api.pay({ to: channel.id.slice(0, 8), amount: satoshi(10n) })
        )
      )
      assert.equal((await bob.api.channels.list())[0]?.ourBalance, 40_500n)
      assert.equal((await bob.api.wallet.balance()).inChannels, 40_500n)
      const [newest] = await bob.api.payments.list({ limit: 1 })
      const oldest = (await bob.api.payments.list()).at(-1)
      assert.deepEqual([newest?.amount, oldest?.memo, oldest?.direction], [10n, 'tea', 'received'])

      const fee = { satPerVByte: 9, highFee: true }
      assert.equal(
        await codeOfRejection(alice.api.channels.close(channel.id, { ...fee, force: true })),
        'ERR_INVALID_FEERATE',
        'a settlement has a fee of its own'
      )
      const closed = await alice.api.channels.close(channel.id, fee)
      assert.equal(closed.kind, 'close')
      const fees = alice.events.all.flatMap((event) =>
        event.type === 'channel' && event.news.kind === 'close-asked-for' ? [event.news.fee] : []
      )
      assert.ok(fees.length === 1 && fees.every((each) => each % 9n === 0n), fees.join())
      for (const node of [alice, bob]) {
        await node.sees(async () => (await node.api.channels.list())[0]?.status === 'closed')
      }
      await bob.sees(async () => (await bob.api.wallet.balance()).confirmed === 40_500n)
      const balance = await alice.api.wallet.balance()
      assert.deepEqual(
        [balance.inChannels, balance.total, balance.total > 2_000_000n - 40_500n - 20_000n],
        [0n, balance.confirmed + balance.pending, true]
      )
      assert.deepEqual(
        [...alice.events.all, ...bob.events.all].filter(({ type }) => type === 'alarm'),
        []
      )
    })

    it('know each other: connect, peers, info', async () => {
      const [alice, bob] = [await fixture.node('alice'), await fixture.node('bob')]
      const [a, b] = [await alice.api.info(), await bob.api.info()]
      const peer = await alice.api.peers.connect(await bob.address())
      assert.deepEqual([peer.peerId, peer.connected], [b.peerId, true])
      assert.deepEqual(
        (await alice.api.peers.list()).map(({ peerId }) => peerId),
        [b.peerId]
      )
      assert.deepEqual(
        [a.network, a.channels, a.version],
        ['regtest', { open: 0, total: 0, unwatched: 0 }, '0.1.0']
      )
      assert.deepEqual(a.policy, defaultPolicy('regtest'))
    })

    it('keep a channel through restarts of both', async () => {
      const [alice, bob] = [await fixture.rich('alice'), await fixture.node('bob')]
      const { peerId } = await bob.api.info()
      const address = await bob.address()
      await alice.api.channels.open({ peer: address, amount: CAPACITY, blocks: BLOCKS })
      await alice.api.pay({ to: peerId, amount: satoshi(40_000n) })
      await bob.api.stop()
      const again = await fixture.node('bob', { listen: [address.replace(/\/p2p\/.*$/, '')] })
      assert.equal((await again.api.info()).peerId, peerId)
      await alice.sees(async () => (await alice.api.channels.list())[0]?.status === 'open')
      await alice.api.pay({ to: peerId, amount: satoshi(500n) })
      assert.equal((await again.api.channels.list())[0]?.ourBalance, 40_500n)
      await alice.api.stop()
      const anew = await fixture.node('alice')
      await anew.api.pay({ to: peerId, amount: satoshi(500n) })
      assert.equal((await again.api.channels.list())[0]?.ourBalance, 41_000n)
    })
  })

  describe('what cannot be done is refused with a code', () => {
    it('peers: unknown, a bad multiaddr, one that speaks no paychan, the node itself, nobody there', async () => {
      const alice = await fixture.rich('alice')
      const mute = await startMute()
      fixture.onEnd(async () => {
        await mute.stop()
      })
      const open = async (peer: string): Promise<unknown> =>
        await codeOfRejection(alice.api.channels.open({ peer, amount: CAPACITY, blocks: BLOCKS }))
      assert.equal(await open(await somePeerId()), 'ERR_PEER_UNKNOWN')
      assert.equal(await open('nobody'), 'ERR_INVALID_PEER')
      assert.equal(await open('/ip4/127.0.0.1/tcp/1'), 'ERR_INVALID_MULTIADDR')
      assert.equal(await open('/ip4/nowhere'), 'ERR_INVALID_MULTIADDR')
      assert.equal(await open(addressOf(mute)), 'ERR_NO_PAYCHAN')
      assert.equal(await open(await alice.address()), 'ERR_PEER_UNREACHABLE')
      assert.equal(
        await open(`/ip4/127.0.0.1/tcp/1/p2p/${await somePeerId()}`),
        'ERR_PEER_UNREACHABLE'
      )
      assert.deepEqual(await alice.api.channels.list(), [])
    })

    it('amounts: nothing, less than nothing, too little, too much, and what is no bigint', async () => {
      const [alice, bob] = [
        await fixture.rich('alice', 500_000n),
        await fixture.node('bob', { policy: { maxCapacity: satoshi(300_000n) } })
      ]
      const [peer, { peerId }] = [await bob.address(), await bob.api.info()]
      const open = async (amount: bigint): Promise<unknown> =>
        await codeOfRejection(
          alice.api.channels.open({ peer, amount: amount as Satoshi, blocks: BLOCKS })
        )
      for (const amount of [0n, -1n, 9_999n, 21_000_001n * 100_000_000n]) {
        assert.equal(await open(amount), 'ERR_INVALID_AMOUNT', String(amount))
      }
      assert.equal(await open(500_000n), 'ERR_INSUFFICIENT_FUNDS')
      assert.deepEqual(await bob.api.channels.list(), [], 'the peer was not asked')
      assert.equal(await open(300_001n), 'ERR_OPEN_REFUSED')
      await alice.api.channels.open({ peer, amount: satoshi(100_000n), blocks: BLOCKS })
      const pay = async (amount: bigint): Promise<unknown> =>
        await codeOfRejection(alice.api.pay({ to: peerId, amount: amount as Satoshi }))
      assert.equal(await pay(0n), 'ERR_INVALID_AMOUNT')
      assert.equal(await pay(-5n), 'ERR_INVALID_AMOUNT')
      assert.equal(await pay(100_001n), 'ERR_INSUFFICIENT_BALANCE')
      assert.equal(await pay(1n), 'ERR_BELOW_MIN_FIRST_PAYMENT')
      const untyped = JSON.parse(`{"to":"${peerId}","amount":1000.5}`) as {
        to: string
        amount: Satoshi
      }
      assert.equal(await codeOfRejection(alice.api.pay(untyped)), 'ERR_INVALID_AMOUNT')
      assert.deepEqual(
        (await bob.api.channels.list()).map(({ ourBalance }) => ourBalance),
        [0n]
      )
    })

    it('blocks: none, a part of one, too few for the server', async () => {
      const [alice, bob] = [await fixture.rich('alice'), await fixture.node('bob')]
      const peer = await bob.address()
      const open = async (blocks: number): Promise<unknown> =>
        await codeOfRejection(alice.api.channels.open({ peer, amount: CAPACITY, blocks }))
      assert.deepEqual(
        [await open(0), await open(-1), await open(1.5), await open(10)],
        ['ERR_INVALID_HEIGHT', 'ERR_INVALID_HEIGHT', 'ERR_INVALID_HEIGHT', 'ERR_OPEN_REFUSED']
      )
    })

    it('channels that there are not', async () => {
      const alice = await fixture.node('alice')
      assert.equal(
        await codeOfRejection(alice.api.pay({ to: await somePeerId(), amount: satoshi(1n) })),
        'ERR_NO_CHANNEL'
      )
      assert.equal(
        await codeOfRejection(
          alice.api.pay({ to: (await alice.api.info()).peerId, amount: satoshi(1n) })
        ),
        'ERR_INVALID_PEER',
        'nobody pays himself'
      )
      assert.equal(await codeOfRejection(alice.api.channels.close('ffffffff')), 'ERR_NO_CHANNEL')
      assert.equal(
        await codeOfRejection(alice.api.payments.list({ channel: 'ffffffff' })),
        'ERR_NO_CHANNEL'
      )
    })

    it('a second node on one data directory, and it does no harm to the first', async () => {
      const alice = await fixture.node('alice')
      assert.equal(
        await codeOfRejection(
          createNode({
            network: 'regtest',
            electrum: fixture.electrum,
            dataDir: fixture.path('alice')
          })
        ),
        'ERR_STORE_LOCKED'
      )
      assert.match(await alice.api.wallet.address(), /^bcrt1/)
    })

    it('a seed that is missing, unreadable, or no seed', async () => {
      const start = async (dataDir: string): Promise<unknown> =>
        await codeOfRejection(
          createNode({ network: 'regtest', electrum: fixture.electrum, dataDir })
        )
      assert.equal(await start(fixture.path('nothing')), 'ERR_SEED_UNREADABLE')
      const alice = await fixture.node('alice')
      await alice.api.stop()
      const seed = join(fixture.path('alice'), 'seed')
      await chmod(seed, 0o644)
      assert.equal(await start(fixture.path('alice')), 'ERR_SEED_UNREADABLE')
      await chmod(seed, 0o600)
      await writeFile(seed, 'these are no words of any list\n')
      assert.equal(await start(fixture.path('alice')), 'ERR_SEED_UNREADABLE')
    })

    it('mainnet unless it is meant, a data directory of another network, and an Electrum URL that is none', async () => {
      const start = async (
        network: 'mainnet' | 'regtest' | 'signet',
        electrum: string
      ): Promise<unknown> =>
        await codeOfRejection(
          createNode({ network, electrum, dataDir: fixture.path('alice'), create: true })
        )
      assert.equal(await start('mainnet', fixture.electrum), 'ERR_MAINNET_REFUSED')
      assert.equal(await start('regtest', 'http://127.0.0.1:1'), 'ERR_INVALID_ELECTRUM_URL')
      assert.equal(await start('signet', fixture.electrum), 'ERR_WRONG_NETWORK')
    })

    it('a wait for a height, once it is stopped', async () => {
      const alice = await fixture.node('alice')
      const waiting = codeOfRejection(alice.api.chain.untilHeight(1_000))
      await alice.api.stop()
      assert.equal(await waiting, 'ERR_NODE_STOPPED')
    })

    it('addresses that it cannot listen on: what is no TCP, a port in use, an address of another machine', async () => {
      const { port } = fixture.devnet
      const start = async (...listen: string[]): Promise<Error> =>
        await createNode({
          network: 'regtest',
          electrum: fixture.electrum,
          dataDir: fixture.path('alice'),
          create: true,
          listen
        }).then(
          () => assert.fail('it listens'),
          (error: unknown) => error as Error
        )
      for (const [address, code, why] of [
        ['/ip4/127.0.0.1/tcp/0/ws', 'ERR_INVALID_LISTEN', /listens on TCP/],
        ['/ip4/127.0.0.1/udp/0/quic-v1', 'ERR_INVALID_LISTEN', /listens on TCP/],
        [
          '/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234',
          'ERR_INVALID_LISTEN',
          /listens on TCP/
        ],
        ['nonsense', 'ERR_INVALID_LISTEN', /listens on TCP/],
        [`/ip4/127.0.0.1/tcp/${port}`, 'ERR_LISTEN_FAILED', /the port is in use/],
        ['/ip4/192.0.2.1/tcp/0', 'ERR_LISTEN_FAILED', /no such address/]
      ] as const) {
        // The other one would do: it is no reason to pass over this one.
        const error = await start('/ip4/127.0.0.1/tcp/0', address)
        assert.equal(codeOf(error), code, address)
        assert.match(error.message, why)
        assert.ok(
          error.message.includes(address) && !/\n| at |faultTolerance/.test(error.message),
          error.message
        )
        assert.equal(exitCodeOf(code), EXIT.usage)
      }
    })

    it('nothing when a port that nobody asked for is in use: it listens elsewhere then, and there when it is free', async () => {
      const { port } = fixture.devnet
      const start = async (dir: string, wanted: number): Promise<string> => {
        const api = await createNode({
          network: 'regtest',
          electrum: fixture.electrum,
          dataDir: fixture.path(dir),
          create: true,
          listen: [`/ip4/127.0.0.1/tcp/${wanted}`],
          listenElse: ['/ip4/127.0.0.1/tcp/0']
        })
        fixture.onEnd(async () => {
          await api.stop()
        })
        return (await api.info()).multiaddrs[0] ?? ''
      }
      const other = /^\/ip4\/127\.0\.0\.1\/tcp\/(\d+)\//.exec(await start('alice', port))
      assert.ok(other !== null && Number(other[1]) !== port)
      const [free] = await freePorts()
      const both = await Promise.all(['bob', 'carol'].map(async (name) => await start(name, free)))
      assert.equal(
        both.filter((address) => address.includes(`/tcp/${free}/`)).length,
        1,
        both.join(' ')
      )
    })

    it('anything, once it is stopped', async () => {
      const alice = await fixture.node('alice')
      await alice.api.stop()
      await alice.api.stop()
      assert.equal(await codeOfRejection(alice.api.wallet.address()), 'ERR_NODE_STOPPED')
      assert.equal(
        await codeOfRejection(alice.api.pay({ to: 'ffffffff', amount: satoshi(1n) })),
        'ERR_NODE_STOPPED'
      )
    })
  })

  describe('the Electrum server', () => {
    it('may be down at the start: the node starts, says so, and works once it is up', async () => {
      const proxy = new Proxy({ host: fixture.devnet.host, port: fixture.devnet.port })
      await proxy.open()
      await proxy.cut()
      fixture.onEnd(async () => {
        await proxy.cut()
      })
      const bob = await fixture.node('bob')
      const alice = await fixture.node('alice', { electrum: proxy.url }, 'started')
      const { chain } = await alice.api.info()
      assert.deepEqual([chain.status === 'synced', chain.height], [false, undefined])
      const request = { peer: await bob.address(), amount: CAPACITY, blocks: BLOCKS }
      assert.equal(await codeOfRejection(alice.api.channels.open(request)), 'ERR_CHAIN_UNAVAILABLE')
      await fixture.devnet.fund(await alice.api.wallet.address(), satoshi(2_000_000n))
      await proxy.open()
      await alice.sees(async () => (await alice.api.wallet.balance()).confirmed === 2_000_000n)
      assert.equal((await alice.api.channels.open(request)).status, 'open')
    })

    it('may drop while a channel opens: what was begun goes on when it is back', async () => {
      const proxy = await new Proxy({ host: fixture.devnet.host, port: fixture.devnet.port }).open()
      fixture.onEnd(async () => {
        await proxy.cut()
      })
      const [alice, bob] = [
        await fixture.rich('alice', 2_000_000n, { electrum: proxy.url }),
        await fixture.node('bob')
      ]
      const opening = alice.api.channels.open({
        peer: await bob.address(),
        amount: CAPACITY,
        blocks: BLOCKS
      })
      // The server sends T1 to the chain as well; the client loses sight of it right here.
      await alice.events.when((event) => event.type === 'channel' && event.step === 5)
      await proxy.cut()
      await bob.sees(async () => (await bob.api.channels.list())[0]?.confirmations === 1)
      assert.notEqual((await alice.api.info()).chain.status, 'synced')
      await proxy.open()
      assert.equal((await opening).status, 'open')
    })

    it('may drop: nothing is paid or closed on a chain that nobody sees, and all goes on when it is back', async () => {
      const proxy = await new Proxy({ host: fixture.devnet.host, port: fixture.devnet.port }).open()
      fixture.onEnd(async () => {
        await proxy.cut()
      })
      const [alice, bob] = [
        await fixture.rich('alice', 2_000_000n, { electrum: proxy.url }),
        await fixture.node('bob')
      ]
      const channel = await alice.api.channels.open({
        peer: await bob.address(),
        amount: CAPACITY,
        blocks: BLOCKS
      })
      await alice.api.pay({ to: channel.id, amount: satoshi(5_000n) })
      await proxy.cut()
      await alice.sees(async () => (await alice.api.info()).chain.status === 'down')
      assert.equal(
        await codeOfRejection(alice.api.pay({ to: channel.id, amount: satoshi(5_000n) })),
        'ERR_CHAIN_UNAVAILABLE'
      )
      assert.equal(
        await codeOfRejection(alice.api.channels.close(channel.id)),
        'ERR_CHAIN_UNAVAILABLE'
      )
      assert.equal((await bob.api.channels.list())[0]?.ourBalance, 5_000n)
      await proxy.open()
      await alice.sees(async () => (await alice.api.info()).chain.status === 'synced')
      await alice.api.pay({ to: channel.id, amount: satoshi(5_000n) })
      assert.equal((await alice.api.channels.close(channel.id)).kind, 'close')
      await fixture.devnet.mine(1)
      await alice.sees(async () => (await alice.api.channels.list())[0]?.status === 'closed')
    })
  })

  describe('as a libp2p service', () => {
    it('lets any libp2p application pay its peers', async () => {
      const bob = await fixture.node('bob')
      const host = createHost({ privateKey: await generateKeyPair('Ed25519'), listen: [] })
      const app = await createLibp2p({
        ...host,
        services: {
          ...host.services,
          paychan: paychan({
            network: 'regtest',
            electrum: fixture.electrum,
            dataDir: fixture.path('app'),
            root: testRoot('app')
          })
        }
      })
      fixture.onEnd(async () => {
        await app.stop()
      })
      const { paychan: service } = app.services
      const events = new Recorder<NodeEvent>()
      service.events.on((event) => {
        events.push(event)
      })
      await fixture.devnet.fund(await service.wallet.address(), satoshi(2_000_000n))
      await seen(events, async () => (await service.wallet.balance()).confirmed > 0n)
      const channel = await service.channels.open({
        peer: await bob.address(),
        amount: CAPACITY,
        blocks: BLOCKS
      })
      await service.pay({ to: channel.peerId, amount: satoshi(2_000n) })
      assert.equal((await bob.api.channels.list())[0]?.ourBalance, 2_000n)
      assert.equal((await service.info()).peerId, app.peerId.toString())
    })

    it('has the same peer id at every start, by its seed; under another one its channels are refused to it', async () => {
      const bob = await fixture.node('bob')
      const start = async (
        privateKey?: PrivateKey
      ): Promise<{ paychan: Paychan; stop: () => Promise<void> }> => {
        const { privateKey: own, root } = await paychanIdentity({
          network: 'regtest',
          dataDir: fixture.path('app'),
          create: true
        })
        const host = createHost({ privateKey: privateKey ?? own, listen: [] })
        const app = await createLibp2p({
          ...host,
          start: false,
          services: {
            ...host.services,
            paychan: paychan({
              network: 'regtest',
              electrum: fixture.electrum,
              dataDir: fixture.path('app'),
              root
            })
          }
        })
        fixture.onEnd(async () => {
          await app.stop()
        })
        await app.start()
        return {
          paychan: app.services.paychan,
          stop: async () => {
            await app.stop()
          }
        }
      }
      // Before there is a channel nobody knows it by its peer id.
      await (await start(await generateKeyPair('Ed25519'))).stop()
      const first = await start()
      const events = new Recorder<NodeEvent>()
      first.paychan.events.on((event) => {
        events.push(event)
      })
      await fixture.devnet.fund(await first.paychan.wallet.address(), satoshi(2_000_000n))
      await seen(events, async () => (await first.paychan.wallet.balance()).confirmed > 0n)
      const { peerId } = await first.paychan.channels.open({
        peer: await bob.address(),
        amount: CAPACITY,
        blocks: BLOCKS
      })
      await first.stop()
      assert.equal(
        await codeOfRejection(start(await generateKeyPair('Ed25519'))),
        'ERR_WRONG_PEER_ID'
      )
      const again = await start()
      const after = new Recorder<NodeEvent>()
      again.paychan.events.on((event) => {
        after.push(event)
      })
      await seen(
        after,
        async () => (await again.paychan.info()).chain.height === fixture.devnet.height
      )
      await again.paychan.peers.connect(await bob.address())
      await again.paychan.pay({ to: peerId, amount: satoshi(2_000n) })
    })

    it('stops with its host, and refuses from then on', async () => {
      const host = createHost({ privateKey: await generateKeyPair('Ed25519'), listen: [] })
      const app = await createLibp2p({
        ...host,
        services: {
          ...host.services,
          paychan: paychan({
            network: 'regtest',
            electrum: fixture.electrum,
            dataDir: fixture.path('app'),
            root: testRoot('app')
          })
        }
      })
      await app.stop()
      assert.equal(await codeOfRejection(app.services.paychan.info()), 'ERR_NODE_STOPPED')
    })
  })
})
