/** The payment log says which payment is the newest, whatever the clock on the wall says. */
import assert from 'node:assert/strict'
import { newestFirst } from '../../src/node/lists.js'
import { twoNodes, type Node } from './world.js'

const HOUR = 3_600_000

async function newest(node: Node, limit?: number): Promise<string[]> {
  return (await newestFirst(node.engine.payments(), limit)).map(({ memo }) => memo)
}

describe('engine / the order of payments', () => {
  it('is that of the log on both sides, over channels, restarts, and a clock that is set back', async () => {
    const { world, alice, bob } = await twoNodes()
    const one = await world.open(alice, bob)
    const other = await world.open(alice, bob, (one.capacity / 2n) as typeof one.capacity)
    const pay = async (channel: typeof one, memo: string): Promise<void> => {
      await alice.engine.pay(channel.id, 1_000n as typeof one.capacity, memo)
    }
    await pay(one, 'first')
    await world.pass(-HOUR)
    await pay(other, 'second')
    await pay(one, 'third')
    for (const node of [alice, bob]) {
      await world.pass(-HOUR)
      await node.restart()
    }
    await world.pass(1_000)
    await pay(other, 'fourth')
    for (const node of [alice, bob]) {
      assert.deepEqual(await newest(node), ['fourth', 'third', 'second', 'first'], node.name)
      assert.deepEqual(await newest(node, 1), ['fourth'], node.name)
    }
  })
})
