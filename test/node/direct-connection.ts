/**
 * A process of its own, where the loopback interface has a public address: two nodes meet over a
 * relay, go on directly, and pay without it. Prints `paid directly`.
 */
import '../../src/p2p/polyfill.js'
import { reachability } from '../../src/p2p/reachability.js'
import { satoshi } from '../../src/types/units.js'
import { addressOf, until } from '../p2p/hosts.js'
import { Fixture } from './fixture.js'
import { freePorts } from '../real/bitcoind.js'
import { relayedAddress, startRelay } from '../p2p/relay.js'

const [, , publicAddress = ''] = process.argv
const fixture = await Fixture.create()
const relay = await startRelay()
const reach = await reachability({ relays: [addressOf(relay)] })
const bob = await fixture.node('bob', { ...reach, listen: [] })
const [port = 0] = await freePorts()
const address = `/ip4/${publicAddress}/tcp/${port}`
const alice = await fixture.rich('alice', 2_000_000n, {
  ...(await reachability({ relays: [] })),
  listen: [address],
  announce: [address]
})
const { id } = await alice.api.channels.open({
  peer: await relayedAddress(bob.api),
  amount: satoshi(1_000_000n)
})
await until(() => relay.getConnections().every(({ streams }) => streams.length === 0))
await relay.stop()
await alice.api.pay({ to: id, amount: satoshi(2_000n), id: 'the first without the relay' })
await fixture.end()
process.stdout.write('paid directly\n')
process.exit()
