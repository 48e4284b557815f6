/** A tool of the Model Context Protocol that costs 1 sat a call, over its HTTP transport; then the same tool unpaid, for comparison. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { Hono } from 'hono'
import { createNode, satoshi, type NodeApi } from 'paychan'
import { startDevnet } from 'paychan/devnet'
import { Gate, payingFetch } from 'paychan/metering'
import { z } from 'zod'

const devnet = await startDevnet({ autoMine: true })
const home = await mkdtemp(join(tmpdir(), 'mcp-tool-'))
const start = async (name: string): Promise<NodeApi> => {
  const dataDir = join(home, name)
  return await createNode({ network: 'regtest', electrum: devnet.url, dataDir, create: true })
}
const [seller, buyer] = [await start('seller'), await start('buyer')]
await devnet.fund(await buyer.wallet.address(), 1_000_000n)
await buyer.chain.untilHeight(devnet.height)

const gate = new Gate({ node: seller, price: satoshi(1n), realm: 'tides' })
const app = new Hono()
// Only calls cost: saying hello and listing the tools is free.
app.post('/paid', async (c, next) => {
  const { method } = (await c.req.raw.clone().json()) as { method?: string }
  return method === 'tools/call' ? await gate.hono()(c, next) : await next()
})
for (const path of ['/paid', '/free']) {
  const tools = new McpServer({ name: 'tides', version: '1.0.0' })
  const about = { description: 'When is high tide?', inputSchema: { port: z.string() } }
  tools.registerTool('tide', about, async ({ port }) => ({
    content: [{ type: 'text', text: `high tide in ${port}: 04:12` }]
  }))
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    enableJsonResponse: true
  })
  await tools.connect(transport)
  app.all(path, async (c) => await transport.handleRequest(c.req.raw))
}
const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
await new Promise((resolve) => server.once('listening', resolve))
const place = server.address()
const url = `http://127.0.0.1:${typeof place === 'object' && place !== null ? place.port : 0}`

const budget = { mostPerRequest: satoshi(1n), budget: satoshi(10_000n) }
const pay = payingFetch({ node: buyer, ...budget, open: { amount: satoshi(200_000n) } })
const client = async (path: string, ask: typeof fetch): Promise<Client> => {
  const made = new Client({ name: 'sailor', version: '1.0.0' })
  await made.connect(new StreamableHTTPClientTransport(new URL(url + path), { fetch: ask }))
  return made
}
const [payer, guest] = [await client('/paid', pay), await client('/free', fetch)]
const call = { name: 'tide', arguments: { port: 'Brest' } }
console.log((await payer.callTool(call)).content)

const times = new Map<Client, number[]>([payer, guest].map((each) => [each, []]))
for (let n = 0; n < 600; n++) {
  const who = n % 2 === 0 ? payer : guest
  const begun = performance.now()
  await who.callTool(call)
  times.get(who)?.push(performance.now() - begun)
}
const [paid = 0, unpaid = 0] = [...times.values()].map((each) => each.sort((a, b) => a - b)[150])
console.log(`a call: ${unpaid.toFixed(2)} ms unpaid, ${paid.toFixed(2)} ms paid; ${pay.spent} sat`)

await Promise.all([payer.close(), guest.close()])
gate.stop()
server.close()
await Promise.all([seller.stop(), buyer.stop(), devnet.stop()])
await rm(home, { recursive: true })
