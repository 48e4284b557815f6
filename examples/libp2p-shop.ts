/** A libp2p application with a protocol of its own: the shop answers whoever has paid for it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify, type Identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import { paychan, paychanIdentity, satoshi, type Paychan } from 'paychan'
import { startDevnet } from 'paychan/devnet'

const [ORACLE, PRICE] = ['/shop/oracle/1.0.0', satoshi(1_000n)]
const devnet = await startDevnet({ autoMine: true })
const home = await mkdtemp(join(tmpdir(), 'shop-'))

async function host(name: string): Promise<Libp2p<{ identify: Identify; paychan: Paychan }>> {
  const common = { network: 'regtest', dataDir: join(home, name) } as const
  const { privateKey, root } = await paychanIdentity({ ...common, create: true })
  return await createLibp2p({
    privateKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), paychan: paychan({ ...common, electrum: devnet.url, root }) }
  })
}
const [shop, customer] = [await host('shop'), await host('customer')]
const credit = new Map<string, bigint>()
shop.services.paychan.events.on((event) => {
  if (event.type !== 'payment') return
  const { peerId, amount } = event.payment
  credit.set(peerId, (credit.get(peerId) ?? 0n) + amount)
})
await shop.handle(ORACLE, async (stream, { remotePeer }) => {
  const left = (credit.get(String(remotePeer)) ?? 0n) - PRICE
  stream.send(new TextEncoder().encode(left < 0n ? `first pay ${PRICE} sat` : 'it is 42'))
  if (left >= 0n) credit.set(String(remotePeer), left)
  await stream.close()
})

async function ask(): Promise<string> {
  const stream = await customer.dialProtocol(shop.getMultiaddrs(), ORACLE)
  return await new Promise((resolve) => {
    stream.addEventListener('message', ({ data }) => {
      resolve(new TextDecoder().decode(data.subarray()))
    })
  })
}
const { wallet, chain, channels, pay } = customer.services.paychan
await devnet.fund(await wallet.address(), 1_000_000n)
await chain.untilHeight(devnet.height)
await channels.open({ peer: String(shop.getMultiaddrs()[0]), amount: satoshi(200_000n) })
console.log(`before it has paid, the customer hears: ${await ask()}`)
await pay({ to: shop.peerId.toString(), amount: PRICE })
console.log(`and afterwards: ${await ask()}`)
await Promise.all([customer.stop(), shop.stop(), devnet.stop()])
await rm(home, { recursive: true })
