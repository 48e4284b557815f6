/**
 * The wallet dies at each of its writes, before it or after, and everybody asks again: the same
 * outcome.
 */
import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { addressFromScript, scriptFromAddress, scriptOf } from '../../src/bitcoin/address.js'
import { SimDisk, type SimStore } from '../../src/testing/disk.js'
import type { ChannelId, Txid } from '../../src/types/bytes.js'
import { feeRate } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { testRoot } from './test-root.js'
import type { NodeWallet } from '../../src/wallet/node-wallet.js'
import { createWallet } from '../../src/wallet/wallet.js'
import { Life } from '../engine/life.js'
import { sized } from '../size.js'
import { FakeChain } from './fake-chain.js'
import { Bench, channelNamed, fundingScriptOf, sat, seededRandom } from './fixtures.js'

const SEED = 'alice'
const stranger = (n: number): Uint8Array =>
  scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(n) })
const addressOf = (script: Uint8Array): string => addressFromScript(script, 'regtest')

type Moment = 'before' | 'after'

/**
 * A wallet whose process ends at one of its writes, and that is started again on what the disk has.
 */
class Mortal {
  readonly chain = new FakeChain()
  writes = 0
  struck = false
  funding: Txid | undefined
  readonly #disk = new SimDisk()
  #life = new Life('wallet', () => {})
  store: SimStore = this.#disk.storeFor(this.#life)
  wallet: NodeWallet = this.#make()

  constructor(private readonly strike?: { readonly write: number; readonly moment: Moment }) {
    this.#disk.beforeWrite = () => {
      this.#strikeAt('before', this.writes + 1)
    }
    this.#disk.onDurable(() => {
      this.writes += 1
      this.#strikeAt('after', this.writes)
    })
  }

  get alive(): boolean {
    return this.#life.alive
  }

  /** Asks for something; a dead wallet answers nobody. */
  async try(work: () => Promise<unknown>): Promise<void> {
    void work().catch(() => {})
    await this.settled()
    if (!this.alive) await this.restart()
  }

  async restart(): Promise<void> {
    this.#life.end()
    this.#life = new Life('wallet', () => {})
    this.store = this.#disk.storeFor(this.#life)
    this.wallet = this.#make()
    await this.wallet.start()
    await this.settled()
  }

  async mine(blocks = 1): Promise<void> {
    for (let n = 0; n < blocks; n++) this.chain.mine()
    await this.settled()
    if (!this.alive) await this.restart()
  }

  async settled(): Promise<void> {
    for (let n = 0; n < 8; n++) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  #strikeAt(moment: Moment, write: number): void {
    if (!this.alive || this.strike?.moment !== moment) return
    if (this.strike.write !== write || this.struck) return
    this.struck = true
    this.#life.end()
  }

  #make(): NodeWallet {
    const life = this.#life
    return createWallet({
      root: testRoot(SEED),
      network: 'regtest',
      store: this.store,
      chain: life.chain(this.chain),
      random: seededRandom(SEED),
      onError: () => {}
    })
  }
}

/**
 * A life of a wallet: coins in, a channel funded, one given up, a send that is bumped, a payout
 * swept, labels. Returns its writes.
 */
async function tell(strike?: { readonly write: number; readonly moment: Moment }): Promise<number> {
  const mortal = new Mortal(strike)
  const { chain } = mortal
  await mortal.try(async () => {
    await mortal.wallet.start()
  })
  for (const value of [60_000, 50_000, 40_000]) {
    let address: string | undefined
    while (address === undefined) {
      await mortal.try(async () => {
        address = await mortal.wallet.newAddress()
      })
    }
    chain.pay(scriptFromAddress(address, 'regtest'), sat(value))
  }
  await mortal.mine()
  await fund(mortal)
  await giveUp(mortal)
  await sendAndBump(mortal)
  await sweep(mortal)
  while (mortal.wallet.transactions(() => undefined).every(({ label }) => label === undefined)) {
    await mortal.try(async () => {
      await mortal.wallet.label(addressOf(stranger(1)), 'rent')
    })
  }
  await mortal.mine(BURIED_DEPTH + 1)
  await mortal.mine(2)
  check(mortal)
  await mortal.wallet.stop()
  if (strike !== undefined) assert.ok(mortal.struck, 'the story has no such write')
  return mortal.writes
}

/** What an engine does: a T1 that it has not heard of when its process ended is given up. */
async function fund(mortal: Mortal): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const channel = channelNamed(`funded ${attempt}`)
    let raw: Uint8Array | undefined
    await mortal.try(async () => {
      ;({ raw } = await build(mortal, channel))
    })
    if (raw === undefined) {
      await released(mortal, channel)
      continue
    }
    mortal.funding = (await mortal.chain.broadcast(parseTransaction(raw))).txid
    return await mortal.mine()
  }
}

async function giveUp(mortal: Mortal): Promise<void> {
  const channel = channelNamed('given up')
  await mortal.try(async () => {
    await build(mortal, channel)
  })
  await released(mortal, channel)
}

async function build(mortal: Mortal, channel: ChannelId): ReturnType<NodeWallet['buildFunding']> {
  return await mortal.wallet.buildFunding({
    channel,
    scriptPubKey: fundingScriptOf('peer'),
    amount: sat(30_000),
    feeRate: feeRate(1_000n)
  })
}

async function released(mortal: Mortal, channel: ChannelId): Promise<void> {
  await mortal.try(async () => {
    await mortal.wallet.releaseFunding(channel)
  })
  while (mortal.wallet.reservedFor().includes(channel)) {
    await mortal.try(async () => {
      await mortal.wallet.releaseFunding(channel)
    })
  }
}

/** A person who looks before sending again. */
async function sendAndBump(mortal: Mortal): Promise<void> {
  const sent = (): string | undefined =>
    mortal.wallet
      .transactions((id) => (id === mortal.funding ? 'funding' : undefined))
      .find(({ kind }) => kind === 'send')?.txid
  while (sent() === undefined) {
    await mortal.try(async () => {
      await mortal.wallet.send({ to: addressOf(stranger(1)), amount: 20_000n, feeRate: 1_000n })
    })
  }
  await mortal.try(async () => {
    await mortal.wallet.bumpFee(sent() ?? '', { feeRate: 5_000n })
  })
  await mortal.mine()
}

/** The engine claims a payout with every start, as long as it is new. */
async function sweep(mortal: Mortal): Promise<void> {
  const bench = await Bench.start({ seed: SEED, chain: mortal.chain })
  const payout = bench.payout(25_000)
  await bench.wallet.stop()
  await mortal.mine()
  for (let n = 0; n < 3; n++) {
    await mortal.try(async () => {
      await mortal.wallet.claim(payout)
    })
  }
  await mortal.mine()
}

function check({ wallet, chain, store }: Mortal): void {
  assert.deepEqual(
    chain.unspent(stranger(1)).map(({ value }) => value),
    [20_000n],
    'the send arrived once'
  )
  assert.equal(chain.unspent(fundingScriptOf('peer')).length, 1, 'one channel is funded')
  const { confirmed, reserved, pending, unswept } = wallet.balance()
  assert.deepEqual([reserved, pending, unswept], [0n, 0n, 0n])
  // 150,000 received, 25,000 paid out, 30,000 in the channel, 20,000 sent; T1, send with its bump
  // and sweep pay at most 2,000.
  assert.ok(confirmed > 123_000n && confirmed < 125_000n, `${confirmed} sat are left`)
  assert.deepEqual(
    [...store.snapshot().keys()].filter((key) => /reservation|outgoing|claim/.test(key)),
    [],
    'nothing is locked for good'
  )
}

/** At every fourth write or at each. */
const EVERY = sized({ small: 4, all: 1 })

describe('wallet / crash', function () {
  this.slow(20_000)
  for (const moment of ['before', 'after'] as const) {
    it(`dies ${moment} each of its writes: the same outcome`, async () => {
      const writes = await tell()
      assert.ok(writes > 10, `${writes} writes`)
      for (let write = 1; write <= writes; write += EVERY) {
        await tell({ write, moment }).catch((error: unknown) => {
          throw new Error(`${moment} write ${write} of ${writes}: ${String(error)}`, {
            cause: error
          })
        })
      }
    })
  }
})
