/**
 * One of the two nodes of the bench, in a process of its own: real disk, real TCP, the public API.
 */
import '../src/p2p/polyfill.js'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
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
import { Buyer, sellCalls, type Seller } from './paid-calls.js'

/**
 * Room for every payment of 1 sat that can be made while the bench runs. Everything else is as
 * usual.
 */
const MOST = satoshi(100_000_000n)
const POLICY = {
  maxCapacity: MOST,
  maxStake: MOST,
  maxInFlightValue: MOST,
  maxPendingOpenings: 100,
  maxUnfunded: 100,
  maxPendingInAll: 1_000,
  maxUnfundedInAll: 1_000,
  minFirstPayment: satoshi(1n)
}

/** Blocks between the ends of two turns: the least that the policy of regtest takes. */
const TURN_BLOCKS = 6

let node: Libp2p<HostServices & { paychan: Paychan }> | undefined

let seller: Seller | undefined
let buyer: Buyer | undefined
/** The data directory. */
let home = ''

function running(): Libp2p<HostServices & { paychan: Paychan }> {
  if (node === undefined) throw new Error('the node is not started')
  return node
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Without garbage. */
function heapUsed(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Bytes of the files of a directory; one that goes away meanwhile has none. */
async function sizeOf(directory: string): Promise<number> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(
    files
      .filter((file) => file.isFile())
      .map(
        async ({ parentPath, name }) => await stat(join(parentPath, name)).catch(() => undefined)
      )
  )
  return sizes.reduce((sum, found) => sum + (found?.size ?? 0), 0)
}

answerCalls({
  start: async (dataDir, electrum) => {
    home = dataDir
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
  open: async (peer, capacity, turns) => {
    const times =
      turns === undefined ? {} : { step: TURN_BLOCKS, blocks: TURN_BLOCKS * (turns + 6) }
    const amount = satoshi(capacity)
    const open = { peer, amount, wait: 'broadcast' as const, ...times }
    return (await running().services.paychan.channels.open(open)).id
  },
  payOnce: async (to, payments, amount) => {
    const { pay } = running().services.paychan
    await Promise.all(
      Array.from({ length: payments }, async () => await pay({ to, amount: satoshi(amount) }))
    )
  },
  channel: async () => (await running().services.paychan.channels.list())[0],
  payable: async () =>
    (await running().services.paychan.channels.list())
      .filter(({ status }) => status === 'open')
      .map(({ id }) => id),
  cpu: async () => {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  usage: async () => ({
    heap: heapUsed(),
    disk: await sizeOf(home),
    // The kernel's count of this process, where it keeps one.
    written: Number(
      /^write_bytes: (\d+)/m.exec(await readFile('/proc/self/io', 'utf8').catch(() => ''))?.[1]
    )
  }),
  localFloors: async () => await localFloors(),
  roundTrip: async (address) => await roundTripFloor(await running().dial(multiaddr(address))),
  waiting: async (to, payments) => {
    const { pay } = running().services.paychan
    const before = heapUsed()
    const made = Array.from({ length: payments }, () => pay({ to, amount: satoshi(1n) }))
    const bytes = (heapUsed() - before) / payments
    await Promise.all(made)
    return bytes
  },
  pay: async (channels, callers, ms) => {
    const { pay } = running().services.paychan
    return await closedLoop(callers, ms, (caller) =>
      pay({ to: channels[caller % channels.length] ?? '', amount: satoshi(1n) })
    )
  },
  sell: async () => {
    seller = await sellCalls(running(), running().services.paychan, `${home}-books`)
    return seller.url
  },
  buy: async (url, address) => {
    const connection = await running().dial(multiaddr(address))
    buyer = new Buyer(running().services.paychan, url, connection)
  },
  calls: async (calling) => {
    if (buyer === undefined) throw new Error('nothing is sold yet')
    return await buyer.call(calling)
  },
  stop: async () => {
    await seller?.close()
    await running().stop()
    // After the answer has left.
    setImmediate(() => {
      process.disconnect()
    })
  }
})
