/**
 * A priced server that is restarted, or dies, in mid-session: nobody pays twice, nothing is sold
 * twice.
 */
import assert from 'node:assert/strict'
import { streamPair } from '@libp2p/utils'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Books, openBooks } from '../../src/metering/books.js'
import { Credits } from '../../src/metering/credits.js'
import { Gate, type GateOptions } from '../../src/metering/gate.js'
import {
  credentialHeader,
  readChallenges,
  type Challenge
} from '../../src/metering/payment-auth.js'
import { payingFetch, type PayingFetch } from '../../src/metering/paying-fetch.js'
import {
  buyStream,
  StreamSales,
  type PaidStream,
  type SaleOptions
} from '../../src/metering/paid-stream.js'
import { memoOf } from '../../src/metering/session-terms.js'
import type { SessionRecord } from '../../src/metering/sessions.js'
import { SimDisk } from '../../src/testing/disk.js'
import { Life } from '../../src/testing/calendar.js'
import { satoshi } from '../../src/types/units.js'
import { codeOfRejection, type Fixture, type TestNode } from '../node/fixture.js'
import { until } from '../p2p/hosts.js'
import { FarEvents, startTraders } from './fake-payee.js'

const PRICE = satoshi(2n)
const PLACE = 'http://localhost/weather'

describe('metering / a priced server with books', () => {
  let fixture: Fixture
  let payer: TestNode
  let payee: TestNode
  let to: string
  let disk: SimDisk
  let life: Life
  let books: Books
  let gate: Gate
  let served = 0
  let now: number

  before(async () => {
    ;({ fixture, payer, payee, seller: to } = await startTraders())
  })
  after(async () => {
    await fixture.end()
  })
  beforeEach(async () => {
    disk = new SimDisk()
    served = 0
    now = Date.now()
    await start()
  })
  afterEach(() => {
    gate.stop()
  })

  async function start(options: Partial<GateOptions> = {}): Promise<void> {
    life = new Life()
    books = await Books.read(disk.storeFor(life), now)
    gate = new Gate({
      node: payee.api,
      price: PRICE,
      realm: 'localhost',
      patience: 0,
      now: () => now,
      books,
      ...options
    })
  }

  /** The process ends at once: what is not on the disk is gone. */
  async function restart(options: Partial<GateOptions> = {}): Promise<void> {
    gate.stop()
    life.end()
    await start(options)
  }

  const server = async (request: Request): Promise<Response> =>
    await gate.handle(request, async () => {
      served++
      return new Response('rain')
    })

  /** A session that was paid ahead. */
  async function paid(amount: bigint): Promise<Challenge> {
    const answer = await server(new Request(PLACE))
    const [challenge] = readChallenges(answer.headers.get('www-authenticate') ?? '')
    assert.ok(challenge)
    await payer.api.pay({ to, amount: satoshi(amount), memo: memoOf(challenge.id) })
    return challenge
  }

  const asked = async (challenge: Challenge, number: bigint): Promise<Response> => {
    const payload = { action: 'voucher', cumulativeAmount: number.toString() }
    const authorization = credentialHeader({ challenge, payload })
    return await server(new Request(PLACE, { headers: { authorization } }))
  }

  async function problemOf(answer: Response): Promise<string> {
    const { type } = (await answer.json()) as { type: string }
    return type.slice(type.lastIndexOf('/') + 1)
  }

  const client = (reach = server): PayingFetch =>
    payingFetch({
      node: payer.api,
      mostPerRequest: PRICE,
      budget: satoshi(1_000n),
      fetch: async (input, init) => await reach(new Request(input, init))
    })

  it('that is restarted goes on with a session: what is left of it can be used, and no more', async () => {
    const challenge = await paid(10n)
    for (const number of [2n, 4n, 8n]) assert.equal((await asked(challenge, number)).status, 200)
    now += 30 * 60_000
    await restart()
    for (const number of [6n, 10n]) assert.equal((await asked(challenge, number)).status, 200)
    assert.equal(await problemOf(await asked(challenge, 12n)), 'insufficient-balance')
    assert.equal(served, 5)
  })

  it('that is restarted refuses a credential that was used before', async () => {
    const challenge = await paid(20n)
    for (const number of [2n, 6n]) await asked(challenge, number)
    await restart()
    for (const number of [2n, 6n]) {
      assert.equal(await problemOf(await asked(challenge, number)), 'delta-too-small')
    }
    assert.equal(served, 2)
  })

  it('serves what was paid while it was away', async () => {
    const challenge = await paid(2n)
    await asked(challenge, 2n)
    gate.stop()
    life.end()
    await payer.api.pay({ to, amount: PRICE, memo: memoOf(challenge.id) })
    const unused = await (async () => {
      await start()
      return await paid(2n)
    })()
    await restart()
    assert.equal((await asked(challenge, 4n)).status, 200)
    assert.equal((await asked(unused, 2n)).status, 200)
  })

  it('takes a client further without a word of the restart', async () => {
    const pay = client()
    for (let n = 0; n < 4; n++) {
      assert.equal((await pay(PLACE)).status, 200)
      await restart()
    }
    assert.deepEqual([served, pay.paid], [4, 8n])
  })

  it('that dies between payment and delivery, at any write, costs one unit at the most, and its payer pays none twice', async () => {
    for (const diesAt of [0, 1, 2]) {
      for (const isWritten of [false, true]) {
        disk = new SimDisk()
        await restart()
        let writes = 0
        const pay = client(async (request) => {
          const answer = server(request)
          const died = new Promise<Response>((_resolve, reject) => {
            life.onEnd(() => {
              reject(new TypeError('the line is cut'))
            })
          })
          return await Promise.race([answer, died])
        })
        const die = (): void => {
          if (writes++ === diesAt) life.end()
        }
        if (isWritten) disk.onDurable(die)
        else disk.beforeWrite = die
        let [delivered, cut] = [0, 0]
        for (let n = 0; n < 4; n++) {
          try {
            assert.equal((await pay(PLACE)).status, 200)
            delivered++
          } catch (error) {
            assert.ok(error instanceof TypeError)
            cut++
            await restart()
          }
        }
        const [session] = (await Books.read(disk.storeFor(new Life()), now)).sessions.values()
        assert.deepEqual([delivered, cut], [3, 1])
        assert.equal(session?.spent, isWritten ? 8n : 6n, 'what was not written is not spent')
        assert.ok(pay.paid <= 8n, 'four units')
      }
    }
  })

  it('delivers nothing that is not on its disk', async () => {
    const challenge = await paid(4n)
    disk.failNext()
    await assert.rejects(asked(challenge, 2n), { code: 'ERR_STORE_FAILED' })
    await assert.rejects(asked(challenge, 4n), { code: 'ERR_STORE_FAILED' })
    assert.equal(served, 0)
    await restart()
    assert.equal((await asked(challenge, 2n)).status, 200)
  })

  it('keeps what could not be delivered for its payer', async () => {
    const challenge = await paid(2n)
    const request = new Request(PLACE, {
      headers: {
        authorization: credentialHeader({
          challenge,
          payload: { action: 'voucher', cumulativeAmount: '2' }
        })
      }
    })
    let given: Promise<unknown> = Promise.resolve()
    await gate.handle(request, async () => {
      given = new Promise((resolve) => disk.onDurable(resolve))
      return new Response('', { status: 503 })
    })
    await given
    await restart()
    assert.equal((await asked(challenge, 4n)).status, 200)
  })

  it('asks its node anew when that could not answer', async () => {
    const challenge = await paid(4n)
    await asked(challenge, 2n)
    let isAway = true
    const { payments } = payee.api
    const list: typeof payments.list = async (filter) => {
      if (isAway) throw new Error('the node is away')
      return await payments.list(filter)
    }
    await restart({ node: { ...payee.api, payments: { ...payments, list } } })
    await assert.rejects(asked(challenge, 4n), /away/)
    isAway = false
    assert.equal((await asked(challenge, 4n)).status, 200)
  })

  it('trusts a channel that is being opened once, also after a restart', async () => {
    const id = 'c0ffee'.padEnd(64, '0')
    const opening = { id, role: 'server', status: 'confirming', watched: true }
    let fundingSeen = false
    const channels = { list: async () => [{ ...opening, fundingSeen }] as never }
    const options = { trustedUnits: 1, node: { ...payee.api, channels } }
    const trusted = async (): Promise<number> => {
      const answer = await server(new Request(PLACE))
      const [challenge] = readChallenges(answer.headers.get('www-authenticate') ?? '')
      assert.ok(challenge)
      const payload = { action: 'open', channelId: id, cumulativeAmount: '2' }
      const authorization = credentialHeader({ challenge, payload })
      return (await server(new Request(PLACE, { headers: { authorization } }))).status
    }
    await restart(options)
    assert.equal(await trusted(), 402, 'no server shows its T1')
    fundingSeen = true
    assert.equal(await trusted(), 200)
    await restart(options)
    assert.equal(await trusted(), 402)
  })

  it('trusts no channel whose T1 one server shows alone, where its node has two (HTTP-8)', async () => {
    const id = 'c0ffee'.padEnd(64, '0')
    const opening = { id, role: 'server', status: 'confirming', watched: true, fundingSeen: true }
    let fundingAgreed = false
    const channels = { list: async () => [{ ...opening, fundingAgreed }] as never }
    const server2 = {
      url: 'tcp://127.0.0.1:1',
      state: 'used',
      height: undefined,
      problem: undefined
    } as const
    const info: typeof payee.api.info = async () => {
      const known = await payee.api.info()
      return { ...known, chain: { ...known.chain, servers: [server2, server2] } }
    }
    const trusted = async (): Promise<number> => {
      await restart({ trustedUnits: 1, node: { ...payee.api, channels, info } })
      const answer = await server(new Request(PLACE))
      const [challenge] = readChallenges(answer.headers.get('www-authenticate') ?? '')
      assert.ok(challenge)
      const payload = { action: 'open', channelId: id, cumulativeAmount: '2' }
      const authorization = credentialHeader({ challenge, payload })
      return (await server(new Request(PLACE, { headers: { authorization } }))).status
    }
    assert.equal(await trusted(), 402)
    fundingAgreed = true
    assert.equal(await trusted(), 200)
  })

  it('forgets a session once it is over, and its books do not grow', async () => {
    const challenge = await paid(2n)
    await asked(challenge, 2n)
    assert.equal(books.sessions.size, 0, 'as they were read')
    await restart()
    assert.equal(books.sessions.size, 1)
    const size = disk.snapshot().size
    now += 2 * 3_600_000
    await restart()
    assert.deepEqual([books.sessions.size, disk.snapshot().size], [0, size - 1])
    assert.equal(await problemOf(await asked(challenge, 4n)), 'payment-expired')
  })

  it('counts a payment once, however long after it the node is asked (HTTP-3)', async () => {
    const far = { ...payee.api, events: new FarEvents(payee.api.events) }
    for (const [what, node] of [
      ['a node in another process', far],
      ['in this one', payee.api]
    ] as const) {
      await restart({ node })
      const challenge = await paid(6n)
      const other = await paid(2n)
      now += 11 * 60_000
      // One that is short has the node asked.
      for (const number of [2n, 4n]) await asked(other, number)
      assert.equal((await asked(challenge, 2n)).status, 200)
      if (node === far) far.events.break()
      now += 11 * 60_000
      await asked(other, 6n)
      for (const number of [4n, 6n]) assert.equal((await asked(challenge, number)).status, 200)
      assert.equal(await problemOf(await asked(challenge, 8n)), 'insufficient-balance', what)
    }
  })

  it('that cannot ask its node for a while counts a payment once all the same (HTTP-3)', async () => {
    let isAway = true
    const { payments } = payee.api
    const list: typeof payments.list = async (filter) => {
      if (isAway) throw new Error('the node is away')
      return await payments.list(filter)
    }
    await restart({ node: { ...payee.api, payments: { ...payments, list } } })
    const challenge = await paid(2n)
    now += 11 * 60_000
    // A payment that is told now has what was told before forgotten, if it may be.
    await paid(2n)
    isAway = false
    assert.equal((await asked(challenge, 2n)).status, 200)
    assert.equal(await problemOf(await asked(challenge, 4n)), 'insufficient-balance')
  })

  it('asks its node once for all units that wait', async () => {
    let asks = 0
    const { payments } = payee.api
    const list: typeof payments.list = async (filter) => {
      asks++
      return await payments.list(filter)
    }
    const challenge = await paid(2n)
    const away = new FarEvents(payee.api.events)
    await restart({ node: { ...payee.api, events: away, payments: { ...payments, list } } })
    await asked(challenge, 2n)
    away.break()
    const before = asks
    await Promise.all(
      Array.from({ length: 50 }, async (_, n) => await asked(challenge, BigInt(2 * n + 4)))
    )
    assert.ok(asks - before >= 1 && asks - before <= 2, `${asks - before} look-ups for 50 requests`)
  })
})

describe('metering / a seller of streams with books', () => {
  let fixture: Fixture
  let payer: TestNode
  let payee: TestNode
  let seller: string
  let disk: SimDisk
  let life: Life
  let sales: StreamSales

  before(async () => {
    ;({ fixture, payer, payee, seller } = await startTraders())
  })
  after(async () => {
    await fixture.end()
  })
  beforeEach(async () => {
    disk = new SimDisk()
    await start()
  })
  afterEach(() => {
    sales.stop()
  })

  async function start(options: Partial<SaleOptions> = {}): Promise<void> {
    life = new Life()
    const books = await Books.read(disk.storeFor(life), Date.now())
    sales = new StreamSales({ node: payee.api, price: PRICE, per: 'message', books, ...options })
  }

  /** The process ends at once, and its streams with it. */
  async function restart(options: Partial<SaleOptions> = {}): Promise<void> {
    sales.stop()
    life.end()
    await start(options)
  }

  async function open(): Promise<{ sold: PaidStream; bought: PaidStream; cut: () => void }> {
    const ends = await streamPair()
    const limits = { per: 'message', mostPerUnit: satoshi(9n), budget: satoshi(1_000n) } as const
    const [sold, bought] = await Promise.all([
      sales.sell(ends[0], 'the buyer'),
      buyStream(ends[1], { node: payer.api, seller, ...limits })
    ])
    const cut = (): void => {
      ends[1].abort(new Error('the line is cut'))
    }
    life.onEnd(cut)
    return { sold, bought, cut }
  }

  async function deliver({
    sold,
    bought
  }: {
    sold: PaidStream
    bought: PaidStream
  }): Promise<void> {
    const sending = sold.send(new TextEncoder().encode('a unit'))
    // Heard below, or by who reads.
    sending.catch(() => {})
    const { done } = await bought.received.next()
    assert.ok(done !== true)
    await sending
  }

  /** What the payee has received for all accounts of this story. */
  const receivedFor = async (session: string): Promise<bigint> =>
    (await payee.api.payments.list({ memo: memoOf(session), direction: 'received' })).reduce(
      (sum, { amount }) => sum + amount,
      0n
    )

  it('goes on with the account of its buyer, and the bill is exact', async () => {
    let session = ''
    for (let n = 1; n <= 4; n++) {
      const stream = await open()
      if (n > 1) assert.equal(stream.bought.bill().session, session)
      ;({ session } = stream.bought.bill())
      await deliver(stream)
      assert.equal(stream.sold.bill().units, n)
      // The unit ahead is paid: what is on its way when the seller ends is paid once more.
      await until(async () => (await receivedFor(session)) === PRICE * BigInt(n + 1))
      await restart()
    }
    const received = await receivedFor(session)
    assert.equal(received, 10n, 'four units, and one ahead')
    const { paid } = (await open()).sold.bill()
    // What it pays ahead on this stream may be on its way.
    assert.ok(paid >= received && paid <= (await receivedFor(session)), `${paid} sat`)
  })

  it('that dies at any write costs its buyer one unit at the most, and sells none that is not paid', async () => {
    for (const diesAt of [0, 1, 2, 3]) {
      for (const isWritten of [false, true]) {
        disk = new SimDisk()
        await restart()
        let writes = 0
        const die = (): void => {
          if (writes++ === diesAt) life.end()
        }
        if (isWritten) disk.onDurable(die)
        else disk.beforeWrite = die
        let [delivered, lost] = [0, 0]
        const sessions = new Set<string>()
        let stream = await open()
        while (delivered < 4) {
          sessions.add(stream.bought.bill().session)
          try {
            await deliver(stream)
            delivered++
          } catch {
            lost++
            await restart()
            stream = await open()
          }
        }
        assert.equal(lost, 1)
        const paid = await Promise.all([...sessions].map(receivedFor))
        const sum = paid.reduce((a, b) => a + b, 0n)
        // One ahead, and one that was on its way when the seller died.
        const most = PRICE * BigInt(delivered + lost + 2)
        assert.ok(sum >= PRICE * BigInt(delivered) && sum <= most, `${sum} of ${most} sat`)
        stream.cut()
      }
    }
  })

  it('finds a payment that it did not hear of, however long before its end that was', async () => {
    let now = Date.now()
    const events = new FarEvents(payee.api.events)
    const credits = async (): Promise<Credits> =>
      new Credits({
        node: { ...payee.api, events },
        books: await Books.read(disk.storeFor(new Life()), now),
        lifetime: Infinity,
        patience: 0,
        now: () => now
      })
    const pay = async (session: string): Promise<void> => {
      await payer.api.pay({ to: seller, amount: PRICE, memo: memoOf(session) })
    }
    const [missed, other] = ['m'.repeat(24), 'o'.repeat(24)]
    const first = await credits()
    await pay(other)
    await first.take(other, 1n, PRICE)
    await pay(other)
    await payee.events.when(
      (event) => event.type === 'payment' && event.payment.memo === memoOf(other)
    )
    events.break()
    await pay(missed)
    now += 11 * 60_000
    // It is heard, as it was paid before: this is written, later than what was missed.
    assert.equal((await first.take(other, 2n, PRICE)).kind, 'taken')
    first.stop()
    const second = await credits()
    assert.equal((await second.take(missed, 1n, PRICE)).kind, 'taken')
    second.stop()
  })

  it('that changes its price begins another account', async () => {
    const stream = await open()
    await deliver(stream)
    await restart({ price: satoshi(3n) })
    assert.notEqual((await open()).bought.bill().session, stream.bought.bill().session)
  })

  it('writes nothing for who buys nothing', async () => {
    const before = disk.snapshot().size
    for (let n = 0; n < 20; n++) await sales.sell((await streamPair())[0], `stranger ${n}`)
    assert.equal(disk.snapshot().size, before)
  })
})

describe('metering / books on disk', () => {
  let directory: string

  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), 'paychan-books-')), 'shop.db')
  })
  afterEach(async () => {
    await rm(join(directory, '..'), { recursive: true, force: true })
  })

  it('have one owner at a time, and one secret for ever', async () => {
    const books = await openBooks(directory)
    assert.equal(await codeOfRejection(openBooks(directory)), 'ERR_GATE_RUNNING')
    await books.close()
    const again = await openBooks(directory)
    assert.deepEqual(again.secret, books.secret)
    await again.close()
  })

  it('hold sessions, channels with units on trust, and how far was forgotten', async () => {
    const books = await openBooks(directory)
    const record = { spent: 4n, units: 2, trusted: 0n, ends: 9e15, floor: 4n, runs: [] }
    await books.keep({ sessions: [['a', record]], gone: ['b'], forgottenUpTo: 7 })
    await books.keepTrusted('c0ffee')
    await books.close()
    const again = await openBooks(directory)
    assert.deepEqual([...again.sessions], [['a', record]])
    assert.deepEqual([[...again.trusted], again.forgottenUpTo], [['c0ffee'], 7])
    await again.close()
  })

  it('write a session once for all units that wait, as it stands then', async () => {
    const store = new SimDisk().storeFor(new Life())
    const books = await Books.read(store, 0)
    const sizes: number[] = []
    const commit = store.commit.bind(store)
    store.commit = async (changes) => {
      sizes.push(changes.length)
      await commit(changes)
    }
    const record = { spent: 2n, units: 1, trusted: 0n, ends: 9e15, floor: 2n, runs: [] }
    const newest = { ...record, spent: 4n, units: 2, floor: 4n }
    const keep = async (kept: SessionRecord): Promise<void> => {
      await books.keep({ sessions: [['a', kept]], gone: [], forgottenUpTo: 0 })
    }
    await Promise.all([keep(record), keep(newest)])
    assert.deepEqual(sizes, [1])
    assert.deepEqual([...(await Books.read(store, 0)).sessions], [['a', newest]])
    const last = keep(record)
    await books.close()
    await last
    assert.deepEqual(sizes, [1, 1], 'what waits is written before they are closed')
  })

  it('that are damaged are not sold by', async () => {
    const disk = new SimDisk()
    await disk.storeFor(new Life()).commit([{ key: 'session/a', value: Uint8Array.of(3, 1, 2) }])
    assert.equal(
      await codeOfRejection(Books.read(disk.storeFor(new Life()), 0)),
      'ERR_STORE_CORRUPT'
    )
    const books = await openBooks(directory)
    await books.close()
    for (const name of await readdir(directory)) {
      if (name.startsWith('MANIFEST')) await writeFile(join(directory, name), 'damage')
    }
    assert.equal(await codeOfRejection(openBooks(directory)), 'ERR_STORE_FAILED')
  })
})
