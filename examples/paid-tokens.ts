/** An answer that comes token by token, as from a language model, and is paid by the token over HTTP. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, satoshi, type NodeApi } from 'paychan'
import { startDevnet } from 'paychan/devnet'
import { Gate, payingFetch } from 'paychan/metering'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { serve } from '@hono/node-server'

const devnet = await startDevnet({ autoMine: true })
const home = await mkdtemp(join(tmpdir(), 'paid-tokens-'))
const start = async (name: string): Promise<NodeApi> =>
  await createNode({
    network: 'regtest',
    electrum: devnet.url,
    dataDir: join(home, name),
    create: true
  })
const [seller, buyer] = [await start('seller'), await start('buyer')]
await devnet.fund(await buyer.wallet.address(), 1_000_000n)
await buyer.chain.untilHeight(devnet.height)

const ANSWER = 'A channel is two signatures on one coin : what moves between them needs no block .'
const gate = new Gate({
  node: seller,
  price: satoshi(1n),
  realm: 'model',
  unitType: 'token',
  streamed: 'event'
})
const app = new Hono()
app.use(gate.hono())
app.post('/answer', (c) =>
  streamSSE(c, async (stream) => {
    for (const token of ANSWER.split(' ')) await stream.writeSSE({ data: token })
  })
)
const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
await new Promise((resolve) => server.once('listening', resolve))
const place = server.address()
const url = `http://127.0.0.1:${typeof place === 'object' && place !== null ? place.port : 0}`

const pay = payingFetch({
  node: buyer,
  mostPerRequest: satoshi(1n),
  budget: satoshi(10_000n),
  open: { amount: satoshi(200_000n) }
})
const answer = await pay(`${url}/answer`, { method: 'POST', body: 'What is a channel?' })
const tokens: string[] = []
const begun = performance.now()
for await (const part of (answer.body ?? new ReadableStream()).pipeThrough(
  new TextDecoderStream()
)) {
  tokens.push(...[...part.matchAll(/^data: (.*)$/gm)].map(([, token = '']) => token))
}
const ms = (performance.now() - begun) / tokens.length
console.log(tokens.join(' '))
console.log(
  `${tokens.length} tokens: ${pay.spent} sat spent of ${pay.paid} paid, ${ms.toFixed(2)} ms each; the rest is left for the next answer`
)

gate.stop()
server.close()
await Promise.all([seller.stop(), buyer.stop()])
await devnet.stop()
await rm(home, { recursive: true })
