/**
 * Nodes that are only reached over a relay: channels on connections that end every two minutes or
 * 128 kB.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { reachability } from '../../src/p2p/reachability.js'
import { codeOf, messageOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { addressOf, until } from '../p2p/hosts.js'
import { freePorts } from '../real/bitcoind.js'
import { sized } from '../size.js'
import { Fixture } from './fixture.js'
import { relayedAddress, startRelay } from '../p2p/relay.js'

const CAPACITY = satoshi(1_000_000n)

/** The longest that a payment may have: the limit of bytes comes sooner. */
const MEMO = 'm'.repeat(128)

const PUBLIC_ADDRESS = '45.33.32.156'
const IN_NAMESPACE = `ip link set lo up && ip addr add ${PUBLIC_ADDRESS}/32 dev lo && exec "$@"`

/** Runs a command where the loopback interface has a public address, and nothing else is there. */
async function inNamespace(...command: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('unshare', [
    ...['--user', '--map-root-user', '--net', '--', 'sh', '-c', IN_NAMESPACE, 'sh'],
    ...command
  ])
  return stdout
}

/** Why there are no network namespaces here; undefined when there are. */
const noNamespaces = await inNamespace('true').then(() => undefined, messageOf)

describe('node / over a relay', () => {
  let fixture: Fixture

  beforeEach(async () => {
    fixture = await Fixture.create()
  })
  afterEach(async () => {
    await fixture.end()
  })

  async function relay(key?: PrivateKey, address?: string): Promise<Libp2p> {
    const relay = await startRelay(key, address)
    fixture.onEnd(async () => {
      await relay.stop()
    })
    return relay
  }

  /** A node that listens nowhere but at a relay. */
  const behind = async (relay: string): Promise<object> => ({
    listen: [],
    ...(await reachability({ relays: [relay] }))
  })

  it('a channel is opened and paid on, and goes on when the limit of the relay ends a connection', async () => {
    const reach = await behind(addressOf(await relay()))
    const [alice, bob] = [
      await fixture.rich('alice', 2_000_000n, reach),
      await fixture.node('bob', reach)
    ]
    const { id } = await alice.api.channels.open({
      peer: await relayedAddress(bob.api),
      amount: CAPACITY
    })
    const { text } = await bob.api.requests.make({ amount: satoshi(2_000n) })
    assert.match(
      (await alice.api.requests.pay({ request: text })).receipt ?? '',
      /^paychanreceipt1/
    )
    let broken = 0
    let count = 0
    alice.api.events.on((event) => {
      if (event.type === 'channel' && event.news.kind === 'disconnected') broken += 1
    })
    for (; broken < sized({ small: 1, all: 4 }) || count % 10 !== 0; count++) {
      const payment = { to: id, amount: satoshi(10n), memo: MEMO, id: `payment ${count}` }
      await alice.api.pay(payment).catch(async (error: unknown) => {
        assert.equal(codeOf(error), 'ERR_PAYMENT_UNKNOWN')
        await alice.api.pay(payment)
      })
    }
    const owed = 2_000n + 10n * BigInt(count)
    assert.equal((await alice.api.channels.list())[0]?.theirBalance, owed)
    assert.equal((await bob.api.channels.list())[0]?.ourBalance, owed)
    assert.equal((await bob.api.payments.list()).length, count + 1)
  })

  it('a node is reached once its relay is there, and again when the relay has been away', async () => {
    const [port = 0] = await freePorts()
    const [key, address] = [await generateKeyPair('Ed25519'), `/ip4/127.0.0.1/tcp/${port}`]
    const first = await startRelay(key, address)
    const reach = await behind(addressOf(first))
    await first.stop()
    const bob = await fixture.node('bob', reach)
    assert.deepEqual((await bob.api.info()).multiaddrs, [])
    const second = await startRelay(key, address)
    const peer = await relayedAddress(bob.api)
    const alice = await fixture.rich('alice', 2_000_000n, {
      ...(await reachability({ relays: [] })),
      listen: []
    })
    const { id } = await alice.api.channels.open({ peer, amount: CAPACITY })
    await second.stop()
    await until(async () => (await bob.api.info()).multiaddrs.length === 0)
    await relay(key, address)
    assert.equal(await relayedAddress(bob.api), peer)
    await alice.sees(async () => (await alice.api.channels.list())[0]?.status === 'open')
    await alice.api.pay({ to: id, amount: satoshi(2_000n) })
  })

  it('needs a transport for it, and the service may be kept off limited connections', async () => {
    const reach = await behind(addressOf(await relay()))
    const bob = await fixture.node('bob', reach)
    const peer = await relayedAddress(bob.api)
    const alice = await fixture.rich('alice')
    await assert.rejects(alice.api.channels.open({ peer, amount: CAPACITY }), /--relay/)
    const carol = await fixture.rich('carol', 2_000_000n, {
      ...reach,
      runOnLimitedConnection: false
    })
    await assert.rejects(
      carol.api.channels.open({ peer, amount: CAPACITY }),
      (error) => codeOf(error) === 'ERR_PEER_UNREACHABLE' && /limited/.test(messageOf(error))
    )
  })

  it(
    noNamespaces === undefined
      ? 'a channel goes on directly where one side can be dialled, and needs the relay no more'
      : `(without network namespaces no direct connection is tried: ${noNamespaces})`,
    async () => {
      if (noNamespaces !== undefined) return
      const story = new URL('./direct-connection.js', import.meta.url).pathname
      assert.match(await inNamespace(process.execPath, story, PUBLIC_ADDRESS), /^paid directly$/m)
    }
  )
})
