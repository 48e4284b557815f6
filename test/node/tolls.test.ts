/**
 * What a node asks of its Electrum server costs little: servers charge for it, and hang up on
 * whoever costs too much.
 */
import assert from 'node:assert/strict'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import { ANCHOR_DEPTH } from '../../src/chain/headers.js'
import { startDevnet, type Devnet } from '../../src/devnet/devnet.js'
import type { ChainStatus, Tip } from '../../src/engine/ports.js'
import { blockDelta, satoshi } from '../../src/types/units.js'
import {
  realClock,
  Recorder,
  recordingWatcher,
  seededRandom,
  testScript
} from '../chain/helpers.js'
import { TollGate } from '../toll.js'
import { Fixture, type TestNode } from './fixture.js'

/** What a block may cost a node that does nothing: ElectrumX forgives 600 from one to the next. */
const BUDGET_BLOCK = 15

/** A start of a node with few coins, with the block after it. */
const BUDGET_START = 60

/** What one more channel that does nothing may cost: at a start, and with each block. */
const BUDGET_CHANNEL_START = 12
const BUDGET_CHANNEL_BLOCK = 0.1

describe('node / what an Electrum server charges', () => {
  describe('for a chain that is followed', () => {
    let devnet: Devnet
    let gate: TollGate
    let chain: ElectrumChain
    const tips = new Recorder<Tip>()

    beforeEach(async () => {
      devnet = await startDevnet({ seed: 'tolls' })
      gate = await new TollGate(devnet).open()
      chain = createElectrumChain({
        url: gate.url,
        network: 'regtest',
        clock: realClock,
        random: seededRandom()
      })
      chain.onTip((tip) => {
        tips.push(tip)
      })
      const statuses = new Recorder<ChainStatus>()
      chain.onStatus((status) => {
        statuses.push(status)
      })
      await chain.start()
      await statuses.when((status) => status === 'synced')
    })

    afterEach(async () => {
      await chain.stop()
      await gate.close()
      await devnet.stop()
    })

    /** As a node does: twice an estimate, once what the mempool asks for. */
    async function block(): Promise<void> {
      await devnet.mine(1)
      const { height } = devnet
      await tips.when((tip) => tip.height === height)
      await chain.estimateFeeRate(blockDelta(6))
      await chain.estimateFeeRate(blockDelta(1))
      await chain.relayRates()
    }

    it('is little, however fast the blocks come: nothing is refused, and nobody hangs up', async () => {
      const before = gate.total
      for (let i = 0; i < 100; i++) await block()
      assert.deepEqual([gate.refused, gate.hungUp], [[], 0])
      assert.ok(
        (gate.total - before) / 100 <= BUDGET_BLOCK,
        `${(gate.total - before) / 100} a block`
      )
    })

    it('is no more with a block for scripts that nothing happens to', async () => {
      const scripts = Array.from({ length: 200 }, (_, i) => testScript(i))
      await Promise.all(
        scripts.map(async (script) => {
          await chain.watchScript(script, recordingWatcher()).ready
        })
      )
      const before = gate.total
      for (let i = 0; i < 10; i++) await block()
      assert.ok((gate.total - before) / 10 <= BUDGET_BLOCK, `${(gate.total - before) / 10} a block`)
    })
  })

  describe('for a whole node', () => {
    let fixture: Fixture
    let gate: TollGate
    let client: TestNode
    let server: TestNode

    beforeEach(async () => {
      // Not by itself: T1 is sent by both sides, and whoever comes after its block is refused.
      fixture = await Fixture.create({ autoMine: false })
      gate = await new TollGate(fixture.devnet).open()
      fixture.onEnd(async () => {
        await gate.close()
      })
      server = await fixture.node('server', { listen: ['/ip4/127.0.0.1/tcp/0'] })
      client = await fixture.node('client', { electrum: gate.url })
      await fixture.devnet.fund(await client.api.address(), satoshi(2_000_000n))
      await fixture.devnet.mine(1)
      await client.sees(async () => (await client.api.balance()).confirmed === 2_000_000n)
    })

    afterEach(async () => {
      await fixture.end()
    })

    async function blocks(count: number): Promise<number> {
      const before = gate.total
      for (let i = 0; i < count; i++) {
        await fixture.devnet.mine(1)
        await client.synced()
      }
      return (gate.total - before) / count
    }

    async function restart(): Promise<number> {
      const before = gate.total
      await client.api.stop()
      client = await fixture.node('client', { electrum: gate.url, create: false })
      // A tip is told after the histories that are being read.
      await blocks(1)
      return gate.total - before
    }

    async function open(): Promise<void> {
      const { id } = await client.api.open({
        peer: await server.address(),
        amount: satoshi(100_000n),
        wait: 'broadcast'
      })
      await server.sees(async () =>
        (await server.api.channels()).some((channel) => channel.id === id)
      )
      await blocks(2)
      await client.sees(async () =>
        (await client.api.channels()).some(
          (channel) => channel.id === id && channel.status === 'open'
        )
      )
    }

    it('includes no header that was fetched at an earlier start, but for those that could be others by now', async () => {
      await fixture.devnet.mine(100)
      await client.synced()
      const before = gate.requests.length
      await restart()
      const starts = gate.requests
        .slice(before)
        .flatMap(({ method, params: [start] }) =>
          method === 'blockchain.block.headers' ? [Number(start)] : []
        )
      assert.ok(starts.length > 0 && Math.min(...starts) >= 220 - ANCHOR_DEPTH, String(starts))
    })

    it('is within its budget, also with channels that nothing happens to', async () => {
      const first = await restart()
      const without = await blocks(20)
      assert.ok(without <= BUDGET_BLOCK, `${without} a block`)
      for (let i = 0; i < 3; i++) await open()
      const idle = await blocks(20)
      assert.ok(
        idle - without <= 3 * BUDGET_CHANNEL_BLOCK + 1,
        `${idle} a block with three channels, ${without} without`
      )
      const start = await restart()
      assert.ok(
        start - first <= 3 * BUDGET_CHANNEL_START,
        `${start} at a start with three channels, ${first} without`
      )
      assert.ok(first <= BUDGET_START, `${first} at a start`)
      assert.deepEqual([gate.refused, gate.hungUp], [[], 0])
    })
  })
})
