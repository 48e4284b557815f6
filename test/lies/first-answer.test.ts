/**
 * A node comes back in the window of its settlement, and the server that lies is the first of the
 * two to answer: until the honest one is heard, nothing that the liar says of fees or of blocks may
 * decide what is bid.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { address, networks, Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { ElectrumChain, ServerReport } from '../../src/chain/chain.js'
import { createServerPool } from '../../src/chain/pool.js'
import { type Devnet, startDevnet } from '../../src/devnet/index.js'
import { scriptHashOf } from '../../src/devnet/transaction.js'
import { hashFromTxid, sameBytes, txid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { blockDelta, satoshi } from '../../src/types/units.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import {
  realClock,
  Recorder,
  recordingWatcher,
  type RecordingWatcher,
  seededRandom
} from '../chain/helpers.js'
import { entries } from '../chain/watch-world.js'
import { alice, bob, p2wsh, signed, unsigned } from '../devnet/support.js'
import { Fixture, type TestNode } from '../node/fixture.js'
import { itInAll } from '../size.js'
import { Liar, type Lie, type Line } from './liar.js'
import { LIES, type Row } from './lies.js'

const CAPACITY = satoshi(1_000_000n)
const PAID = satoshi(900_000n)
/** Twice a normal bid, 181 vB at 1.25 sat/vB, at four times the price. */
const MOST_PAID = 8n * 227n
/** How long the honest server takes to answer a fresh connection: it loads, or is far away. */
const SLOW_MS = 1_500

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}

describe('servers that lie / and are the first to answer (EVID-6)', () => {
  let fixture: Fixture
  let liar: Liar
  let honest: Liar
  let terms: { settleHeight: number; refundHeight: number; funding: string }
  let listen: string

  beforeEach(async () => {
    fixture = await Fixture.create({ autoMine: false })
    liar = await Liar.start(fixture.devnet)
    honest = await Liar.start(fixture.devnet)
    fixture.onEnd(async () => {
      await liar.stop()
      await honest.stop()
    })
  })
  afterEach(async () => {
    await fixture.end()
  })

  /** The server was paid, stops, and is away until so many blocks before L; its client is gone. */
  async function away(left: number, how: 'stopped' | 'cut off' = 'stopped'): Promise<TestNode> {
    const alice = await fixture.node('alice', { electrum: [fixture.devnet.url] })
    const bob = await fixture.node('bob', { electrum: [liar.url, honest.url] })
    listen = (await bob.address()).replace(/\/p2p\/.*$/, '')
    await fixture.devnet.fund(await alice.api.wallet.address(), satoshi(3_000_000n))
    await fixture.devnet.mine(1)
    await alice.sees(async () => (await alice.api.wallet.balance()).confirmed >= 3_000_000n)
    const channel = await alice.api.channels.open({
      peer: await bob.address(),
      amount: CAPACITY,
      blocks: 144,
      wait: 'broadcast'
    })
    await fixture.devnet.mine(2)
    for (const node of [alice, bob]) {
      await node.sees(async () =>
        (await node.api.channels.list()).some(({ status }) => status === 'open')
      )
    }
    await alice.api.pay({ to: channel.id, amount: PAID })
    const [own] = await bob.api.channels.list()
    terms = {
      settleHeight: own?.settleHeight ?? assert.fail(),
      refundHeight: own?.refundHeight ?? assert.fail(),
      funding: own?.funding?.txid ?? assert.fail()
    }
    await alice.api.stop()
    if (how === 'stopped') await bob.api.stop()
    else {
      for (const server of [liar, honest]) {
        server.lie = {
          onConnection: (line) => {
            line.close()
          }
        }
        server.drop()
      }
      await until(async () =>
        (await bob.api.info()).chain.servers.every(({ state }) => state === 'down')
      )
    }
    await fixture.devnet.mine(terms.refundHeight - left - fixture.devnet.height)
    return bob
  }

  /** The honest server answers a fresh connection late. */
  function slow(): void {
    honest.lie = {
      answer: async ({ method }, said) => {
        if (method === 'server.version') {
          await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
        }
        return { result: await said() }
      }
    }
  }

  /** The liar tells the blocks from the settlement height on, one after the other. */
  function feeding(): () => Promise<void> {
    let told = terms.settleHeight
    let header: (height: number) => Promise<string> = async () => ''
    const lines = new Set<Line>()
    liar.lie = {
      onConnection: (line) => {
        lines.add(line)
        header = async (height) => String(await line.ask('blockchain.block.header', height))
      },
      answer: async ({ method }, said, line) => {
        if (method === 'blockchain.headers.subscribe') {
          return { result: { height: told, hex: await line.ask('blockchain.block.header', told) } }
        }
        return { result: await said() }
      }
    }
    return async () => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      while (told < fixture.devnet.height) {
        told++
        const hex = await header(told)
        for (const line of lines) {
          line.notify('blockchain.headers.subscribe', [{ height: told, hex }])
        }
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    }
  }

  /** What the server pays in the end, when the next blocks take all that waits. */
  async function paysInTheEnd(bob: TestNode): Promise<bigint> {
    await until(async () =>
      (await bob.api.info()).chain.servers.every(({ state }) => state === 'used')
    )
    await bob.synced()
    for (let n = 0; n < 2; n++) {
      await new Promise((resolve) => setTimeout(resolve, 500))
      await fixture.devnet.mine(1)
      await bob.synced()
    }
    await bob.sees(async () => (await bob.api.channels.list())[0]?.status === 'closed')
    const [channel] = await bob.api.channels.list()
    const spend = await fixture.devnet.transaction(channel?.spend?.txid ?? assert.fail())
    const tx = Transaction.fromBuffer(Uint8Array.from(spend?.raw ?? assert.fail()))
    assert.ok(tx.ins.some(({ hash }) => sameBytes(hash, hashFromTxid(txid(terms.funding)))))
    return CAPACITY - tx.outs.reduce((sum, { value }) => sum + value, 0n)
  }

  it('its word about fees is not the only one', async () => {
    await away(4)
    slow()
    liar.lie = {
      answer: async ({ method }, said) =>
        method === 'blockchain.estimatefee' ? { result: 0.01 } : { result: await said() }
    }
    const bob = await fixture.node('bob', { electrum: [liar.url, honest.url], listen: [listen] })
    const fee = await paysInTheEnd(bob)
    assert.ok(fee <= MOST_PAID, `paid ${fee} of ${PAID}`)
  })

  it('blocks that it tells one after the other have passed over nothing', async () => {
    await away(4)
    slow()
    const feed = feeding()
    const starting = fixture.node('bob', { electrum: [liar.url, honest.url], listen: [listen] })
    await feed()
    const bob = await starting
    const fee = await paysInTheEnd(bob)
    assert.ok(fee <= MOST_PAID, `paid ${fee} of ${PAID}`)
  })

  itInAll('nor those that it tells to a node that was cut off meanwhile', async () => {
    const bob = await away(4, 'cut off')
    const feed = feeding()
    await until(async () => (await bob.api.info()).chain.servers[0]?.state === 'used')
    await feed()
    slow()
    const fee = await paysInTheEnd(bob)
    assert.ok(fee <= MOST_PAID, `paid ${fee} of ${PAID}`)
  })
})

/*
 * What each lie looks like to us: with an honest server beside the liar, and with the liar alone.
 * docs/servers-that-lie.md is the table.
 */

/*
 * A devnet on which something has happened, a liar in front of it, and a chain that asks one or
 * both.
 */

const { verify } = loadEcdsa()
/** OP_TRUE: stands for a funding output, which is a P2WSH as well. */
const WITNESS_SCRIPT = Uint8Array.of(0x51)
const CHANNEL = p2wsh(WITNESS_SCRIPT)

class World {
  readonly reports = new Recorder<ServerReport>()
  readonly watchers = new Map<Uint8Array, RecordingWatcher>()
  readonly #liar: Liar

  private constructor(
    readonly devnet: Devnet,
    readonly chain: ElectrumChain,
    liar: Liar
  ) {
    this.#liar = liar
  }

  /**
   * Alice's coin and a channel's output have been spent in blocks; another payment to each waits.
   */
  static async create(lie: Lie, withHonest: boolean): Promise<World> {
    const devnet = await startDevnet({ seed: 'lies' })
    const channel = address.fromOutputScript(CHANNEL, networks.regtest)
    for (const to of [alice.address, channel]) await devnet.fund(to, satoshi(100_000n))
    await devnet.mine(1)
    const [coin, funding] = [
      (await devnet.utxos(alice.script))[0] ?? assert.fail(),
      (await devnet.utxos(CHANNEL))[0] ?? assert.fail()
    ]
    const spend = unsigned({ from: [{ ...funding, owner: alice }], to: [[bob.script, 99_000n]] })
    spend.setWitness(0, [WITNESS_SCRIPT])
    for (const tx of [
      signed({ from: [{ ...coin, owner: alice }], to: [[bob.script, 90_000n]] }),
      spend
    ]) {
      assert.ok((await devnet.submit(tx.toBuffer())).accepted)
    }
    await devnet.mine(1)
    for (const to of [alice.address, channel]) await devnet.fund(to, satoshi(50_000n))

    const liar = await Liar.start(devnet, lie)
    const early: ServerReport[] = []
    let report = (each: ServerReport): void => {
      early.push(each)
    }
    const chain = createServerPool({
      servers: [liar.url, ...(withHonest ? [devnet.url] : [])].map((url) => ({ url })),
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      verify,
      timeouts: {
        retryFirst: 2,
        retryMost: 20,
        request: 2_000,
        silence: 2_000,
        ping: 100,
        call: 15_000
      },
      times: { lag: 100, omission: 50, answers: 300, retry: 1_000_000, retryAlone: 1_000_000 },
      onReport: (each) => {
        report(each)
      }
    })
    const world = new World(devnet, chain, liar)
    report = (each) => {
      world.reports.push(each)
    }
    for (const script of [alice.script, CHANNEL]) {
      const watcher = recordingWatcher()
      world.watchers.set(script, watcher)
      chain.watchScript(script, watcher)
    }
    await chain.start()
    return world
  }

  async stop(): Promise<void> {
    await this.chain.stop()
    await this.#liar.stop()
    await this.devnet.stop()
  }

  /** Until both scripts have the histories that the devnet has. */
  async knowsTheTruth(): Promise<void> {
    for (const [script, { histories }] of this.watchers) {
      const { confirmed, mempool } = await this.devnet.backend.scriptHistory(scriptHashOf(script))
      const truth = JSON.stringify([
        ...confirmed.map(({ txid, height }) => [txid, height]),
        ...mempool.map(({ txid }) => [txid, undefined])
      ])
      await histories.when((history) => JSON.stringify(entries(history)) === truth)
    }
  }

  /** Until the chain has the devnet's tip. */
  async hasTheTip(): Promise<void> {
    const { height } = this.devnet
    await new Promise<void>((resolve) => {
      const stop = this.chain.onTip((tip) => {
        if (tip.height !== height) return
        resolve()
        queueMicrotask(() => {
          stop()
        })
      })
    })
  }

  /** A payment that nobody has sent yet. */
  async payment(): Promise<Transaction> {
    const coin =
      (await this.devnet.utxos(bob.script)).find(({ height }) => height !== undefined) ??
      assert.fail()
    return signed({ from: [{ ...coin, owner: bob }], to: [[bob.script, coin.value - 1_000n]] })
  }

  async isWaiting(tx: Transaction): Promise<boolean> {
    return (await this.devnet.backend.mempool()).some(({ txid }) => txid === tx.getId())
  }
}

const DOCS = new URL('../../../docs/servers-that-lie.md', import.meta.url)

describe('servers that lie / beside an honest one', () => {
  let world: World
  afterEach(async () => {
    await world.stop()
  })

  for (const { name, lie, dropped } of LIES) {
    it(`${name}: the truth is known${dropped === undefined ? '' : `, and the liar is dropped (${dropped})`}`, async () => {
      world = await World.create(lie(), true)
      await Promise.all([world.knowsTheTruth(), world.hasTheTip()])
      const rate = await world.chain.estimateFeeRate(blockDelta(6))
      assert.equal(rate, 1_000n)
      const payment = await world.payment()
      assert.equal(
        (await world.chain.broadcast(parseTransaction(payment.toBuffer()))).txid,
        payment.getId()
      )
      while (!(await world.isWaiting(payment))) {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      }
      if (dropped === undefined) return
      const { code, text } = await world.reports.when(() => true)
      assert.equal(code, dropped, text)
      assert.match(text, /is not used any more\. The others go on\./)
      assert.deepEqual(
        world.chain.servers.map(({ state }) => state),
        ['dropped', 'used']
      )
    })
  }
})

describe('servers that lie / alone', () => {
  let world: World
  afterEach(async () => {
    await world.stop()
  })

  const outcomes: Record<Row['alone'], (name: string) => Promise<void>> = {
    truth: async () => {
      await Promise.all([world.knowsTheTruth(), world.hasTheTip()])
      assert.equal(await answered(), 1_000n)
    },
    ERR_CHAIN_LIED: async () => {
      const errors = await Promise.race(
        [...world.watchers.values()].map(async ({ errors }) => await errors.when(() => true))
      )
      assert.equal(codeOf(errors), 'ERR_CHAIN_LIED')
      for (const { histories } of world.watchers.values()) {
        for (const history of histories.all) {
          assert.ok(
            history.every(({ height }) => height === undefined || height <= world.devnet.height - 0)
          )
        }
      }
    },
    ERR_ELECTRUM_PROTOCOL: async () => {
      await downFor('ERR_ELECTRUM_PROTOCOL')
    },
    ERR_CHAIN_UNAVAILABLE: async () => {
      await downFor('ERR_CHAIN_UNAVAILABLE')
    },
    ERR_BROADCAST_REFUSED: async () => {
      const payment = await world.payment()
      await assert.rejects(world.chain.broadcast(parseTransaction(payment.toBuffer())), {
        code: 'ERR_BROADCAST_REFUSED'
      })
    },
    believed: async (name) => {
      await (BELIEVED[name] ?? assert.fail(`nothing is said of what is believed of '${name}'`))()
    }
  }

  /**
   * Which of its answers are lost depends on how many were asked for before; the caller asks again,
   * as the node does with the next block.
   */
  async function answered(): Promise<bigint> {
    for (;;) {
      try {
        return await world.chain.estimateFeeRate(blockDelta(6))
      } catch (error) {
        assert.equal(codeOf(error), 'ERR_CHAIN_UNAVAILABLE')
      }
    }
  }

  async function downFor(code: string): Promise<void> {
    while (world.chain.lastErrorCode !== code) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.ok((world.chain.lastError ?? '').endsWith('.'))
  }

  /**
   * What cannot be known without another server. Everything here costs nothing while one of several
   * is honest.
   */
  const BELIEVED: Readonly<Record<string, () => Promise<void>>> = {
    'hides a transaction': async () => {
      for (const { histories } of world.watchers.values()) {
        assert.deepEqual(await histories.when(() => true), [])
      }
    },
    'hides the spend of the funding output': async () => {
      const [, channel] = [...world.watchers.values()]
      assert.deepEqual(
        (await channel?.histories.when(() => true))?.length,
        2,
        'what pays to it, not what spends it'
      )
    },
    'is stuck at an old block': async () => {
      await new Promise<void>((resolve) => {
        world.chain.onTip(() => {
          resolve()
        })
      })
      assert.equal(world.chain.tip?.height, world.devnet.height - 3)
    },
    'accepts a broadcast and does not relay it': async () => {
      const payment = await world.payment()
      assert.equal(
        (await world.chain.broadcast(parseTransaction(payment.toBuffer()))).txid,
        payment.getId()
      )
      assert.equal(await world.isWaiting(payment), false)
    },
    'says that fees are high': async () => {
      assert.equal(
        await world.chain.estimateFeeRate(blockDelta(6)),
        900_000n,
        'bounded by 1,000 sat/vB'
      )
    }
  }

  for (const { name, lie, alone } of LIES) {
    it(`${name}: ${alone}`, async () => {
      world = await World.create(lie(), false)
      await outcomes[alone](name)
    })
  }
})

describe('servers that lie / the table in the docs', () => {
  it('has every lie that is tested, once, with what is tested', async () => {
    const rows = (await readFile(DOCS, 'utf8'))
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(1)
      .map((line) => line.split('|').map((cell) => cell.trim()))
    assert.deepEqual(
      rows.map(([, name]) => name),
      LIES.map(({ name }) => name)
    )
    for (const [index, { dropped, alone }] of LIES.entries()) {
      const [, name, beside = '', only = ''] = rows[index] ?? []
      assert.ok(
        dropped === undefined
          ? !beside.includes('dropped')
          : beside.includes(`dropped (\`${dropped}\`)`),
        `${name}, beside an honest one: ${beside}`
      )
      assert.ok(
        alone === 'truth'
          ? only.startsWith('the truth')
          : alone === 'believed'
            ? only.startsWith('**not noticed**')
            : only.includes(`\`${alone}\``),
        `${name}, alone: ${only}`
      )
    }
  })
})
