/**
 * One of the two nodes of the bench, in a process of its own: real disk, real TCP, the public API.
 */
import '../src/p2p/polyfill.js'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { paychan, type Paychan } from '../src/node/service.js'
import { systemRandom } from '../src/node/system.js'
import { createHost, type HostServices } from '../src/p2p/host.js'
import { satoshi } from '../src/types/units.js'
import { createSeed, identitySeed, rootFromWords } from '../src/bitcoin/seed.js'
import { answerCalls } from './calls.js'
import { echo, ECHO, localFloors, roundTripFloor } from './floors.js'
import { closedLoop } from './load.js'

/**
 * Room for every payment of 1 sat that can be made while the bench runs. Everything else is as
 * usual.
 */
const MOST = satoshi(100_000_000n)
const POLICY = {
  maxCapacity: MOST,
  maxStake: MOST,
  maxInFlightValue: MOST,
  minFirstPayment: satoshi(1n)
}

let node: Libp2p<HostServices & { paychan: Paychan }> | undefined

function running(): Libp2p<HostServices & { paychan: Paychan }> {
  if (node === undefined) throw new Error('the node is not started')
  return node
}

answerCalls({
  start: async (dataDir, electrum) => {
    const root = rootFromWords(createSeed(systemRandom))
    const privateKey = await generateKeyPairFromSeed('Ed25519', identitySeed(root, 'regtest'))
    const host = createHost({ privateKey, listen: ['/ip4/127.0.0.1/tcp/0'] })
    const service = paychan({ network: 'regtest', electrum, dataDir, policy: POLICY, root })
    node = await createLibp2p({ ...host, services: { ...host.services, paychan: service } })
    await node.handle(ECHO, echo)
    const info = await node.services.paychan.info()
    return { multiaddr: info.multiaddrs[0] ?? '', ecdsa: info.ecdsa }
  },
  address: async () => await running().services.paychan.wallet.address(),
  confirmed: async () => (await running().services.paychan.wallet.balance()).confirmed,
  height: async () => (await running().services.paychan.info()).chain.height ?? 0,
  open: async (peer, capacity) =>
    (
      await running().services.paychan.channels.open({
        peer,
        amount: satoshi(capacity),
        wait: 'broadcast'
      })
    ).id,
  channel: async () => (await running().services.paychan.channels.list())[0],
  localFloors: async () => await localFloors(),
  roundTrip: async (address) => await roundTripFloor(await running().dial(multiaddr(address))),
  pay: async (channel, callers, ms) => {
    const { pay } = running().services.paychan
    return await closedLoop(callers, ms, () => pay({ to: channel, amount: satoshi(1n) }))
  },
  stop: async () => {
    await running().stop()
    // After the answer has left.
    setImmediate(() => {
      process.disconnect()
    })
  }
})
