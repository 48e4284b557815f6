/** COST-9: what many poor publications may cost a server, and that a rich one never waits for them. */
import assert from 'node:assert/strict'
import { broadcastRefused, PatientSends } from '../../src/chain/broadcasting.js'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import { PublicationLine } from '../../src/chain/publication-line.js'
import { REFUSAL_MS, RefusalBudget, UnprovedBudget } from '../../src/chain/shared-costs.js'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import type { Claim } from '../../src/engine/ports.js'
import { FAVOUR_INTERVAL_MS, FAVOURS } from '../../src/engine/streams.js'
import { toHex, txid, type Txid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { FakeServer, Refusal } from './fake-server.js'
import { numberedPayment, realClock, seededRandom } from './helpers.js'

const BLOCK_MS = 600_000
const BROADCAST = 'blockchain.transaction.broadcast'
const idOf = (n: number): Txid => txid(n.toString(16).padStart(64, '0'))
const settle = async (): Promise<void> => {
  await new Promise((resolve) => setImmediate(resolve))
}

function claim(name: string, stake: bigint, changes: Partial<Claim> = {}): Claim {
  return {
    publicationOf: name,
    stake,
    feeRate: feeRate(1_000n),
    isFundingThere: true,
    ...changes
  }
}

/** A line, and the server behind it. */
class Counter {
  now = 0
  readonly clock = { now: (): number => this.now }
  readonly refusals = new RefusalBudget(this.clock)
  readonly line = new PublicationLine(this.clock, this.refusals)
  /** Who was sent, and who was told what the server has said of another. */
  readonly sent: string[] = []
  readonly told: string[] = []
  /** The server's words; undefined: it takes it. */
  answer: (claim: Claim) => string | undefined = () => 'txn-mempool-conflict'
  #ids = 0

  bid(claim: Claim, id = idOf(this.#ids++)): void {
    void this.line.enter(claim, id).then((answer) => {
      if (answer === 'gone') return
      if (answer !== 'go') {
        this.told.push(claim.publicationOf)
        return
      }
      this.sent.push(claim.publicationOf)
      const words = this.answer(claim)
      if (words !== undefined) this.refuse()
      this.line.leave(claim, words === undefined ? 'taken' : broadcastRefused(id, words), 181)
    })
  }

  /** The server refuses something, whatever it is. */
  refuse(): void {
    this.refusals.refused()
  }

  /** Each bids in the next block. */
  async block(...claims: Claim[]): Promise<void> {
    this.now += BLOCK_MS
    this.line.look()
    for (const each of claims) this.bid(each)
    await settle()
  }

  times(name: string): number {
    return this.sent.filter((each) => each === name).length
  }
}

describe('chain / publication line', () => {
  it('refused ones come to what a server forgives, however many there are, and each has its turn (COST-9)', async () => {
    const counter = new Counter()
    const poor = Array.from({ length: 100 }, (_, n) => claim(`poor ${n}`, 1_500n))
    for (let block = 1; block <= 36; block++) await counter.block(...poor)
    const refusals = counter.sent.length
    // 600 are forgiven in a block, and 100 taken for a refusal.
    assert.ok(refusals > 36 && 100 * refusals <= 600 + 36 * 171, `${refusals} refusals`)
    assert.equal(new Set(counter.sent).size, refusals, 'nobody twice while others wait')
  })

  it('a rich one never waits for poor ones: it bids in every block (COST-9)', async () => {
    const counter = new Counter()
    const poor = Array.from({ length: 100 }, (_, n) => claim(`poor ${n}`, 1_500n))
    for (let block = 1; block <= 4; block++) await counter.block(...poor)
    for (let block = 1; block <= 36; block++) await counter.block(...poor, claim('rich', 900_000n))
    assert.equal(counter.times('rich'), 36)
  })

  it('nor does one that is alone, however often it is refused (COST-9)', async () => {
    const counter = new Counter()
    for (let block = 1; block <= 36; block++) {
      await counter.block(claim('alone', 1_500n), claim('alone', 1_500n))
    }
    assert.equal(counter.times('alone'), 72)
  })

  it('among equals the one that was refused less often goes first, else the richer one', async () => {
    const counter = new Counter()
    const all = [120n, 140n, 160n].map((stake) => claim(`${stake}`, stake))
    // The first to come goes at once; the others have come before it is answered.
    await counter.block(claim('100', 100n), ...all)
    assert.deepEqual(counter.sent.slice(1, 4), ['160', '140', '120'])
  })

  it('a refusal is forgotten after a while, and those that wait have its place with the next block', async () => {
    const counter = new Counter()
    const poor = Array.from({ length: 20 }, (_, n) => claim(`poor ${n}`, 1_500n))
    await counter.block(...poor)
    const before = counter.sent.length
    await counter.block()
    assert.equal(counter.sent.length, before)
    counter.now += REFUSAL_MS
    await counter.block()
    assert.ok(counter.sent.length > before)
  })

  it('what is taken goes as fast as the server answers, and waits for nothing', async () => {
    const counter = new Counter()
    counter.answer = () => undefined
    await counter.block(...Array.from({ length: 200 }, (_, n) => claim(`${n}`, 1_500n)))
    assert.equal(counter.sent.length, 200)
  })

  it('one refusal for the fee says it for all cheaper ones until the next block (COST-9)', async () => {
    const counter = new Counter()
    counter.answer = (each) => (each.feeRate < 20_000n ? 'mempool full' : undefined)
    const at = (name: string, rate: bigint): Claim =>
      claim(name, 1_500n, { feeRate: feeRate(rate) })
    await counter.block(at('dear', 9_000n))
    await counter.block(at('dear', 9_000n), at('cheap', 1_000n), at('equal', 9_000n))
    assert.deepEqual(
      [counter.sent, counter.told],
      [
        ['dear', 'dear'],
        ['cheap', 'equal']
      ]
    )
    counter.bid(at('dearer', 20_000n))
    await settle()
    assert.equal(counter.times('dearer'), 1)
    await counter.block(at('cheap', 1_000n))
    assert.equal(counter.times('cheap'), 1, 'another block may ask for less')
  })

  it('where it says what it asks for, for all below that; and such a one holds no place (COST-9)', async () => {
    const counter = new Counter()
    counter.answer = (each) =>
      each.feeRate < 20_000n
        ? 'rejected by network rules.\n\nmempool min fee not met, 181 < 3620'
        : undefined
    const poor = Array.from({ length: 100 }, (_, n) =>
      claim(`poor ${n}`, 1_500n, { feeRate: feeRate(BigInt(1_000 + n * 100)) })
    )
    const enough = claim('enough', 1_500n, { feeRate: feeRate(20_000n) })
    for (let block = 1; block <= 36; block++) await counter.block(...poor, enough)
    assert.equal(counter.sent.length - counter.times('enough'), 36, 'one refusal in each block')
    assert.equal(counter.times('enough'), 36)
  })

  it('refusals for what another transaction pays say nothing of others', async () => {
    const counter = new Counter()
    counter.answer = () => 'insufficient fee, rejecting replacement'
    await counter.block(claim('a', 1_500n))
    counter.bid(claim('b', 1_500n))
    await settle()
    assert.deepEqual(counter.sent, ['a', 'b'])
  })

  it('those whose T1 a reorganisation took have few places of their own, and hold up nothing else (COST-9)', async () => {
    const counter = new Counter()
    const lost = Array.from({ length: 100 }, (_, n) =>
      claim(`lost ${n}`, 900_000n, { isFundingThere: false })
    )
    for (let block = 1; block <= 36; block++) {
      await counter.block(...lost, claim('other', 1_500n))
    }
    assert.equal(counter.times('other'), 36)
    const refusals = counter.sent.length - 36
    assert.ok(refusals > 9 && 100 * refusals <= 200 + 36 * 60, `${refusals} refusals`)
    await counter.block(claim('lost 99', 900_000n))
    assert.equal(counter.times('lost 99'), 1, 'its T1 is in a block again')
  })

  it('what a server lacks T1 of counts up to the next block, so nothing waits for it any longer (COST-9)', async () => {
    const counter = new Counter()
    counter.answer = () => 'bad-txns-inputs-missingorspent'
    const many = Array.from({ length: 100 }, (_, n) => claim(`lost ${n}`, 1_500n))
    await counter.block(...many)
    assert.equal(counter.sent.length, 6)
    counter.answer = () => undefined
    await counter.block(...many)
    assert.equal(new Set(counter.sent).size, 100, 'a block later all have gone out')
  })

  it('the same that waits takes its own place once its T1 is in a block again (COST-9)', async () => {
    const counter = new Counter()
    counter.answer = () => undefined
    const lost = { isFundingThere: false }
    const first = claim('first', 1_500n, lost)
    assert.equal(await counter.line.enter(first, idOf(1)), 'go')
    const waiting = counter.line.enter(claim('a', 1_500n, lost), idOf(2))
    assert.equal(await counter.line.enter(claim('a', 1_500n), idOf(2)), 'go')
    assert.equal(await waiting, 'gone')
  })

  it('of each channel the newest bid waits; at the end nobody does', async () => {
    const counter = new Counter()
    counter.answer = () => undefined
    const first = claim('first', 1_500n)
    assert.equal(await counter.line.enter(first, idOf(1)), 'go')
    const old = counter.line.enter(claim('a', 1_500n), idOf(2))
    const same = counter.line.enter(claim('a', 1_500n), idOf(2))
    assert.equal(await same, 'gone')
    const next = counter.line.enter(claim('a', 1_500n), idOf(3))
    assert.equal(await old, 'gone')
    counter.line.leave(first, 'unknown', 181)
    assert.equal(await next, 'go')
    const late = counter.line.enter(claim('b', 1_500n), idOf(4))
    counter.line.stop()
    assert.equal(await late, 'gone')
  })
})

/** A server by ElectrumX's reckoning, which refuses all that others can have us send it. */
class ReckoningServer extends Counter {
  /** The most that it has reckoned: it hangs up at 10,000. */
  most = 0
  #cost = 0
  #costAt = 0
  readonly #closes = new PatientSends(this.clock, this.refusals)
  readonly #unproved = new UnprovedBudget(undefined, this.clock, this.refusals)
  #favours: number = FAVOURS

  override refuse(): void {
    super.refuse()
    const forgiven = (this.now - this.#costAt) / 1_000
    this.#cost = Math.max(0, this.#cost - forgiven) + 100
    this.#costAt = this.now
    this.most = Math.max(this.most, this.#cost)
  }

  #refuse(what: string): void {
    this.sent.push(what)
    this.refuse()
  }

  /** Strangers do all that they can, and closes of all kinds are due, until the next block. */
  async strangers(): Promise<void> {
    this.#favours = Math.min(FAVOURS, this.#favours + BLOCK_MS / FAVOUR_INTERVAL_MS)
    for (; this.#favours >= 1 && this.refusals.hasRoom('favour', 0); this.#favours--) {
      this.#refuse('favour')
    }
    this.#closes.look()
    for (let n = 0; n < 10; n++) {
      void this.#closes.enter(`close ${n}`, idOf(n)).then((isIn) => {
        if (!isIn) return
        this.#refuse('close')
        this.#closes.leave(`close ${n}`, true)
      })
      void this.#unproved.enter().then((isIn) => {
        if (!isIn) return
        this.#refuse('unproved')
        this.#unproved.leave(true)
      })
    }
    await settle()
  }
}

describe('chain / publication line / beside all else that a server may refuse (COST-11)', () => {
  it('comes to less than a server bears, for ever: poor bids, closes, payments that are replaced and strangers share what it forgives', async () => {
    const server = new ReckoningServer()
    const poor = Array.from({ length: 50 }, (_, n) => claim(`poor ${n}`, 1_500n))
    const lost = poor.map((each, n) => ({
      ...each,
      publicationOf: `lost ${n}`,
      isFundingThere: false
    }))
    const rich = claim('rich', 900_000n)
    for (let block = 1; block <= 2_000; block++) {
      await server.block(...poor, ...lost, rich)
      await server.strangers()
    }
    assert.ok(server.most < 5_000, `${server.most} of the 10,000`)
    assert.equal(server.times('rich'), 2_000, 'the rich one bids with every block')
    const lately = new Set(server.sent.slice(-100).map((each) => each.replace(/ .*/, '')))
    for (const each of ['poor', 'lost']) assert.ok(lately.has(each), each)
  })

  it('what strangers cause leaves the room of closes, and these that of publications', () => {
    const budget = new RefusalBudget({ now: () => 0 })
    const ranks = ['favour', 'unproved', 'patient', 'orphan', 'publication'] as const
    const left = (): string[] => ranks.filter((rank) => budget.hasRoom(rank, 0))
    for (let n = 0; n < 15; n++) budget.refused()
    assert.deepEqual(left(), ranks.slice(1))
    for (let n = 0; n < 10; n++) budget.refused()
    assert.deepEqual(left(), ['orphan', 'publication'])
  })

  it('what is under way counts as well, and each refusal for two minutes after the one before it', () => {
    let now = 0
    const budget = new RefusalBudget({ now: () => now })
    for (let n = 0; n < 12; n++) budget.refused()
    assert.equal(budget.hasRoom('favour', 2), true)
    assert.equal(budget.hasRoom('favour', 3), false)
    now += 120_000
    assert.equal(budget.hasRoom('favour', 3), true)
    now -= 60_000
    assert.equal(budget.hasRoom('favour', 3), true, 'a clock that was set back')
    for (now += 1_000_000_000; budget.hasRoom('favour', 0);) budget.refused()
    assert.equal(budget.hasRoom('favour', 0), false, 'it saves nothing up')
  })
})

describe('chain / publication line / at a server on a day on which blocks are dear', () => {
  let server: FakeServer
  let chain: ElectrumChain

  beforeEach(async () => {
    server = await new FakeServer().listen()
    chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(1)
    })
    await chain.start()
    await new Promise<void>((resolve) => {
      chain.onTip(() => {
        resolve()
      })
    })
  })

  afterEach(async () => {
    await chain.stop()
    await server.close()
  })

  const transactions = Array.from({ length: 31 }, (_, n) =>
    parseTransaction(numberedPayment(n + 1).toBuffer())
  )
  const [rich, ...poor] = transactions as [Transaction, ...Transaction[]]
  const asked = (): number =>
    server.requests.all.filter(({ method }) => method === BROADCAST).length
  const publish = async (transaction: Transaction, stake: bigint, rate: bigint): Promise<string> =>
    await chain
      .broadcast(transaction, claim(transaction.txid, stake, { feeRate: feeRate(rate) }))
      .then(
        ({ taken }) => `taken by ${taken}`,
        (error: unknown) => codeOf(error)
      )

  it('thirty T3s that pay too little cost one refusal; each is told, and what pays enough is taken (COST-9)', async () => {
    server.on(BROADCAST, ([raw]) => {
      if (raw === toHex(rich.raw)) return rich.txid
      throw new Refusal('mempool min fee not met, 60 < 1200')
    })
    const answers = poor.map(async (each) => await publish(each, 1_500n, 1_000n))
    assert.deepEqual(
      await Promise.all(answers),
      poor.map(() => 'ERR_BROADCAST_REFUSED')
    )
    assert.equal(await publish(rich, 900_000n, 40_000n), 'taken by 1')
    assert.equal(asked(), 2)
  })

  it('one that can be asked first lets nothing wait: a "no" costs it next to nothing', async () => {
    await chain.stop()
    server.version = '1.7'
    chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(1)
    })
    await chain.start()
    let questions = 0
    server.on('blockchain.transaction.testmempoolaccept', () => {
      questions++
      return [{ txid: rich.txid, wtxid: rich.txid, allowed: false, reason: 'missing-inputs' }]
    })
    assert.equal(await publish(rich, 1_500n, 1_000n), 'ERR_BROADCAST_REFUSED')
    const answers = await Promise.all(poor.map(async (each) => await publish(each, 1_500n, 1_000n)))
    assert.deepEqual(new Set(answers), new Set(['ERR_BROADCAST_REFUSED']))
    assert.deepEqual([questions, asked()], [31, 0])
  })
})
