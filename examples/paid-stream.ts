/** A libp2p protocol that is paid by the message: words come as long as they are paid. */
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
import { buyStream, StreamSales } from 'paychan/metering'

const [WORDS, PRICE] = ['/words/1.0.0', satoshi(1n)]
const devnet = await startDevnet({ autoMine: true })
const home = await mkdtemp(join(tmpdir(), 'words-'))

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
const [author, reader] = [await host('author'), await host('reader')]

const sales = new StreamSales({ node: author.services.paychan, price: PRICE, per: 'message' })
await author.handle(WORDS, async (stream, { remotePeer }) => {
  const paid = await sales.sell(stream, String(remotePeer))
  for (const word of 'in the beginning was the word, and it cost a satoshi'.split(' ')) {
    await paid.send(new TextEncoder().encode(word))
  }
  await paid.close()
})

const { wallet, chain, channels } = reader.services.paychan
await devnet.fund(await wallet.address(), 1_000_000n)
await chain.untilHeight(devnet.height)
await channels.open({ peer: String(author.getMultiaddrs()[0]), amount: satoshi(200_000n) })

const stream = await reader.dialProtocol(author.getMultiaddrs(), WORDS)
const bought = await buyStream(stream, {
  node: reader.services.paychan,
  seller: author.peerId.toString(),
  per: 'message',
  mostPerUnit: PRICE,
  budget: satoshi(5_000n)
})
const words: string[] = []
for await (const word of bought.received) words.push(new TextDecoder().decode(word))
const { units, paid } = bought.bill()
console.log(words.join(' '))
console.log(
  `${units} messages are used, and ${paid} sat paid: the rest is left for the next stream`
)

sales.stop()
await Promise.all([reader.stop(), author.stop(), devnet.stop()])
await rm(home, { recursive: true })
