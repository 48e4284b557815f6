/**
 * The wallet dies at each of its writes, before it or after, and everybody asks again: the same
 * outcome.
 */
import assert from 'node:assert/strict'
import { addressFromScript, scriptFromAddress, scriptOf } from '../../src/bitcoin/address.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { SimDisk, type SimStore } from '../../src/testing/disk.js'
import type { ChannelId, Txid } from '../../src/types/bytes.js'
import { feeRate } from '../../src/types/units.js'
import { AddressBook } from '../../src/wallet/addresses.js'
import { GAP } from '../../src/wallet/gaps.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import type { NodeWallet } from '../../src/wallet/node-wallet.js'
import { gapChange } from '../../src/wallet/records.js'
import { createWallet } from '../../src/wallet/wallet.js'
import { Life } from '../engine/life.js'
import { sized } from '../size.js'
import { ServedChain } from './served-chain.js'
import { Bench, channelNamed, fundingScriptOf, sat, seededRandom, testRoot } from './fixtures.js'

const SEED = 'alice'
const stranger = (n: number): Uint8Array =>
  scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(n) })
const addressOf = (script: Uint8Array): string => addressFromScript(script, 'regtest')

type Moment = 'before' | 'after'

/**
 * A wallet whose process ends at one of its writes, and that is started again on what the disk has.
 */
class Mortal {
  readonly chain = new ServedChain()
  writes = 0
  struck = false
  funding: Txid | undefined
  readonly #disk = new SimDisk()
  #life = new Life('wallet', () => {})
  store: SimStore = this.#disk.storeFor(this.#life)
  wallet: NodeWallet = this.#make()
  readonly #strike: { readonly write: number; readonly moment: Moment } | undefined

  constructor(strike?: { readonly write: number; readonly moment: Moment }) {
    this.#strike = strike
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
    for (let n = 0; n < blocks; n++) this.chain.sim.mine()
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
    if (!this.alive || this.#strike?.moment !== moment) return
    if (this.#strike.write !== write || this.struck) return
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
    chain.sim.fund(scriptFromAddress(address, 'regtest'), sat(value))
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
const EVERY = sized({ small: 8, all: 1 })

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

/* What the words alone bring back. */

describe('wallet / restore', () => {
  const book = new AddressBook(testRoot('alice'), 'regtest')

  it('finds every coin that is at most a gap behind the last, on both branches', async () => {
    const bench = await Bench.start({ seed: 'another' })
    // The last address of the gap, then the last of the next gap, and so on: each hit widens the
    // search.
    const receive = [GAP - 1, 2 * GAP - 1, 3 * GAP - 1]
    for (const index of receive) bench.sim.fund(book.at('receive', index).scriptPubKey, sat(1_000))
    bench.sim.fund(book.at('change', GAP - 1).scriptPubKey, sat(300))
    bench.sim.fund(book.at('receive', 4 * GAP).scriptPubKey, sat(50_000))
    bench.sim.mine()
    const restored = await Bench.start({ chain: bench.chain })
    await restored.settled()
    assert.equal(
      restored.wallet.balance().confirmed,
      3_300n,
      'one beyond the gap is not looked for'
    )
    assert.equal(
      await restored
        .freshScript()
        .then((script) => Buffer.from(script).equals(book.at('receive', 3 * GAP).scriptPubKey)),
      true,
      'no used address is handed out again'
    )
    await restored.wallet.stop()
    await bench.wallet.stop()
  })

  it('finds what was paid to close scripts, in a directory that was made from the words', async () => {
    const first = await Bench.start()
    const script = first.wallet.closeScript(100)
    assert.equal(await first.wallet.recognise(script), true)
    first.sim.fund(script, sat(7_000))
    first.sim.mine()
    await first.settled()
    assert.equal(first.wallet.balance().confirmed, 7_000n, 'what was recognised is watched')
    const next = await first.wallet.newScript()
    assert.deepEqual(
      Buffer.from(next),
      Buffer.from(book.at('receive', 0).scriptPubKey),
      'and moves no address'
    )
    await first.wallet.stop()
    const restored = await Bench.start({
      chain: first.chain,
      disk: new Map([gapChange(GAP)].map(({ key, value }) => [key, value ?? new Uint8Array()]))
    })
    await restored.settled()
    assert.equal(restored.wallet.balance().confirmed, 7_000n)
    await restored.wallet.stop()
  })

  it('finds a script of a proven record however far it is, and searches from there on (RESTORE-4, OPEN-12)', async () => {
    const fresh = await Bench.start({
      disk: new Map([gapChange(GAP)].map(({ key, value }) => [key, value ?? new Uint8Array()]))
    })
    const { scriptPubKey } = book.at('close', 700)
    assert.equal(await fresh.wallet.recognise(scriptPubKey), false)
    assert.equal(await fresh.wallet.recognise(scriptPubKey, true), true)
    assert.equal(await fresh.wallet.recognise(book.at('receive', 300).scriptPubKey, true), true)
    assert.deepEqual(
      [fresh.wallet.used().close, fresh.wallet.used().receive],
      [701, 301],
      'on the disk'
    )
    for (const index of [350, 800]) {
      fresh.sim.fund(book.at('close', index).scriptPubKey, sat(7_000))
    }
    fresh.sim.mine()
    await fresh.settled()
    assert.equal(fresh.wallet.balance().confirmed, 14_000n)
    await fresh.wallet.stop()
  })

  it('watches no close script that no channel with funds has', async () => {
    const bench = await Bench.start()
    const script = bench.wallet.closeScript(3)
    bench.sim.fund(script, sat(7_000))
    bench.sim.mine()
    await bench.settled()
    assert.equal(bench.wallet.balance().confirmed, 0n)
    await bench.wallet.stop()
  })

  it("does not say that a script is somebody else's before it has heard of all addresses", async () => {
    const bench = await Bench.start({ seed: 'another' })
    bench.chain.setStatus('down')
    const fresh = await Bench.start({ chain: bench.chain })
    const beyond = book.at('receive', 2 * GAP).scriptPubKey
    await assert.rejects(fresh.wallet.recognise(beyond), { code: 'ERR_CHAIN_UNAVAILABLE' })
    assert.equal(await fresh.wallet.recognise(book.at('receive', 3).scriptPubKey), true)
    bench.chain.setStatus('synced')
    await fresh.settled()
    assert.equal(await fresh.wallet.recognise(beyond), false)
    await fresh.wallet.stop()
    await bench.wallet.stop()
  })

  it('nor before all servers have told: the first may leave everything out (EVID-6)', async () => {
    const bench = await Bench.start({ seed: 'another' })
    bench.chain.isToldByAll = false
    const fresh = await Bench.start({ chain: bench.chain })
    await fresh.settled()
    const beyond = book.at('receive', 2 * GAP).scriptPubKey
    await assert.rejects(fresh.wallet.recognise(beyond), { code: 'ERR_CHAIN_UNAVAILABLE' })
    await fresh.wallet.stop()
    await bench.wallet.stop()
  })

  it('goes on with what the first node had under way on the chain, and tells its history', async () => {
    const first = await Bench.start()
    await first.receive(100_000)
    const built = await first.wallet.buildFunding({
      channel: channelNamed('a'),
      scriptPubKey: fundingScriptOf('a'),
      amount: sat(40_000),
      feeRate: feeRate(1_000n)
    })
    await first.chain.broadcast(parseTransaction(built.raw))
    // A close pays to an address that the wallet gave out.
    const close = await first.wallet.newScript()
    first.sim.fund(close, sat(15_000))
    first.sim.mine()
    await first.settled()
    const balance = first.wallet.balance()
    await first.wallet.stop()
    const restored = await Bench.start({ chain: first.chain })
    await restored.settled()
    assert.deepEqual(restored.wallet.balance(), { ...balance, reserved: 0n })
    assert.equal(restored.wallet.transactions(() => undefined).length, 3)
    await restored.wallet.stop()
  })
})
