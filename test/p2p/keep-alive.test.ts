/** Connections that die without a word, and those that must not die. */
import assert from 'node:assert/strict'
import type { Connection, Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { HostInit, KeepAlive } from '../../src/p2p/index.js'
import { reachability } from '../../src/p2p/reachability.js'
import { codeOf } from '../../src/types/errors.js'
import { Proxy } from '../chain/proxy.js'
import { startRelay } from './relay.js'
import { addressOf, Recorder, startHost, type TestServices, until } from './hosts.js'

const ack = (sequence: number): Message => ({ type: 'UpdateAck', turn: 0, sequence })

/**
 * The timeouts leave a busy machine the time to answer: a connection that is given up too early is
 * not the one that was swallowed.
 */
const EAGER: KeepAlive = { pingInterval: 50, pingTimeout: 1_000 }
/** Where none is to be given up on a busy machine: libp2p gives up when the next ping is due. */
const PATIENT: KeepAlive = { pingInterval: 500, pingTimeout: 60_000 }
/** So rare that nothing comes of it in a test. */
const NEVER: KeepAlive = { pingInterval: 1_000_000, pingTimeout: 1_000 }

/** Waits until so many pings have been answered, or the connection has ended. */
async function answered(connection: Connection, count: number): Promise<void> {
  for (let n = 0; n < count && connection.status === 'open'; n++) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        resolve()
      }
      connection.addEventListener('close', done, { once: true })
      // libp2p has no event for an answer, and notes its round trip here.
      Object.defineProperty(connection, 'rtt', {
        configurable: true,
        get: () => undefined,
        set: done
      })
    })
  }
}

describe('p2p / connections', () => {
  let hosts: Array<Libp2p<TestServices>>
  let proxy: Proxy | undefined

  beforeEach(() => {
    hosts = []
  })

  afterEach(async () => {
    await Promise.all(
      hosts.map(async (host) => {
        await host.stop()
      })
    )
    await proxy?.cut()
    proxy = undefined
  })

  async function start(
    keepAlive: KeepAlive,
    dialTimeout = 15_000,
    reach: Partial<HostInit> = {}
  ): Promise<Libp2p<TestServices>> {
    const host = await startHost(
      {
        closeTimeout: 100,
        dialTimeout,
        onError: (error) => {
          throw error
        }
      },
      keepAlive,
      reach
    )
    hosts.push(host)
    return host
  }

  /** The address of a host behind a proxy. */
  async function behindProxy(host: Libp2p): Promise<string> {
    const port = Number(
      multiaddr(addressOf(host))
        .getComponents()
        .find(({ name }) => name === 'tcp')?.value
    )
    proxy = await new Proxy({ host: '127.0.0.1', port }).open()
    return `/ip4/127.0.0.1/tcp/${new URL(proxy.url).port}/p2p/${host.peerId.toString()}`
  }

  it('that swallow everything are noticed by both sides, without a payment, and dialled anew', async () => {
    const [alice, bob] = [await start(EAGER), await start(EAGER)]
    const address = await behindProxy(bob)
    const incoming: Recorder[] = []
    bob.services.peers.onIncoming(() => {
      incoming.push(new Recorder())
      return incoming.at(-1) ?? new Recorder()
    })
    const alices = new Recorder()
    const link = await alice.services.peers.open(address, () => alices)
    link.send(ack(1))
    while (incoming.length === 0) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    await incoming[0]?.received(1)
    proxy?.swallow()
    assert.equal(codeOf(await alices.closed()), 'ERR_CONNECTION_LOST')
    assert.equal(codeOf(await incoming[0]?.closed()), 'ERR_CONNECTION_LOST')
    const again = await alice.services.peers.open(address, () => new Recorder())
    again.send(ack(2))
    while (incoming.length === 1) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.deepEqual(await incoming[1]?.received(1), [ack(2)])
  })

  it('that swallow everything in a host that sends no pings are given up with the first stream that cannot be opened', async () => {
    const [alice, bob] = [await start(NEVER, 2_500), await start(NEVER)]
    const address = await behindProxy(bob)
    bob.services.peers.onIncoming(() => new Recorder())
    await alice.services.peers.open(address, () => new Recorder())
    proxy?.swallow()
    await assert.rejects(
      alice.services.peers.open(address, () => new Recorder()),
      { code: 'ERR_PEER_UNREACHABLE' }
    )
    const again = await alice.services.peers.open(address, () => new Recorder())
    assert.equal(again.peer, bob.peerId.toString())
  })

  it('stay while they are idle: pings keep them, and the streams on them', async () => {
    const [alice, bob] = [await start(PATIENT), await start(PATIENT)]
    const bobs = new Recorder()
    bob.services.peers.onIncoming(() => bobs)
    const link = await alice.services.peers.open(addressOf(bob), () => new Recorder())
    const [connection] = alice.getConnections(bob.peerId)
    assert.ok(connection !== undefined)
    await answered(connection, 3)
    link.send(ack(1))
    assert.deepEqual(await bobs.received(1), [ack(1)])
    assert.deepEqual(bobs.endings, [])
  })

  // libp2p reckons the timeout of a ping from the wall clock, and what it made of one that went
  // back was NaN.
  const MINUTE = 60_000
  for (const { name, back } of [
    { name: '59 minutes', back: 59 * MINUTE },
    { name: '61 minutes', back: 61 * MINUTE },
    { name: 'a day', back: 1_440 * MINUTE }
  ]) {
    it(`stay when the clock goes back by ${name}, and forward again`, async () => {
      const [alice, bob] = [await start(PATIENT), await start(PATIENT)]
      const bobs = new Recorder()
      bob.services.peers.onIncoming(() => bobs)
      const alices = new Recorder()
      const link = await alice.services.peers.open(addressOf(bob), () => alices)
      const [connection] = alice.getConnections(bob.peerId)
      assert.ok(connection !== undefined)
      await answered(connection, 1)
      const real = Date.now
      try {
        Date.now = () => real() - back
        await answered(connection, 2)
        Date.now = real
        await answered(connection, 2)
      } finally {
        Date.now = real
      }
      assert.equal(connection.status, 'open')
      link.send(ack(1))
      assert.deepEqual(await bobs.received(1), [ack(1)])
      assert.deepEqual([...alices.endings, ...bobs.endings], [])
    })
  }

  it('are one for all channels of two peers, also when all are opened at once', async () => {
    const [alice, bob] = [await start(NEVER), await start(NEVER)]
    bob.services.peers.onIncoming(() => new Recorder())
    const address = addressOf(bob)
    await Promise.all(
      Array.from(
        { length: 8 },
        async () => await alice.services.peers.open(address, () => new Recorder())
      )
    )
    assert.equal(alice.getConnections(bob.peerId).length, 1)
    assert.equal(bob.getConnections(alice.peerId).length, 1)
  })

  it('over a relay are one as well: it is asked for one circuit, not for one with each channel', async () => {
    const relay = await startRelay()
    const reach = { listen: [], ...(await reachability({ relays: [addressOf(relay)] })) }
    const [alice, bob] = [await start(NEVER, 15_000, reach), await start(NEVER, 15_000, reach)]
    bob.services.peers.onIncoming(() => new Recorder())
    await until(() => bob.getMultiaddrs().length > 0)
    let made = 0
    alice.addEventListener('connection:open', ({ detail: { remotePeer } }) => {
      if (remotePeer.equals(bob.peerId)) made += 1
    })
    for (const to of [addressOf(bob), addressOf(bob), bob.peerId.toString()]) {
      await alice.services.peers.open(to, () => new Recorder())
    }
    assert.equal(made, 1)
    await relay.stop()
  })
})
