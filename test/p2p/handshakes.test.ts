/** Connections that strangers open and do not go on with keep nobody out (WIRE-13). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Libp2p, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { inboundGate } from '../../src/p2p/host.js'
import { addressOf, startMute } from './hosts.js'

/** A connection in its handshake: all that the gate looks at. */
class Pending extends EventTarget {
  readonly remoteAddr
  isOpen = true

  constructor(address: string) {
    super()
    this.remoteAddr = multiaddr(address)
  }

  abort(): void {
    this.isOpen = false
    this.dispatchEvent(new Event('close'))
  }
}

describe('p2p / handshakes that strangers begin', () => {
  function gate(most: number): {
    come: (address: string) => Promise<Pending>
    ready: (pending: Pending) => Promise<void>
  } {
    const { denyInboundConnection, denyInboundUpgradedConnection } = inboundGate(most)
    const asConnection = (pending: Pending): MultiaddrConnection =>
      pending as unknown as MultiaddrConnection
    return {
      come: async (address) => {
        const pending = new Pending(address)
        assert.equal(await denyInboundConnection?.(asConnection(pending)), false)
        return pending
      },
      ready: async (pending) => {
        const peer = {} as PeerId
        assert.equal(await denyInboundUpgradedConnection?.(peer, asConnection(pending)), false)
      }
    }
  }

  it('give way, the oldest of the network that has the most of them first', async () => {
    const { come } = gate(4)
    const honest = await come('/ip4/198.51.100.7/tcp/1')
    const strangers: Pending[] = []
    for (let n = 1; n <= 20; n++) strangers.push(await come(`/ip4/203.0.113.${n}/tcp/1`))
    assert.ok(honest.isOpen, 'one of another network is let be')
    assert.deepEqual(
      strangers.map(({ isOpen }) => isOpen),
      strangers.map((_, n) => n >= 17)
    )
  })

  it('give way, the oldest first, when they come from as many networks', async () => {
    const { come } = gate(3)
    const all: Pending[] = []
    for (let n = 1; n <= 5; n++) all.push(await come(`/ip4/10.0.${n}.1/tcp/1`))
    assert.deepEqual(
      all.map(({ isOpen }) => isOpen),
      [false, false, true, true, true]
    )
  })

  it('are of one network by the /24 of IPv4 and the /64 of IPv6', async () => {
    const { come } = gate(3)
    const others = [await come('/ip4/10.0.1.1/tcp/1'), await come('/ip6/2001:db8::1/tcp/1')]
    const same = [
      await come('/ip6/2001:db8:0:1::1/tcp/1'),
      await come('/ip6/2001:db8:0:1:ffff:ffff:0:2/tcp/1'),
      await come('/ip6/2001:db8:0:1:1::3/tcp/1')
    ]
    assert.deepEqual(
      [...others, ...same].map(({ isOpen }) => isOpen),
      [true, true, false, false, true]
    )
    const mapped = gate(2)
    const [first, , third] = [
      await mapped.come('/ip6/::ffff:10.0.2.1/tcp/1'),
      await mapped.come('/ip4/10.0.1.1/tcp/1'),
      await mapped.come('/ip4/10.0.2.2/tcp/1')
    ]
    assert.deepEqual([first?.isOpen, third?.isOpen], [false, true])
  })

  it('count until they are done, or ended', async () => {
    const { come, ready } = gate(2)
    const done = await come('/ip4/10.0.1.1/tcp/1')
    await ready(done)
    const ended = await come('/ip4/10.0.1.2/tcp/1')
    ended.abort()
    const later = [await come('/ip4/10.0.1.3/tcp/1'), await come('/ip4/10.0.1.4/tcp/1')]
    assert.deepEqual(
      [done, ...later].map(({ isOpen }) => isOpen),
      [true, true, true]
    )
    done.abort()
    await come('/ip4/10.0.1.5/tcp/1')
    assert.equal(later[0]?.isOpen, false)
  })

  describe('at a host', () => {
    let hosts: Libp2p[]
    let sockets: Socket[]

    beforeEach(() => {
      hosts = []
      sockets = []
    })
    afterEach(async () => {
      for (const socket of sockets) socket.destroy()
      for (const host of hosts) await host.stop()
    })

    it('go for who comes after them', async () => {
      const most = 3
      hosts = [await startMute(inboundGate(most)), await startMute()]
      const [host, other] = hosts
      assert.ok(host && other)
      const port = Number(multiaddr(addressOf(host)).getComponents()[1]?.value)
      for (let n = 0; n < most; n++) {
        const socket = connect(port, '127.0.0.1')
        sockets.push(socket)
        // It is ended by a reset.
        socket.on('error', () => {})
        await once(socket, 'connect')
        // The host has it once it answers.
        socket.write('\x13/multistream/1.0.0\n')
        await once(socket, 'data')
      }
      const closed = new Promise((resolve) => sockets[0]?.once('close', resolve))
      await other.dial(multiaddr(addressOf(host)))
      await closed
      assert.equal(sockets[2]?.destroyed, false)
    })
  })
})
