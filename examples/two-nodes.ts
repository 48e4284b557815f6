/** Two nodes in one process, on a chain of their own, pay each other over a two-way channel. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, satoshi, type NodeApi } from 'paychan'
import { startDevnet } from 'paychan/devnet'

const devnet = await startDevnet({ autoMine: true })
const home = await mkdtemp(join(tmpdir(), 'two-nodes-'))

async function start(name: string): Promise<NodeApi> {
  const node = await createNode({
    network: 'regtest',
    electrum: devnet.url,
    dataDir: join(home, name),
    create: true
  })
  await devnet.fund(await node.wallet.address(), 2_000_000n)
  await node.chain.untilHeight(devnet.height)
  return node
}

const [alice, bob] = [await start('alice'), await start('bob')]
const [aliceInfo, bobInfo] = [await alice.info(), await bob.info()]

const channel = await alice.channels.open({
  peer: bobInfo.multiaddrs[0] ?? '',
  amount: satoshi(1_000_000n),
  twoWay: true
})
console.log(`${channel.capacity} sat are in a channel of Alice and Bob: ${channel.status}`)

await alice.pay({ to: bobInfo.peerId, amount: satoshi(50_000n), memo: 'for the bicycle' })
await bob.pay({ to: aliceInfo.peerId, amount: satoshi(8_000n), memo: 'its bell was broken' })

for (const [name, node] of Object.entries({ alice, bob })) {
  for (const { direction, amount, memo } of (await node.payments.list()).reverse()) {
    console.log(`${name} ${direction} ${amount} sat: ${memo}`)
  }
}

const { kind } = await alice.channels.close(channel.id)
console.log(`they end it with one transaction: a ${kind}`)

await Promise.all([alice.stop(), bob.stop()])
await devnet.stop()
await rm(home, { recursive: true })
