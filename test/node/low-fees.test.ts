/** A channel's life where mempools take 0.1 sat/vB: Bitcoin Core from 29.1 on. */
import assert from 'node:assert/strict'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

for (const core of [30, 31] as const) {
  describe(`node / fees below 1 sat/vB, Core ${core}`, () => {
    let fixture: Fixture
    let client: TestNode
    let server: TestNode

    beforeEach(async () => {
      fixture = await Fixture.create({ autoMine: false, core })
      server = await fixture.node('server')
      client = await fixture.node('client')
      await fixture.devnet.fund(await client.api.address(), 2_000_000n)
      await mine(1)
      await client.sees(async () => (await client.api.balance()).confirmed === 2_000_000n)
    })

    afterEach(async () => {
      await fixture.end()
    })

    async function mine(blocks: number): Promise<void> {
      await fixture.devnet.mine(blocks)
      await client.synced()
      await server.synced()
    }

    it('are what a person may ask for: sent, replaced, and not below what the mempool takes', async () => {
      const to = await server.api.address()
      assert.equal(
        await codeOfRejection(client.api.send({ to, amount: 10_000n, satPerVByte: 0.099 })),
        'ERR_INVALID_FEERATE'
      )
      const sent = await client.api.send({ to, amount: 10_000n, satPerVByte: 0.2 })
      assert.deepEqual(await waitingRates(), [20n])
      const bumped = await client.api.bumpFee(sent.txid ?? '', { satPerVByte: 0.4 })
      assert.deepEqual([bumped.broadcast, await waitingRates()], [true, [40n]])
    })

    it('pay for an opening and a close; what has a deadline pays 1 sat/vB', async () => {
      const { id } = await client.api.open({
        peer: await server.address(),
        amount: satoshi(500_000n),
        blocks: 144,
        satPerVByte: 0.15,
        wait: 'broadcast'
      })
      assert.deepEqual(await waitingRates(), [15n])
      await mine(3)
      for (const node of [client, server]) {
        await node.sees(async () =>
          (await node.api.channels()).some((each) => each.id === id && each.status === 'open')
        )
      }
      await client.api.pay({ to: (await server.api.info()).peerId, amount: 200_000n })
      await client.api.stop()
      const settleHeight = (await server.api.channels())[0]?.settleHeight ?? blockHeight(0)
      await fixture.devnet.mine(settleHeight - fixture.devnet.height)
      await server.synced()
      await server.sees(async () => (await fixture.devnet.backend.mempool()).length === 1)
      const [rate = 0n] = await waitingRates()
      assert.ok(rate >= 100n, String(rate))
    })

    /** In hundredths of a sat/vB, rounded down. */
    async function waitingRates(): Promise<bigint[]> {
      return (await fixture.devnet.backend.mempool()).map(
        ({ fee, vsize }) => (fee * 100n) / BigInt(vsize)
      )
    }
  })
}
