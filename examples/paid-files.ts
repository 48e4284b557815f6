/** A file server on libp2p that is paid by the chunk of 64 KiB: who asks for a file by its hash pays as it comes. Then the same unpaid, for comparison. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify, type Identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { createLibp2p, type Libp2p } from 'libp2p'
import { paychan, paychanIdentity, satoshi, type Paychan } from 'paychan'
import { startDevnet } from 'paychan/devnet'
import { buyStream, StreamSales } from 'paychan/metering'

const [PAID, FREE, CHUNK, PRICE] = ['/files/1.0.0', '/free-files/1.0.0', 65_536, satoshi(1n)]
const devnet = await startDevnet({ autoMine: true })
const home = await mkdtemp(join(tmpdir(), 'files-'))
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
const [library, reader] = [await host('library'), await host('reader')]
const file = Array.from({ length: 100 }, () => randomBytes(CHUNK))
const hashOf = (parts: Uint8Array[]): string =>
  createHash('sha256').update(Buffer.concat(parts)).digest('hex')
const wanted = hashOf(file)
const chunksOf = (hash: Uint8Array): Uint8Array[] =>
  String(Buffer.from(hash)) === wanted ? file : []
const sold = { node: library.services.paychan, price: PRICE, per: { bytes: CHUNK } }
const sales = new StreamSales(sold)
await library.handle(PAID, async (stream, { remotePeer }) => {
  const paid = await sales.sell(stream, String(remotePeer))
  for await (const hash of paid.received) for (const each of chunksOf(hash)) await paid.send(each)
})
await library.handle(FREE, async (stream) => {
  const frames = lpStream(stream)
  for (const each of chunksOf((await frames.read()).subarray())) await frames.write(each)
})
const { wallet, chain, channels } = reader.services.paychan
await devnet.fund(await wallet.address(), 1_000_000n)
await chain.untilHeight(devnet.height)
const at = library.getMultiaddrs()
await channels.open({ peer: String(at[0]), amount: satoshi(200_000n) })
async function time(what: string, next: () => Promise<Uint8Array>): Promise<void> {
  const [begun, parts] = [performance.now(), new Array<Uint8Array>()]
  while (parts.length < file.length) parts.push(await next())
  const each = (performance.now() - begun) / file.length
  if (hashOf(parts) !== wanted) throw new Error('This is another file.')
  console.log(`${what}: ${each.toFixed(2)} ms a chunk, and the file has its hash`)
}
const free = lpStream(await reader.dialProtocol(at, FREE))
await free.write(Buffer.from(wanted))
await time('unpaid', async () => (await free.read()).subarray())

const bought = await buyStream(await reader.dialProtocol(at, PAID), {
  node: reader.services.paychan,
  seller: String(library.peerId),
  per: sold.per,
  mostPerUnit: PRICE,
  budget: satoshi(5_000n),
  ahead: 4
})
for (const what of ['paid', 'again']) {
  await bought.send(Buffer.from(wanted))
  await time(what, async () => (await bought.received.next()).value as Uint8Array)
}
console.log(`${bought.bill().units} chunks for ${bought.bill().paid} sat`)

sales.stop()
await Promise.all([reader.stop(), library.stop(), devnet.stop()])
await rm(home, { recursive: true })
