/** An API that costs 2 sat a request, and a client that pays it; then the same number of calls unpaid, for comparison. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, satoshi, type NodeApi } from 'paychan'
import { startDevnet } from 'paychan/devnet'
import { Gate, payingFetch, receiptOf } from 'paychan/metering'
import { Hono } from 'hono'
import { serve } from '@hono/node-server'

const devnet = await startDevnet({ autoMine: true })
const home = await mkdtemp(join(tmpdir(), 'paid-api-'))
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

const gate = new Gate({ node: seller, price: satoshi(2n), realm: 'weather' })
const app = new Hono()
app.use('/paid/*', gate.hono())
app.get('/paid/weather', (c) => c.text('rain'))
app.get('/free/weather', (c) => c.text('rain'))
const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
await new Promise((resolve) => server.once('listening', resolve))
const place = server.address()
const url = `http://127.0.0.1:${typeof place === 'object' && place !== null ? place.port : 0}`

const pay = payingFetch({
  node: buyer,
  mostPerRequest: satoshi(2n),
  budget: satoshi(10_000n),
  open: { amount: satoshi(200_000n) }
})
const answer = await pay(`${url}/paid/weather`)
console.log(`${await answer.text()}; receipt: ${receiptOf(answer)?.spent} sat are spent`)

async function median(call: () => Promise<Response>): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < 300; n++) {
    const begun = performance.now()
    await (await call()).text()
    times.push(performance.now() - begun)
  }
  return times.sort((a, b) => a - b)[150] ?? 0
}
await pay(`${url}/paid/weather`)
const unpaid = await median(async () => await fetch(`${url}/free/weather`))
const paid = await median(async () => await pay(`${url}/paid/weather`))
console.log(`a call: ${unpaid.toFixed(2)} ms unpaid, ${paid.toFixed(2)} ms paid`)
const begun = performance.now()
const callers = Array.from({ length: 64 }, async () => {
  for (let n = 0; n < 20; n++) await (await pay(`${url}/paid/weather`)).text()
})
await Promise.all(callers)
const rate = (64 * 20 * 1_000) / (performance.now() - begun)
console.log(
  `64 callers: ${rate.toFixed(0)} paid calls/s; ${pay.spent} sat spent of ${pay.paid} paid`
)

gate.stop()
server.close()
await Promise.all([seller.stop(), buyer.stop()])
await devnet.stop()
await rm(home, { recursive: true })
