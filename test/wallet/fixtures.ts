/** A wallet on the chain of a world, and what its tests need of both. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { HDKey } from '@scure/bip32'
import { crypto } from 'bitcoinjs-lib'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { scriptFromAddress } from '../../src/bitcoin/address.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import type { CsvOutput, Random, Signer } from '../../src/engine/ports.js'
import type { SimChain } from '../../src/testing/chain.js'
import { openSimStore, type SimStore, type Snapshot } from '../../src/testing/disk.js'
import { channelId, type ChannelId } from '../../src/types/bytes.js'
import { satoshi, type Satoshi } from '../../src/types/units.js'
import type { NodeWallet } from '../../src/wallet/node-wallet.js'
import { createSigner } from '../../src/wallet/signer.js'
import { createWallet } from '../../src/wallet/wallet.js'
import { ServedChain } from './served-chain.js'

export const sat = (value: number | bigint): Satoshi => satoshi(BigInt(value))

/** Bytes that look random and are the same every time. */
export function seededRandom(seed: string): Random {
  let count = 0
  return {
    bytes: (length) => {
      let bytes = Buffer.alloc(0)
      while (bytes.length < length) {
        bytes = Buffer.concat([bytes, createHash('sha256').update(`${seed} ${count++}`).digest()])
      }
      return Uint8Array.from(bytes.subarray(0, length))
    }
  }
}

export function channelNamed(name: string): ChannelId {
  return channelId(createHash('sha256').update(name).digest('hex'))
}

/** The scriptPubKey of a 2-of-2 of two test keys. */
export function fundingScriptOf(name: string): Uint8Array {
  const path = { high: 1, low: 2, use: 'channel' } as const
  const client = createTestSigner(`${name} client`).publicKey({ ...path, role: 'client' })
  const server = createTestSigner(`${name} server`).publicKey({ ...path, role: 'server' })
  return p2wsh(fundingWitnessScript(client, server))
}

/**
 * A wallet that can be stopped and started again on what is durable, as a node is after a crash.
 */
export class Bench {
  readonly errors: Error[] = []
  wallet: NodeWallet
  store: SimStore

  private constructor(
    readonly chain: ServedChain,
    readonly seed: string,
    disk: Snapshot
  ) {
    this.store = openSimStore(disk)
    this.wallet = this.#make()
  }

  static async start(
    options: { seed?: string; disk?: Snapshot; chain?: ServedChain } = {}
  ): Promise<Bench> {
    const bench = new Bench(
      options.chain ?? new ServedChain(),
      options.seed ?? 'alice',
      options.disk ?? new Map()
    )
    await bench.wallet.start()
    await bench.settled()
    return bench
  }

  /** What happens to the chain. */
  get sim(): SimChain {
    return this.chain.sim
  }

  /** Ends this wallet as a crash does, and starts another on a snapshot of the disk. */
  async restart(disk: Snapshot = this.store.snapshot()): Promise<void> {
    await this.wallet.stop()
    this.store = openSimStore(disk)
    this.wallet = this.#make()
    await this.wallet.start()
    await this.settled()
  }

  /** Waits until the chain has delivered, and the wallet has done what follows from it. */
  async settled(): Promise<void> {
    // Deliveries and their consequences alternate a few times; each takes some microtasks.
    for (let i = 0; i < 4; i++) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
      await this.wallet.idle()
    }
  }

  /** Pays the wallet and confirms it, one transaction for each value. */
  async receive(...values: number[]): Promise<void> {
    for (const value of values) this.sim.fund(await this.freshScript(), sat(value))
    this.sim.mine()
    await this.settled()
  }

  /** Asserts what the wallet has: nothing, beside what is said. */
  hasBalance(
    said: Partial<Record<'confirmed' | 'pending' | 'unswept' | 'reserved' | 'locked', bigint>>
  ): void {
    const nothing = { confirmed: 0n, pending: 0n, unswept: 0n, reserved: 0n, locked: 0n }
    assert.deepEqual(this.wallet.balance(), { ...nothing, ...said })
  }

  async freshScript(): Promise<Uint8Array> {
    return scriptFromAddress(await this.wallet.newAddress(), 'regtest')
  }

  /** A payout output of this wallet's, in the mempool. */
  payout(value: number, low = 1): CsvOutput {
    const key = { role: 'server', high: 7, low, use: 'payout' } as const
    const scriptPubKey = p2wsh(payoutWitnessScript(this.#signer.publicKey(key)))
    const id = this.sim.fund(scriptPubKey, sat(value))
    return { outPoint: { txid: id, vout: 0 }, value: sat(value), scriptPubKey, key }
  }

  get #signer(): ReturnType<typeof createTestSigner> {
    return createTestSigner(this.seed)
  }

  #make(): NodeWallet {
    return createWallet({
      root: testRoot(this.seed),
      network: 'regtest',
      store: this.store,
      chain: this.chain,
      random: seededRandom(this.seed),
      onError: (error) => {
        this.errors.push(error)
      }
    })
  }
}

/* Keys that come from a text: never for money. */

/** The BIP32 master key of a text. */
export function testRoot(seed: string): HDKey {
  return HDKey.fromMasterSeed(crypto.sha256(new TextEncoder().encode(`paychan test seed ${seed}`)))
}

export function createTestSigner(seed: string, network: Network = 'regtest'): Signer {
  return createSigner(testRoot(seed), network)
}
