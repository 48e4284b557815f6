/**
 * A devnet on which something has happened, a liar in front of it, and a chain that asks one or
 * both.
 */
import assert from 'node:assert/strict'
import { address, networks, type Transaction } from 'bitcoinjs-lib'
import type { ElectrumChain, ServerReport } from '../../src/chain/chain.js'
import { createServerPool } from '../../src/chain/pool.js'
import { startDevnet, type Devnet } from '../../src/devnet/index.js'
import { scriptHashOf } from '../../src/devnet/transaction.js'
import { satoshi } from '../../src/types/units.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import {
  realClock,
  Recorder,
  recordingWatcher,
  seededRandom,
  type RecordingWatcher
} from '../chain/helpers.js'
import { entries } from '../chain/watch-world.js'
import { alice, bob, p2wsh, signed, unsigned } from '../devnet/support.js'
import { Liar, type Lie } from './liar.js'

const { verify } = loadEcdsa()
/** OP_TRUE: stands for a funding output, which is a P2WSH as well. */
const WITNESS_SCRIPT = Uint8Array.of(0x51)
const CHANNEL = p2wsh(WITNESS_SCRIPT)

export class World {
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
