/**
 * Whatever else happens to a channel, it bids for its money, alone: from the settlement height on,
 * in every block (CLOSE-8, TIME-1, TIME-9).
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import { broadcastRefused } from '../../src/chain/broadcasting.js'
import { payoutWitnessScript, p2wsh } from '../../src/bitcoin/scripts.js'
import type { Established } from '../../src/channel/state.js'
import type { Chain } from '../../src/engine/ports.js'
import { sameBytes, sameOutPoint, toHex, type Txid } from '../../src/types/bytes.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'
import { quiet, twoNodes, type Node, type World } from './world.js'

/** What the servers of the chain say to what this node sends them. */
type Servers = 'take' | 'refuse' | 'ask for more' | 'are away'

type Move =
  | {
      readonly do:
        'block' | 'settle all' | 'restart' | 'cut' | 'mend' | 'lose a block' | 'lose the fundings'
    }
  | { readonly do: 'close' | 'confirm the close'; readonly channel: number }
  | { readonly do: 'servers'; readonly say: Servers }
  | { readonly do: 'fees'; readonly rate: number }

const channel = fc.nat({ max: 3 })
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 16, arbitrary: fc.constant<Move>({ do: 'block' }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('close' as const), channel }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('confirm the close' as const), channel }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('servers' as const),
      say: fc.constantFrom<Servers>('take', 'refuse', 'ask for more', 'are away')
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fees' as const),
      rate: fc.integer({ min: 1, max: 40 })
    })
  },
  {
    weight: 8,
    arbitrary: fc.constantFrom<Move>(
      { do: 'settle all' },
      { do: 'restart' },
      { do: 'cut' },
      { do: 'mend' },
      { do: 'mend' },
      { do: 'lose a block' }
    )
  },
  { weight: 1, arbitrary: fc.constant<Move>({ do: 'lose the fundings' }) }
)

/**
 * Channels of alice's with bob that are due at about the same height, and what bob sends to the
 * chain.
 */
class Race {
  servers: Servers = 'take'
  readonly sent: Transaction[] = []
  readonly #settling: Array<Promise<unknown>> = []

  private constructor(
    readonly world: World,
    readonly alice: Node,
    readonly bob: Node
  ) {}

  /** The tip is so many blocks below the first settlement height. */
  static async create(count: number, before: number): Promise<Race> {
    const heard: { by?: Race } = {}
    const listening = (chain: Chain): Chain =>
      new Proxy(chain, {
        get: (target, name) =>
          name === 'broadcast' && heard.by !== undefined
            ? heard.by.#broadcast(target)
            : (Reflect.get(target, name) as unknown)
      })
    const nodes = await twoNodes({ coin: 0n }, { chain: listening })
    for (let n = 0; n < count; n++) {
      nodes.alice.wallet.receive(200_000n)
      await nodes.world.mine()
      const opening = nodes.alice.engine.open({
        peer: 'bob',
        capacity: satoshi(100_000n),
        blocks: blockDelta(70 + ((n * 5) % 3)),
        wait: 'ready'
      })
      await quiet()
      await nodes.world.mine()
      const { id } = await opening
      await nodes.alice.engine.pay(id, satoshi(90_000n), '')
    }
    const race = new Race(nodes.world, nodes.alice, nodes.bob)
    heard.by = race
    await nodes.world.cut(nodes.alice, nodes.bob)
    const first = Math.min(...race.channels.map(({ terms }) => terms.settleHeight))
    nodes.world.chain.mine(first - before - nodes.world.chain.height)
    await quiet()
    return race
  }

  get channels(): Established[] {
    return this.bob.engine
      .states()
      .flatMap((state) => (state.stage === 'established' ? [state] : []))
  }

  #broadcast(chain: Chain): Chain['broadcast'] {
    return async (transaction) => {
      this.sent.push(transaction)
      if (this.servers === 'refuse') {
        throw broadcastRefused(transaction.txid, 'bad-txns-inputs-missingorspent')
      }
      if (this.servers === 'ask for more') {
        throw broadcastRefused(transaction.txid, 'insufficient fee, rejecting replacement')
      }
      if (this.servers === 'are away') throw new Error('no server answers')
      return await chain.broadcast(transaction)
    }
  }

  async make(move: Move): Promise<void> {
    const { world, alice, bob } = this
    switch (move.do) {
      // As much as one in which nobody wants the fees that are bid.
      case 'block': {
        await this.#block(() => {
          world.chain.confirm(...this.#fundings())
        })
        break
      }
      case 'close': {
        const channel = this.channels[move.channel]
        if (channel !== undefined) {
          this.#settling.push(alice.engine.close(channel.id, false).catch(() => {}))
        }
        break
      }
      case 'confirm the close': {
        const known = this.channels[move.channel]?.closes.map(({ txid }) => txid) ?? []
        await this.#block(() => {
          world.chain.confirm(
            ...this.#fundings(),
            ...world.chain.mempool.filter((txid) => known.includes(txid))
          )
        })
        break
      }
      case 'servers': {
        this.servers = move.say
        break
      }
      case 'fees': {
        bob.view.feeRate = feeRate(BigInt(move.rate * 1_000))
        break
      }
      case 'settle all': {
        this.#settling.push(bob.engine.settleAll().catch(() => {}))
        break
      }
      case 'restart': {
        await bob.restart()
        break
      }
      case 'cut': {
        await world.cut(alice, bob)
        break
      }
      case 'mend': {
        world.mend(alice, bob)
        for (let second = 0; second < 3; second++) await world.pass(1_000)
        break
      }
      case 'lose a block': {
        await this.#block(() => {
          world.reorg(1)
        })
        break
      }
      case 'lose the fundings':
        await this.#block(() => {
          world.reorg(80, 80)
        })
    }
    await quiet()
  }

  #fundings(): Txid[] {
    const { chain } = this.world
    return chain.mempool.filter((txid) =>
      this.channels.some(({ outPoint }) => outPoint.txid === txid)
    )
  }

  /** A new tip; and then every channel that is due and unspent has bid at it. */
  async #block(happen: () => void): Promise<void> {
    this.sent.length = 0
    const closing = new Set(
      this.channels.flatMap(({ id, closes }) => (closes.length > 0 ? [id] : []))
    )
    happen()
    await quiet()
    const { height } = this.world.chain
    for (const channel of this.channels) {
      if (this.#isDue(channel, height)) this.#assertBids(channel, height, closing.has(channel.id))
    }
  }

  #isDue({ terms, onChain }: Established, height: number): boolean {
    return (
      height >= terms.settleHeight &&
      height < terms.refundHeight &&
      onChain.fundingHeight !== undefined &&
      onChain.spend === undefined
    )
  }

  /** A T3, alone: the client's share goes to its payout script. */
  #assertBids(
    { terms, outPoint, publication }: Established,
    height: number,
    isClosing: boolean
  ): void {
    const payout = p2wsh(payoutWitnessScript(terms.client.payoutKey))
    const bids = this.sent.filter(
      ({ inputs, outputs }) =>
        inputs.some((input) => sameOutPoint(input.outPoint, outPoint)) &&
        outputs.some(({ script }) => sameBytes(script, payout))
    )
    assert.ok(
      bids.length > 0,
      `nothing is bid for a channel at ${height}, L ${terms.refundHeight}${isClosing ? ', with a close signed' : ''}`
    )
    assert.ok(
      bids.some(({ txid }) => txid === publication?.txid),
      `what was sent at ${height} is not what it has published`
    )
    assert.ok(
      bids.every(({ inputs }) => inputs.length === 1),
      `a channel bids with others at ${height}`
    )
    if (this.servers === 'take') {
      assert.ok(this.#waits(outPoint), `no mempool has a spend of the channel at ${height}`)
    }
  }

  #waits(outPoint: Established['outPoint']): boolean {
    const history = this.world.chain.historyOf(toHex(this.#scriptOf(outPoint)))
    return history.some(({ transaction }) => transaction?.spends(outPoint) === true)
  }

  #scriptOf({ txid, vout }: Established['outPoint']): Uint8Array {
    const channel = this.channels.find(({ outPoint }) => outPoint.txid === txid)
    const tx = parseTransaction(channel?.fundingTx ?? new Uint8Array())
    assert.equal(tx.txid, txid)
    return tx.outputs[vout]?.script ?? new Uint8Array()
  }

  /** Blocks take what is dearest again: everybody has theirs. */
  async end(): Promise<void> {
    this.servers = 'take'
    this.world.chain.confirm(...this.#fundings())
    await quiet()
    await this.world.mine(3)
    for (const { onChain } of this.channels) {
      assert.ok(onChain.spend !== undefined, 'a channel is not spent')
    }
    // A close waits for a stream, and for its answer, as long as there is time.
    await this.world.pass(60_000)
    await Promise.all(this.#settling)
  }
}

/** One takes some 150 ms. */
const RUNS = Math.ceil((fc.readConfigureGlobal().numRuns ?? 100) / 2)

describe('engine / bids', function () {
  this.timeout(180_000 + 10_000 * RUNS)

  it('closes, refusals, reorganisations, restarts in any order: from the settlement height to L every unspent channel bids in every block', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 4 }),
        fc.integer({ min: -1, max: 3 }),
        fc.array(move, { minLength: 10, maxLength: 40, size: 'max' }),
        async (count, before, moves) => {
          const race = await Race.create(count, before)
          for (const move of moves) await race.make(move)
          await race.end()
        }
      ),
      { numRuns: RUNS }
    )
  })
})
