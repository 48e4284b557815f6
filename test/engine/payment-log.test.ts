/** The payment log read backwards, how little of the disk is read for it, and the ids in it. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { NEW_LEDGER } from '../../src/channel/ledger.js'
import type { Channel } from '../../src/channel/state.js'
import { LogOrder, type LogPart, readPayments } from '../../src/engine/payment-log.js'
import {
  nameOfRequest,
  partId,
  paymentChange,
  PaymentIds,
  type PaymentInfo,
  paymentKey
} from '../../src/engine/payments.js'
import type { Change, Link, Peers, Store } from '../../src/engine/ports.js'
import { planPayment } from '../../src/node/plan-payment.js'
import { openSimStore } from '../../src/testing/disk.js'
import { channelId, type ChannelId, toHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { sized } from '../size.js'
import { codeFrom, type Node, quiet, twoNodes, World } from './world.js'

const [SHOP, CAFE, IDLE] = ['aa', 'bb', 'cc'].map((digits) => channelId(digits.repeat(32))) as [
  ChannelId,
  ChannelId,
  ChannelId
]
const START = 1_800_000_000_000
const HOUR = 3_600_000

/** A log that is written by a clock of its own, and a count of the entries that are read. */
class Log {
  now = START
  read = 0
  readonly damaged: number[] = []
  readonly #disk = openSimStore()
  readonly #sequences = new Map<ChannelId, number>([SHOP, CAFE, IDLE].map((id) => [id, 0]))
  order = new LogOrder({ now: () => this.now })

  readonly store: Store = {
    get: async (key) => await this.#disk.get(key),
    entries: (prefix) => this.#disk.entries(prefix),
    last: async (prefix, count, before) => {
      const found = await this.#disk.last(prefix, count, before)
      this.read += found.length
      return found
    },
    commit: async (changes) => {
      await this.#disk.commit(changes)
    },
    close: async () => {
      await this.#disk.close()
    }
  }

  /** One update with so many payments; its memos are the channel's first letter and a number. */
  entry(channel: ChannelId, { time = this.now, payments = 1 } = {}): Change {
    const sequence = (this.#sequences.get(channel) ?? 0) + 1
    this.#sequences.set(channel, sequence)
    return paymentChange(channel, {
      sequence,
      direction: 'received',
      time,
      order: this.order.next(channel, time),
      payments: Array.from({ length: payments }, (_, n) => ({
        id: new Uint8Array(16).fill(n),
        amount: 1n,
        memo: `${channel[0] ?? ''}${sequence}.${n}`
      }))
    })
  }

  async pay(channel: ChannelId, times = 1): Promise<void> {
    const changes: Change[] = []
    for (let n = 0; n < times; n++) {
      this.now += 1_000
      changes.push(this.entry(channel))
    }
    await this.#disk.commit(changes)
  }

  channels(): Channel[] {
    return [...this.#sequences].map(([id, sequence]) => {
      const ledger = { ...NEW_LEDGER, held: { sequence } }
      return { id, peer: `peer of ${id[0] ?? ''}`, stage: 'established', ledger } as never
    })
  }

  /** As after a restart. */
  async reload(): Promise<void> {
    this.order = new LogOrder({ now: () => this.now })
    await this.order.load(this.store, this.channels())
    this.read = 0
  }

  async list(part: LogPart = {}, limit = Infinity): Promise<PaymentInfo[]> {
    const found: PaymentInfo[] = []
    const log = readPayments(this.store, this.channels(), this.order, part, ({ facts }) => {
      this.damaged.push(Number(facts.sequence))
    })
    for await (const payment of log) if (found.push(payment) >= limit) break
    return found
  }
}

const memosOf = (payments: readonly PaymentInfo[]): string[] => payments.map(({ memo }) => memo)

describe('engine / the payment log', () => {
  let log: Log
  beforeEach(() => {
    log = new Log()
  })

  it('is read for the newest payments, and no further, however long it is', async () => {
    await log.pay(CAFE, 1_000)
    await log.pay(SHOP, 3_000)
    for (const restarted of [false, true]) {
      if (restarted) await log.reload()
      assert.deepEqual(memosOf(await log.list({}, 2)), ['a3000.0', 'a2999.0'])
      assert.ok(log.read <= 16, `${log.read} entries`)
    }
  })

  it('is read from a time on, and no further; a channel whose newest entry is older is not read', async () => {
    await log.pay(CAFE, 1_000)
    await log.pay(SHOP, 1_000)
    const since = log.now + 1
    await log.pay(SHOP, 20)
    const found = await log.list({ since })
    assert.deepEqual([found.length, found.at(-1)?.memo], [20, 'a1001.0'])
    assert.ok(log.read <= 32, `${log.read} entries`)
  })

  it('has all payments from a time on, also those before a clock was set back', async () => {
    await log.pay(SHOP, 40)
    const since = log.now + 1
    await log.pay(CAFE, 3)
    log.now -= 5 * HOUR
    await log.pay(SHOP, 40)
    await log.reload()
    const found = (await log.list({ since })).filter(({ time }) => time >= since)
    assert.deepEqual(memosOf(found), ['b3.0', 'b2.0', 'b1.0'])
  })

  it('has a payment whose clock was set back before it was written', async () => {
    const time = log.now
    log.now -= HOUR
    await log.store.commit([log.entry(SHOP, { time })])
    assert.deepEqual(memosOf(await log.list({ since: time })), ['a1.0'])
  })

  it('of some channels is read of no other', async () => {
    await log.pay(SHOP, 100)
    await log.pay(CAFE, 5)
    assert.equal((await log.list({ of: ({ peer }) => peer === 'peer of b' })).length, 5)
    assert.equal(log.read, 5)
  })

  it('is in the order in which it was written, the payments of an update too', async () => {
    await log.store.commit([log.entry(SHOP), log.entry(CAFE, { payments: 3 }), log.entry(SHOP)])
    assert.deepEqual(memosOf(await log.list()), ['a2.0', 'b1.2', 'b1.1', 'b1.0', 'a1.0'])
  })

  it('leaves out what is written while it is read', async () => {
    await log.pay(CAFE)
    await log.pay(SHOP)
    const found: PaymentInfo[] = []
    for await (const payment of readPayments(log.store, log.channels(), log.order, {}, () => {})) {
      if (found.push(payment) === 1) await log.pay(CAFE)
    }
    assert.deepEqual(memosOf(found), ['a1.0', 'b1.0'])
  })

  it('goes on behind a damaged entry, and tells of it, also when it is the newest', async () => {
    await log.pay(SHOP, 3)
    for (const sequence of [3, 2]) {
      await log.store.commit([{ key: paymentKey(SHOP, sequence), value: new Uint8Array(9) }])
    }
    // Behind a clock that was set back, numbers go on from the newest one that can be read.
    log.now -= HOUR
    await log.reload()
    assert.equal(log.order.last, START + 1_000)
    assert.deepEqual([memosOf(await log.list()), log.damaged], [['a1.0'], [3, 2]])
  })

  it('is what a whole read, sorted and cut, has, over any clock', async () => {
    const step = fc.record({
      channel: fc.constantFrom(SHOP, CAFE, IDLE),
      payments: fc.constantFrom(1, 1, 3),
      passes: fc.constantFrom(0, 1, 500, 10 * HOUR, -1, -2 * HOUR),
      restarts: fc.constantFrom(false, false, false, true)
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(59), async (steps, at) => {
        const each = new Log()
        const written: Array<{ readonly channel: ChannelId; readonly time: number }> = []
        for (const { channel, payments, passes, restarts } of steps) {
          each.now += passes
          if (restarts) await each.reload()
          await each.store.commit([each.entry(channel, { payments })])
          for (let n = 0; n < payments; n++) written.unshift({ channel, time: each.now })
        }
        const since = written[at % Math.max(1, written.length)]?.time ?? 0
        const known = ({ channel, time }: PaymentInfo): object => ({ channel, time })
        assert.deepEqual((await each.list()).map(known), written)
        assert.deepEqual(
          (await each.list({ since })).filter(({ time }) => time >= since).map(known),
          written.filter(({ time }) => time >= since)
        )
      }),
      { numRuns: sized({ small: 100, all: 2_000 }) }
    )
  })
})

/*
 * The payer of an update chooses the ids of its payments, and every receiver reads them: an id of a
 * payment that comes in says nothing about the payments that were made (UPD-21).
 */

const NAME = 'invoice 17'
const AMOUNT = 20_000n

/** A peer that pays under ids of its choice, and acknowledges when it likes. */
class Thief {
  /** The id of the next payment that it makes. */
  id: Uint8Array | undefined
  holdsAcks = false
  readonly #held: Array<() => void> = []

  release(): void {
    this.holdsAcks = false
    for (const send of this.#held.splice(0)) send()
  }

  /** Stands between its engine, which is honest, and the network. */
  readonly peers = (peers: Peers): Peers => ({
    self: peers.self,
    open: async (peer, accept) =>
      this.#link(await peers.open(peer, (link) => accept(this.#link(link)))),
    onIncoming: (accept) => peers.onIncoming((link) => accept(this.#link(link)))
  })

  #link(link: Link): Link {
    return {
      peer: link.peer,
      address: link.address,
      send: (message) => {
        const send = (): void => {
          link.send(this.#changed(message))
        }
        if (this.holdsAcks && message.type === 'UpdateAck') this.#held.push(send)
        else send()
      },
      close: () => {
        link.close()
      }
    }
  }

  #changed(message: Message): Message {
    const { id } = this
    if (message.type !== 'Update' || id === undefined) return message
    this.id = undefined
    return { ...message, payments: message.payments.map((payment) => ({ ...payment, id })) }
  }
}

async function payOnce(node: Node, to: string, name = NAME): Promise<PaymentInfo[]> {
  const { engine } = node
  return await engine.payOnce({
    id: name,
    peer: to,
    amount: satoshi(AMOUNT),
    memo: 'tea',
    plan: (rest) => planPayment(engine.payable(to), to, rest)
  })
}

/** Satoshis that a node has been paid by another one. */
async function paidBy(node: Node): Promise<bigint> {
  const payments = await node.payments()
  return payments.reduce(
    (sum, { direction, amount }) => (direction === 'received' ? sum + amount : sum),
    0n
  )
}

describe('engine / ids of payments', () => {
  for (const [what, name] of [
    ['a payment with an id', NAME],
    ['a payment request', nameOfRequest('bob', { id: 'ab'.repeat(8), nonce: undefined })]
  ] as const) {
    for (const breaks of [false, true]) {
      it(`${what} is paid once, though its payee pays 1 sat under the id of its part${breaks ? ', and breaks the stream,' : ''} before it acknowledges that (UPD-21)`, async () => {
        const bobs = new Thief()
        const world = new World()
        const bob = await world.node('bob', { peers: bobs.peers })
        const alice = await world.node('alice')
        await world.open(alice, bob)
        const back = await world.open(bob, alice)
        await bob.engine.pay(back.id, satoshi(1_000n), '')
        for (let call = 0; call < 3; call++) {
          bobs.holdsAcks = true
          const paying = payOnce(alice, 'bob', name).catch(() => {})
          await quiet()
          bobs.id = partId('bob', name, call)
          const sat = bob.engine.pay(back.id, satoshi(1n), '').catch(() => {})
          await quiet()
          if (breaks) await world.cut(alice, bob)
          bobs.release()
          await quiet()
          world.mend(alice, bob)
          await Promise.all([paying, sat])
          await world.pass(60_000)
        }
        const parts = await payOnce(alice, 'bob', name)
        assert.deepEqual(
          parts.map(({ amount, status }) => [amount, status]),
          [[AMOUNT, 'acknowledged']]
        )
        assert.equal(await paidBy(bob), AMOUNT)
        assert.equal(await paidBy(alice), 1_003n, 'what the thief paid is a payment like others')
      })
    }
  }

  it('a payment request is paid once, though somebody else pays the payer 1 sat under the id of its part (UPD-21, REQ-8)', async () => {
    const [bobs, carols] = [new Thief(), new Thief()]
    const world = new World()
    const bob = await world.node('bob', { coin: 0n, peers: bobs.peers })
    const alice = await world.node('alice')
    const carol = await world.node('carol', { peers: carols.peers })
    await world.open(alice, bob)
    const { id } = await world.open(carol, alice)
    await carol.engine.pay(id, satoshi(1_000n), '')
    const name = nameOfRequest('bob', { id: 'ab'.repeat(8), nonce: undefined })
    bobs.holdsAcks = true
    const paying = payOnce(alice, 'bob', name)
    await quiet()
    carols.id = partId('bob', name, 0)
    await carol.engine.pay(id, satoshi(1n), '')
    bobs.release()
    await paying
    assert.deepEqual(await payOnce(alice, 'bob', name), await paying)
    assert.equal(await paidBy(bob), AMOUNT)
  })

  it('a part is what its own channel carries, not what another channel carries under its id (UPD-21)', async () => {
    const bobs = new Thief()
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n }, { peers: bobs.peers })
    const first = await world.open(alice, bob)
    const second = await world.open(alice, bob)
    await alice.engine.pay(second.id, satoshi(1_000n), '')
    bobs.holdsAcks = true
    const paying = alice.engine.payOnce({
      id: NAME,
      peer: 'bob',
      amount: satoshi(AMOUNT),
      memo: 'tea',
      plan: (rest) => [{ channel: first.id, amount: rest }]
    })
    await quiet()
    const { draw } = PaymentIds.prototype
    PaymentIds.prototype.draw = () => partId('bob', NAME, 0)
    let other: Promise<PaymentInfo>
    try {
      other = alice.engine.pay(second.id, satoshi(1n), '')
    } finally {
      PaymentIds.prototype.draw = draw
    }
    await quiet()
    bobs.release()
    await Promise.all([paying, other])
    assert.deepEqual(
      (await payOnce(alice, 'bob')).map(({ channel, amount }) => [channel, amount]),
      [[first.id, AMOUNT]]
    )
  })

  it('the record of a part is never written over: behind one that is lost nothing is paid (UPD-21)', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    const channels = [await world.open(alice, bob), await world.open(alice, bob)]
    const pay = async (): Promise<PaymentInfo[]> =>
      await alice.engine.payOnce({
        id: NAME,
        peer: 'bob',
        amount: satoshi(AMOUNT),
        memo: 'tea',
        plan: (rest) => channels.map(({ id }) => ({ channel: id, amount: satoshi(rest / 2n) }))
      })
    await pay()
    const records = new Map(alice.store.snapshot())
    assert.ok(records.delete(`paid/${toHex(partId('bob', NAME, 0))}`))
    await alice.restart(records)
    const again = codeFrom(pay())
    await world.pass(60_000)
    assert.equal(await again, 'ERR_PAYMENTS_FORGOTTEN')
    assert.equal(await paidBy(bob), AMOUNT)
  })
})
