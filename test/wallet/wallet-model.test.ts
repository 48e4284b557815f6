/**
 * The wallet against a model, over random stories of payments, blocks, reorgs, fundings, payouts,
 * sends, replacements, children of T1s, coins that are locked or named, mempools that forget,
 * servers that refuse, fees that rise and fall, crashes. The model asks the chain itself what is
 * unspent; the wallet sees it through watches only.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { addressFromScript, scriptOf } from '../../src/bitcoin/address.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { outPointFromText, outPointText, toHex, type Txid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { AddressBook } from '../../src/wallet/addresses.js'
import { Bench, channelNamed, fundingScriptOf, sat, testRoot } from './fixtures.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { LOCKED, OUTGOING, readOutgoing } from '../../src/wallet/coins.js'
import type { BuiltFunding, CsvOutput } from '../../src/engine/ports.js'
import { sized } from '../size.js'

type Step =
  | { readonly do: 'pay' | 'payout'; readonly value: number }
  | { readonly do: 'mine' | 'reorg'; readonly blocks: number }
  | { readonly do: 'fund'; readonly amounts: readonly number[] }
  | { readonly do: 'broadcast' | 'release' | 'drop'; readonly which: number }
  | { readonly do: 'send'; readonly value: number; readonly all: boolean }
  | { readonly do: 'bump'; readonly which: number; readonly rate: number }
  | { readonly do: 'lock' | 'unlock'; readonly which: number }
  | {
      readonly do: 'sendNamed'
      readonly value: number
      readonly all: boolean
      readonly which: readonly number[]
    }
  | { readonly do: 'fundNamed'; readonly value: number; readonly which: readonly number[] }
  | { readonly do: 'forget'; readonly which: number }
  | { readonly do: 'rate'; readonly rate: number }
  | { readonly do: 'refuse'; readonly refuses: boolean }
  | { readonly do: 'restart' }

const value = fc.integer({ min: 1_000, max: 1_000_000 })
const which = fc.nat({ max: 7 })
const several = fc.uniqueArray(which, { minLength: 1, maxLength: 3 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pay' as const), value }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('payout' as const), value }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('mine' as const),
      blocks: fc.integer({ min: 1, max: 3 })
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reorg' as const),
      blocks: fc.integer({ min: 1, max: 4 })
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('fund' as const),
      amounts: fc.array(value, { minLength: 1, maxLength: 3 })
    })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('broadcast' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('send' as const), value, all: fc.boolean() })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('bump' as const),
      which,
      rate: fc.integer({ min: 1_000, max: 9_000 })
    })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lock' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unlock' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('sendNamed' as const),
      value,
      all: fc.boolean(),
      which: several
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('fundNamed' as const), value, which: several })
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('rate' as const),
      rate: fc.integer({ min: 1_000, max: 20_000 })
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('refuse' as const), refuses: fc.boolean() })
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) }
)

/** Why a coin that was named cannot be spent now. */
const UNFIT = ['ERR_COIN_RESERVED', 'ERR_COIN_UNCONFIRMED', 'ERR_INVALID_OUTPOINT']

/** Every script that the stories below can reach. */
const book = new AddressBook(testRoot('alice'), 'regtest')
const SCRIPTS = (['receive', 'change'] as const).flatMap((branch) =>
  Array.from({ length: 60 }, (_, index) => book.at(branch, index).scriptPubKey)
)

/** Where a send goes: each to a script of its own. */
function recipient(which: number): Uint8Array {
  return scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(which + 1) })
}

class Story {
  readonly funded = new Map<string, BuiltFunding>()
  readonly #payouts: CsvOutput[] = []
  readonly #handedOut = new Set<string>()
  readonly #paid: Txid[] = []
  readonly #locked = new Set<string>()
  /** Of every transaction that the wallet has built so far. */
  #spent: ReadonlySet<string> = new Set()
  /** What the step at hand has named. */
  #named: readonly string[] = []
  #opened = 0
  #sends = 0
  readonly #bench: Bench

  constructor(bench: Bench) {
    this.#bench = bench
  }

  async perform(step: Step): Promise<void> {
    const { chain, wallet } = this.#bench
    this.#named = []
    switch (step.do) {
      case 'pay': {
        const script = await this.#bench.freshScript()
        assert.ok(!this.#handedOut.has(toHex(script)), 'an address was handed out twice')
        this.#handedOut.add(toHex(script))
        this.#paid.push(chain.sim.fund(script, sat(step.value)))
        break
      }
      case 'payout': {
        const output = this.#bench.payout(step.value, this.#payouts.length)
        this.#payouts.push(output)
        await wallet.claim(output)
        break
      }
      case 'mine':
        chain.sim.mine(step.blocks)
        break
      case 'reorg':
        chain.reorg(step.blocks)
        break
      case 'fund':
        await Promise.all(
          step.amounts.map(async (amount) => {
            await this.#fund(amount)
          })
        )
        break
      case 'broadcast':
        await this.#broadcast(this.#channel(step.which))
        break
      case 'release':
        await this.#release(this.#channel(step.which))
        break
      case 'drop':
        this.#drop(step.which)
        break
      case 'send':
        await this.#send(step)
        break
      case 'lock':
        await this.#lock(step.which)
        break
      case 'unlock':
        await this.#unlock(step.which)
        break
      case 'sendNamed':
        await this.#send(step, this.#name(step.which))
        break
      case 'fundNamed':
        await this.#fund(step.value, this.#name(step.which))
        break
      case 'bump':
        await this.#bump(step)
        break
      case 'forget':
        this.#forget(step.which)
        break
      case 'rate':
        chain.feeRate = feeRate(BigInt(step.rate))
        break
      case 'refuse':
        chain.refusal = step.refuses ? 'mempool full' : undefined
        break
      case 'restart':
        await this.#bench.restart()
    }
    await this.#bench.settled()
  }

  check(): void {
    this.#checkMoney()
    this.#checkFundings()
    this.#checkChoice()
    this.#checkLocks()
  }

  /**
   * Of a locked coin nothing is made but what names it; and what is made of named coins is made of
   * all of them and of no other.
   */
  #checkChoice(): void {
    const sent = [...this.#bench.store.snapshot()]
      .filter(([key]) => key.startsWith(OUTGOING))
      .flatMap(([key, bytes]) => readOutgoing(key, bytes).inputs)
    const built = [
      ...[...this.funded.values()].flatMap(({ raw }) => parseTransaction(raw).inputs),
      ...sent
    ].map(({ outPoint }) => outPointText(outPoint))
    const fresh = [...new Set(built)].filter((coin) => !this.#spent.has(coin))
    this.#spent = new Set(built)
    if (this.#named.length === 0) {
      assert.deepEqual(
        fresh.filter((coin) => this.#locked.has(coin)),
        [],
        'a locked coin was chosen'
      )
    } else if (fresh.length > 0) {
      assert.deepEqual(fresh.sort(), [...this.#named].sort(), 'other coins than the named ones')
    }
  }

  /** A lock lasts until somebody takes it away, or its coin is spent. */
  #checkLocks(): void {
    const disk = [...this.#bench.store.snapshot().keys()]
      .filter((key) => key.startsWith(LOCKED))
      .map((key) => key.slice(LOCKED.length))
    assert.deepEqual(
      disk.filter((coin) => !this.#locked.has(coin)),
      [],
      'a lock out of nowhere'
    )
    const coins = new Map(
      this.#bench.wallet.coins().map((coin) => [outPointText(coin.outPoint), coin])
    )
    for (const coin of this.#locked) {
      if (disk.includes(coin)) continue
      assert.ok(!coins.has(coin), 'a lock was forgotten')
      this.#locked.delete(coin)
    }
    for (const [name, { locked }] of coins) assert.equal(locked, this.#locked.has(name), 'locked')
    const { confirmed, reserved, locked } = this.#bench.wallet.balance()
    assert.ok(reserved + locked <= confirmed)
  }

  #checkMoney(): void {
    const { chain, wallet } = this.#bench
    const coins = SCRIPTS.flatMap((script) => chain.unspent(script))
    const sum = (list: ReadonlyArray<{ value: bigint }>): bigint =>
      list.reduce((total, { value }) => total + value, 0n)
    const { confirmed, pending, unswept, reserved } = wallet.balance()
    assert.equal(confirmed, sum(coins.filter((coin) => coin.confirmed)), 'confirmed')
    assert.equal(pending, sum(coins.filter((coin) => !coin.confirmed)), 'pending')
    assert.equal(
      unswept,
      sum(this.#payouts.flatMap(({ scriptPubKey }) => chain.unspent(scriptPubKey))),
      'unswept'
    )
    assert.ok(reserved <= confirmed)
    for (let i = 0; i < this.#sends; i++) {
      assert.ok(chain.unspent(recipient(i)).length <= 1, 'a send was paid twice')
    }
  }

  /**
   * In the end everything is decided: a send is buried, or its coins have vanished with a reorg.
   */
  async end(): Promise<void> {
    const { chain, store } = this.#bench
    chain.refusal = undefined
    // Beyond every height that reorgs took back: before its nLockTime no send is let in again.
    chain.sim.mine(100)
    await this.#bench.settled()
    for (let block = 0; block < BURIED_DEPTH + 2; block++) {
      chain.sim.mine()
      // The sends go out with the first block, and are in the second.
      if (block < 2) await this.#bench.settled()
    }
    await this.#bench.settled()
    this.#checkMoney()
    for (const [key, bytes] of store.snapshot()) {
      if (key.startsWith(OUTGOING)) {
        assert.ok(
          readOutgoing(key, bytes).inputs.some(
            ({ outPoint }) => chain.transaction(outPoint.txid) === undefined
          ),
          'a send is never let go of'
        )
      }
    }
  }

  /** No coin is in two T1s that both may leave, and whatever is set aside is so on disk. */
  #checkFundings(): void {
    const disk = this.#bench.store.snapshot()
    const sent = [...disk]
      .filter(([key]) => key.startsWith(OUTGOING))
      .flatMap(([key, bytes]) => readOutgoing(key, bytes).inputs)
    const inputs = [
      ...[...this.funded.values()].flatMap(({ raw }) => parseTransaction(raw).inputs),
      ...sent
    ].map(({ outPoint }) => outPointText(outPoint))
    assert.equal(new Set(inputs).size, inputs.length, 'a coin was selected twice')
    const onDisk = [...disk.keys()].filter((key) => key.startsWith('wallet/reservation/'))
    assert.deepEqual(
      onDisk.sort(),
      [...this.funded.keys()].map((name) => `wallet/reservation/${channelNamed(name)}`).sort()
    )
    assert.deepEqual(
      this.#bench.wallet.reservedFor().sort(),
      [...this.funded.keys()].map(channelNamed).sort()
    )
  }

  async #fund(amount: number, coins?: readonly string[]): Promise<void> {
    const name = `channel ${this.#opened++}`
    try {
      this.funded.set(
        name,
        await this.#bench.wallet.buildFunding({
          channel: channelNamed(name),
          scriptPubKey: fundingScriptOf('any'),
          amount: sat(amount),
          feeRate: feeRate(1000n),
          coins: coins?.map(outPointFromText)
        })
      )
    } catch (error) {
      assert.ok(
        (coins === undefined
          ? ['ERR_INSUFFICIENT_FUNDS']
          : ['ERR_INSUFFICIENT_FUNDS', ...UNFIT]
        ).includes(codeOf(error)),
        String(error)
      )
    }
  }

  async #send(
    { value, all }: Pick<Extract<Step, { do: 'send' }>, 'value' | 'all'>,
    coins?: readonly string[]
  ): Promise<void> {
    const to = addressFromScript(recipient(this.#sends++), 'regtest')
    await this.#allows(
      this.#bench.wallet.send({
        to,
        amount: all ? 'all' : BigInt(value),
        ...(coins === undefined ? {} : { coins })
      }),
      coins === undefined ? [] : UNFIT
    )
  }

  /** Any coins that there are, whatever else they are for. */
  #name(which: readonly number[]): readonly string[] {
    const all = this.#bench.wallet.coins().map(({ outPoint }) => outPointText(outPoint))
    this.#named = [...new Set(which.flatMap((one) => all[one % Math.max(all.length, 1)] ?? []))]
    return this.#named
  }

  async #lock(which: number): Promise<void> {
    const coins = this.#bench.wallet.coins()
    const coin = coins[which % Math.max(coins.length, 1)]
    if (coin === undefined) return
    await this.#bench.wallet.lockCoins([coin.outPoint])
    this.#locked.add(outPointText(coin.outPoint))
  }

  async #unlock(which: number): Promise<void> {
    const coin = [...this.#locked][which % Math.max(this.#locked.size, 1)]
    if (coin === undefined) return
    await this.#bench.wallet.unlockCoins([outPointFromText(coin)])
    this.#locked.delete(coin)
  }

  async #bump({ which, rate }: Extract<Step, { do: 'bump' }>): Promise<void> {
    const all = this.#bench.wallet.transactions(() => undefined)
    const chosen = all[which % Math.max(all.length, 1)]
    if (chosen !== undefined) {
      await this.#allows(this.#bench.wallet.bumpFee(chosen.txid, { feeRate: BigInt(rate) }))
    }
  }

  /** What may be answered to a send or a bump in the middle of reorgs. */
  async #allows(
    work: Promise<unknown>,
    more: readonly string[] = ['ERR_COIN_LOCKED']
  ): Promise<void> {
    const codes = [
      ...more,
      'ERR_INSUFFICIENT_FUNDS',
      'ERR_BROADCAST_REFUSED',
      'ERR_ALREADY_CONFIRMED',
      'ERR_FEERATE_TOO_LOW',
      'ERR_NO_CHANGE',
      'ERR_CANNOT_BUMP'
    ]
    await work.catch((error: unknown) => {
      assert.ok(codes.includes(codeOf(error)), String(error))
    })
  }

  /** T1 may leave; the chain may refuse it only when a reorg has taken its inputs away. */
  async #broadcast(name: string | undefined): Promise<void> {
    const funding = name === undefined ? undefined : this.funded.get(name)
    if (funding === undefined) return
    try {
      await this.#bench.chain.broadcast(parseTransaction(funding.raw))
    } catch (error) {
      assert.match(String(error), /missing inputs|truc-spends-nontruc|non-final|mempool full/)
    }
  }

  /** Only a T1 that never left may be released. */
  async #release(name: string | undefined): Promise<void> {
    const funding = name === undefined ? undefined : this.funded.get(name)
    if (
      name === undefined ||
      funding === undefined ||
      this.#bench.chain.transaction(funding.outPoint.txid) !== undefined
    ) {
      return
    }
    await this.#bench.wallet.releaseFunding(channelNamed(name))
    this.funded.delete(name)
  }

  #drop(which: number): void {
    const txid = this.#paid[which % Math.max(this.#paid.length, 1)]
    if (txid !== undefined && this.#bench.sim.waiting.has(txid)) this.#bench.sim.drop(txid)
  }

  /** A mempool forgets one of our own transactions, and what spends from it. */
  #forget(which: number): void {
    const { chain } = this.#bench
    const ours = chain.broadcasts
      .map((raw) => parseTransaction(raw).txid)
      .filter((txid) => chain.sim.waiting.has(txid))
    const txid = ours[which % Math.max(ours.length, 1)]
    if (txid !== undefined) chain.sim.drop(txid)
  }

  #channel(which: number): string | undefined {
    const names = [...this.funded.keys()]
    return names[which % Math.max(names.length, 1)]
  }
}

describe('wallet / against a model', () => {
  it('counts what the chain counts and spends nothing twice, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 8, maxLength: 25, size: 'max' }),
        async (steps) => {
          const bench = await Bench.start()
          const story = new Story(bench)
          try {
            for (const step of steps) {
              await story.perform(step)
              story.check()
            }
            await story.end()
          } finally {
            await bench.wallet.stop()
          }
        }
      ),
      { numRuns: sized({ small: 5, all: 15 }) }
    )
  })
})
