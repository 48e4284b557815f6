import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import { ANCHOR_DEPTH } from '../../src/chain/headers.js'
import { type Devnet, startDevnet } from '../../src/devnet/index.js'
import type { ChainStatus, Tip } from '../../src/engine/ports.js'
import type { NodeInfo } from '../../src/node/api.js'
import { createNode, type NodeOptions } from '../../src/node/create-node.js'
import { blockDelta, blockHeight, satoshi } from '../../src/types/units.js'
import {
  realClock,
  Recorder,
  recordingWatcher,
  seededRandom,
  testScript
} from '../chain/helpers.js'
import { LOCALHOST, LOCALHOST_FINGERPRINT, OTHER_HOST } from '../chain/tls-fixture.js'
import { Liar } from '../lies/liar.js'
import { TollGate } from '../toll.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

describe('a node with an Electrum server behind TLS', () => {
  let devnet: Devnet
  let dataDir: string
  before(async () => {
    devnet = await startDevnet({ seed: 'tls', tls: LOCALHOST })
    dataDir = await mkdtemp(join(tmpdir(), 'paychan-tls-'))
    await writeFile(join(dataDir, 'ca.pem'), LOCALHOST.cert)
    await writeFile(join(dataDir, 'rubbish.pem'), 'rubbish')
  })
  after(async () => {
    await devnet.stop()
    await rm(dataDir, { recursive: true })
  })

  /** What the node says of its chain as soon as that is one thing or the other. */
  async function chainOf(trust: Partial<NodeOptions>): Promise<NodeInfo['chain']> {
    let settled: () => void = () => {}
    const known = new Promise<void>((resolve) => {
      settled = resolve
    })
    const node = await createNode({
      network: 'regtest',
      electrum: devnet.url,
      dataDir,
      create: true,
      ...trust,
      onEvent: (event) => {
        trust.onEvent?.(event)
        if (event.type === 'chain' && event.status !== 'connecting') settled()
      }
    })
    await known
    const { chain } = await node.info()
    await node.stop()
    return chain
  }

  /** The devnet is gone; returns its port. */
  async function restarted(): Promise<number> {
    await devnet.stop()
    return devnet.port
  }

  it('reaches it with the fingerprint pinned, or with the file of the authority', async () => {
    assert.equal(devnet.url, `tls://127.0.0.1:${devnet.port}`)
    assert.equal((await chainOf({ electrumFingerprint: LOCALHOST_FINGERPRINT })).status, 'synced')
    assert.equal((await chainOf({ electrumCa: join(dataDir, 'ca.pem') })).height, 120)
  })

  it('does not start with what is no fingerprint, or no certificate', async () => {
    await assert.rejects(chainOf({ electrumFingerprint: 'AB:CD' }), {
      code: 'ERR_INVALID_FINGERPRINT'
    })
    for (const file of ['rubbish.pem', 'missing.pem']) {
      await assert.rejects(chainOf({ electrumCa: join(dataDir, file) }), {
        code: 'ERR_INVALID_CA',
        message: new RegExp(file)
      })
    }
  })

  it('takes a certificate that no authority vouches for at first use, tells of it once, and takes no other one from then on', async () => {
    const told: string[] = []
    const meet = async (electrum = devnet.url): Promise<NodeInfo['chain']> =>
      await chainOf({
        electrum,
        dataDir: join(dataDir, 'first-use'),
        onEvent: (event) => {
          if (event.type === 'server') told.push(event.code, event.text)
        }
      })
    for (let start = 0; start < 2; start++) assert.equal((await meet()).status, 'synced')
    assert.equal(told[0], 'TLS_FIRST_USE')
    assert.ok(told[1]?.includes(LOCALHOST_FINGERPRINT.replaceAll(':', '').toLowerCase()), told[1])
    assert.equal(told.length, 2, 'not at the second start')
    const impostor = await startDevnet({ seed: 'tls', tls: OTHER_HOST, port: await restarted() })
    const { status, lastError } = await meet(impostor.url)
    await impostor.stop()
    assert.equal(status, 'down')
    assert.match(lastError ?? '', /another certificate than the one that it has shown before/)
  })

  it('refuses a server that is named twice, also with another fingerprint', async () => {
    for (const again of [devnet.url, `${devnet.url}#${LOCALHOST_FINGERPRINT}`]) {
      await assert.rejects(
        chainOf({ electrum: [devnet.url, again], dataDir: join(dataDir, 'twice') }),
        { code: 'ERR_INVALID_ELECTRUM_URL', message: /is named twice/ }
      )
    }
  })
})

/*
 * What a node asks of its Electrum server costs little: servers charge for it, and hang up on
 * whoever costs too much.
 */

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
      await fixture.devnet.fund(await client.api.wallet.address(), satoshi(2_000_000n))
      await fixture.devnet.mine(1)
      await client.sees(async () => (await client.api.wallet.balance()).confirmed === 2_000_000n)
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
      const { id } = await client.api.channels.open({
        peer: await server.address(),
        amount: satoshi(100_000n),
        wait: 'broadcast'
      })
      await server.sees(async () =>
        (await server.api.channels.list()).some((channel) => channel.id === id)
      )
      await blocks(2)
      await client.sees(async () =>
        (await client.api.channels.list()).some(
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

    it('is nothing for calls that only read, but for one answer about fees in a block', async () => {
      const reads = async (): Promise<void> => {
        const { chain, wallet, channels, payments, requests, peers, info } = client.api
        await Promise.all([
          ...[chain.fees(), info(), wallet.balance(), wallet.coins(), wallet.transactions()],
          ...[channels.list(), payments.list(), requests.list(), peers.list(), peers.aliases()]
        ])
      }
      const asked = async (times: number): Promise<string[]> => {
        const before = gate.requests.length
        await Promise.all(Array.from({ length: times }, reads))
        const methods = gate.requests.slice(before).map(({ method }) => method)
        return methods.filter((method) => method !== 'server.ping')
      }
      const first = await asked(100)
      // Six targets with three requests each, and one; and what the node asks with its last block.
      assert.ok(first.length <= 19 + 7, first.join(', '))
      assert.deepEqual(await asked(100), [])
    })

    it('is within its budget, also with channels that nothing happens to', async () => {
      // Where it takes its time, a start goes over another block, with and without channels.
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
        start - first <= 3 * BUDGET_CHANNEL_START + BUDGET_BLOCK,
        `${start} at a start with three channels, ${first} without`
      )
      assert.ok(first <= BUDGET_START + BUDGET_BLOCK, `${first} at a start`)
      assert.deepEqual([gate.refused, gate.hungUp], [[], 0])
    })
  })
})

/*
 * A server that refuses to watch anything: one alarm, not one for each script of the wallet; and
 * why the connection ended is told when it hangs up after that.
 */

const SUBSCRIBE = 'blockchain.scripthash.subscribe'
const REASON = 'excessive resource usage'

describe('node / a server that refuses subscriptions', () => {
  let fixture: Fixture
  let liar: Liar

  beforeEach(async () => {
    fixture = await Fixture.create()
    liar = await Liar.start(fixture.devnet)
  })
  afterEach(async () => {
    await fixture.end()
    await liar.stop()
  })

  it('is one alarm, however many scripts there are', async () => {
    let refused = 0
    const enough = new Promise<void>((resolve) => {
      liar.lie = {
        answer: async ({ method }, honest) => {
          if (method !== SUBSCRIBE) return { result: await honest() }
          refused += 1
          if (refused === 30) resolve()
          return { error: REASON }
        }
      }
    })
    const { events } = await fixture.node('alice', { electrum: liar.url }, 'started')
    await enough
    // The answer to what comes last: by then the others have been heard.
    await events.when((event) => event.type === 'alarm')
    const alarms = events.all.filter(({ type }) => type === 'alarm')
    assert.equal(alarms.length, 1, JSON.stringify(alarms))
    assert.match(
      JSON.stringify(alarms),
      /does not watch one of the wallet's scripts .*excessive resource usage/
    )
  })

  it('and hangs up: the event that the chain is down says why', async () => {
    let hangUp = (): void => {}
    let isSilent = false
    liar.lie = {
      answer: async ({ method }, honest, line) => {
        if (isSilent) return undefined
        if (method !== SUBSCRIBE) return { result: await honest() }
        isSilent = true
        hangUp = line.close
        return { error: REASON }
      }
    }
    const { events } = await fixture.node('alice', { electrum: liar.url }, 'started')
    // The refusal has been read.
    await events.when((event) => event.type === 'alarm')
    hangUp()
    const down = await events.when((event) => event.type === 'chain' && event.status === 'down')
    assert.match(
      down.type === 'chain' ? (down.reason ?? '') : '',
      /(closed the connection|broke: .*)\. Its last word: it refused blockchain\.scripthash\.subscribe: excessive resource usage\.$/
    )
  })
})

/* A channel's life where mempools take 0.1 sat/vB: Bitcoin Core from 29.1 on. */

for (const core of [30, 31] as const) {
  describe(`node / fees below 1 sat/vB, Core ${core}`, () => {
    let fixture: Fixture
    let client: TestNode
    let server: TestNode

    beforeEach(async () => {
      fixture = await Fixture.create({ autoMine: false, core })
      server = await fixture.node('server')
      client = await fixture.node('client')
      await fixture.devnet.fund(await client.api.wallet.address(), 2_000_000n)
      await mine(1)
      await client.sees(async () => (await client.api.wallet.balance()).confirmed === 2_000_000n)
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
      const to = await server.api.wallet.address()
      assert.equal(
        await codeOfRejection(
          client.api.wallet.send({ to, amount: satoshi(10_000n), satPerVByte: 0.099 })
        ),
        'ERR_INVALID_FEERATE'
      )
      const sent = await client.api.wallet.send({ to, amount: satoshi(10_000n), satPerVByte: 0.2 })
      assert.deepEqual(await waitingRates(), [20n])
      const bumped = await client.api.wallet.bumpFee(sent.txid ?? '', { satPerVByte: 0.4 })
      assert.deepEqual([bumped.broadcast, await waitingRates()], [true, [40n]])
    })

    it('pay for an opening and a close; what has a deadline pays 1 sat/vB', async () => {
      const { id } = await client.api.channels.open({
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
          (await node.api.channels.list()).some((each) => each.id === id && each.status === 'open')
        )
      }
      await client.api.pay({ to: (await server.api.info()).peerId, amount: satoshi(200_000n) })
      await client.api.stop()
      const settleHeight = (await server.api.channels.list())[0]?.settleHeight ?? blockHeight(0)
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
