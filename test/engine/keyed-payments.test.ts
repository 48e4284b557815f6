/** Payments that the caller names: asked for as often as one likes, made once. */
import assert from 'node:assert/strict'
import type { Part } from '../../src/engine/keyed-payments.js'
import { partId, type PaymentInfo } from '../../src/engine/payments.js'
import { planPayment } from '../../src/node/plan-payment.js'
import { toHex } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { codeFrom, soon, twoNodes, type Node, type World } from './world.js'

const ID = 'invoice 17'

interface Wish {
  readonly amount?: bigint
  readonly id?: string
  readonly peer?: string
  readonly parts?: readonly bigint[]
}

/**
 * Pays on the node's channels, the newest first: what is missing in one piece, or one piece on
 * each.
 */
async function payOnce(
  node: Node,
  { amount = 5_000n, id = ID, peer = 'bob', parts }: Wish = {}
): Promise<PaymentInfo[]> {
  const plan = (rest: bigint): Part[] => {
    const channels = node.engine.channels().filter(({ role }) => role === 'client')
    return (parts ?? [rest]).map((part, n) => ({
      channel: (channels[n] ?? node.channel).id,
      amount: satoshi(part)
    }))
  }
  return await node.engine.payOnce({ id, peer, amount: satoshi(amount), memo: 'tea', plan })
}

/** The error that a promise rejects with. */
async function errorFrom(promise: Promise<unknown>): Promise<PaychanError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  assert.ok(error instanceof PaychanError, 'it was expected to be refused')
  return error
}

function received(bob: Node): bigint {
  return bob.engine.channels().reduce((sum, { ourBalance }) => sum + ourBalance, 0n)
}

async function sentBy(alice: Node): Promise<string[]> {
  return (await alice.payments()).map(({ amount, status }) => `${amount} ${status}`)
}

describe('engine / payments with an id', () => {
  it('are made once, however often they are asked for', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const [first, second] = [await payOnce(alice), await payOnce(alice)]
    assert.deepEqual(second, first)
    assert.deepEqual(
      [first[0]?.amount, first[0]?.memo, first[0]?.status, first[0]?.id],
      [5_000n, 'tea', 'acknowledged', toHex(partId('bob', ID, 0))]
    )
    assert.equal(received(bob), 5_000n)
    assert.deepEqual(await sentBy(alice), ['5000 acknowledged'])
  })

  it('of different names are different payments', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await Promise.all([
      payOnce(alice, { id: 'a' }),
      payOnce(alice, { id: 'b' }),
      payOnce(alice, { id: 'a/0' })
    ])
    assert.equal(received(bob), 15_000n)
  })

  it('are one payment for callers at the same time', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const [one, other] = await Promise.all([payOnce(alice), payOnce(alice)])
    assert.deepEqual(one, other)
    assert.equal(received(bob), 5_000n)
  })

  it('are refused under an id that belongs to another amount or payee, now and later, after a restart too', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const first = payOnce(alice)
    assert.equal(await codeFrom(payOnce(alice, { amount: 6_000n })), 'ERR_PAYMENT_CONFLICT')
    assert.equal(await codeFrom(payOnce(alice, { peer: 'carol' })), 'ERR_PAYMENT_CONFLICT')
    await first
    await alice.restart()
    const { code, facts } = await errorFrom(payOnce(alice, { amount: 6_000n }))
    assert.deepEqual(
      [code, facts],
      ['ERR_PAYMENT_CONFLICT', { id: ID, asked: 6_000n, amount: 5_000n, peer: 'bob' }]
    )
    assert.equal(await codeFrom(payOnce(alice, { peer: 'carol' })), 'ERR_PAYMENT_CONFLICT')
    assert.equal(received(bob), 5_000n)
  })

  it('may be asked for with another amount as long as nothing was signed', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    assert.equal(await codeFrom(payOnce(alice, { amount: 1n })), 'ERR_BELOW_MIN_FIRST_PAYMENT')
    await payOnce(alice)
    assert.equal(received(bob), 5_000n)
  })

  it('have names of 1 to 128 characters', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    for (const id of ['', 'x'.repeat(129), '\ud800']) {
      assert.equal(await codeFrom(payOnce(alice, { id })), 'ERR_INVALID_PAYMENT_ID')
    }
    for (const id of ['x', '€'.repeat(128), '🙂'.repeat(128), 'two\nlines']) {
      await payOnce(alice, { id })
    }
    assert.equal(received(bob), 20_000n)
  })

  it('write no more than others do: the record goes with the update', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const before = alice.store.batches
    await payOnce(alice)
    assert.equal(alice.store.batches - before, 1, 'the ack is written with what comes next')
    assert.equal(
      [...alice.store.snapshot().keys()].filter((key) => key.startsWith('paid/')).length,
      1
    )
  })
})

describe('engine / payments with an id, when the stream breaks', () => {
  it('are unknown at first; asked for again they wait for what the peer says', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    world.cutAt(alice, 'Update')
    const { code, facts, message } = await errorFrom(payOnce(alice))
    assert.deepEqual(
      [code, facts],
      ['ERR_PAYMENT_UNKNOWN', { id: ID, asked: 5_000n, paid: 0n, unknown: 5_000n }]
    )
    assert.match(message, /Pay again with the id 'invoice 17'/)
    world.mend(alice, bob)
    const again = payOnce(alice)
    await world.pass(1_000)
    assert.equal((await again)[0]?.status, 'acknowledged')
    assert.equal(received(bob), 5_000n)
    assert.deepEqual(await sentBy(alice), ['5000 acknowledged'])
  })

  it('stay unknown, and are not made again, while the peer is away', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    world.cutAt(bob, 'UpdateAck')
    assert.equal(await codeFrom(payOnce(alice)), 'ERR_PAYMENT_UNKNOWN')
    const again = errorFrom(payOnce(alice))
    for (let second = 0; second < 10; second++) await world.pass(1_000)
    assert.deepEqual(
      [(await again).code, (await again).facts],
      ['ERR_PAYMENT_UNKNOWN', { id: ID, asked: 5_000n, paid: 0n, unknown: 5_000n }]
    )
    world.mend(alice, bob)
    await world.pass(60_000)
    await payOnce(alice)
    assert.equal(received(bob), 5_000n)
    assert.deepEqual(await sentBy(alice), ['5000 acknowledged'])
  })

  it('are made on another channel when the chain has settled without them', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 3_000_000n })
    await world.open(alice, bob)
    await alice.pay(1_000n)
    world.cutAt(alice, 'Update')
    assert.equal(await codeFrom(payOnce(alice)), 'ERR_PAYMENT_UNKNOWN')
    const lost = alice.channel.id
    await bob.close(true)
    await world.mine(10)
    assert.equal((await alice.payments(lost)).at(-1)?.status, 'failed')
    world.mend(alice, bob)
    // Of channels of one moment none is the newest.
    await world.pass(1)
    await world.open(alice, bob)
    const [part] = await payOnce(alice)
    assert.ok(part !== undefined && part.channel !== lost)
    assert.equal(part.id, toHex(partId('bob', ID, 1)), 'a new part: the lost one keeps its number')
    assert.equal((await payOnce(alice)).length, 1)
    assert.equal(bob.channel.ourBalance, 5_000n)
  })
})

describe('engine / payments in parts', () => {
  async function twoChannels(): Promise<{ world: World; alice: Node; bob: Node }> {
    const nodes = await twoNodes({ coin: 2_000_000n })
    await nodes.world.open(nodes.alice, nodes.bob)
    await nodes.world.open(nodes.alice, nodes.bob)
    return nodes
  }

  it('go over several channels', async () => {
    const { alice, bob } = await twoChannels()
    const parts = await payOnce(alice, { amount: 8_000n, parts: [5_000n, 3_000n] })
    assert.deepEqual(
      parts.map(({ amount }) => amount),
      [5_000n, 3_000n]
    )
    assert.equal(new Set(parts.map(({ channel }) => channel)).size, 2)
    assert.deepEqual(
      bob.engine
        .channels()
        .map(({ ourBalance }) => ourBalance)
        .sort(),
      [3_000n, 5_000n]
    )
  })

  it('are all checked before the first is signed', async () => {
    const { world, alice, bob } = await twoChannels()
    const before = world.said(alice, 'Update').length
    assert.equal(
      await codeFrom(payOnce(alice, { amount: 5_001n, parts: [5_000n, 1n] })),
      'ERR_BELOW_MIN_FIRST_PAYMENT'
    )
    assert.equal(
      await codeFrom(payOnce(alice, { amount: 800_000n, parts: [200_000n, 600_000n] })),
      'ERR_INSUFFICIENT_BALANCE'
    )
    assert.equal(world.said(alice, 'Update').length, before)
    assert.equal(received(bob), 0n)
  })

  it('are checked together when they share a channel', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const before = world.said(alice, 'Update').length
    assert.equal(
      await codeFrom(payOnce(alice, { amount: 600_000n, parts: [300_000n, 300_000n] })),
      'ERR_INSUFFICIENT_BALANCE'
    )
    assert.equal(world.said(alice, 'Update').length, before)
  })

  it('say what is paid and what to do when a later one fails; asked for again, only the rest is paid', async () => {
    const { world, alice, bob } = await twoChannels()
    const updates = world.said(alice, 'Update').length
    const paying = errorFrom(payOnce(alice, { amount: 8_000n, parts: [5_000n, 3_000n] }))
    await soon(() => world.said(alice, 'Update').length === updates + 1)
    world.cutAt(alice, 'Update')
    const { code, facts, message } = await paying
    assert.deepEqual(
      [code, facts],
      ['ERR_PAYMENT_PARTIAL', { id: ID, asked: 8_000n, paid: 5_000n, unknown: 3_000n }]
    )
    assert.match(
      message,
      /^5,000 sat of 8,000 sat are paid, and 3,000 sat are signed but not acknowledged .*Pay again with the id 'invoice 17'/
    )
    world.mend(alice, bob)
    await world.pass(60_000)
    const parts = await payOnce(alice, { amount: 8_000n })
    assert.deepEqual(
      parts.map(({ amount }) => amount),
      [5_000n, 3_000n]
    )
    assert.equal(received(bob), 8_000n)
  })
})

describe('engine / payments in parts, when somebody else is faster', () => {
  it('are planned again: nobody is refused for what another caller has taken', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    await world.open(alice, bob)
    await world.open(alice, bob)
    const plan = (rest: bigint): Part[] => planPayment(alice.engine.payable(), 'bob', rest)
    const pay = async (id: string, amount: bigint): Promise<PaymentInfo[]> =>
      await alice.engine.payOnce({ id, peer: 'bob', amount: satoshi(amount), memo: '', plan })
    // Each alone would take the same channel.
    const paid = await Promise.all([pay('a', 300_000n), pay('b', 300_000n), pay('c', 300_000n)])
    assert.deepEqual(
      paid.map((parts) => parts.reduce((sum, { amount }) => sum + amount, 0n)),
      [300_000n, 300_000n, 300_000n]
    )
    assert.equal(received(bob), 900_000n)
  })

  it('say what is paid when nothing can carry the rest', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    await world.open(alice, bob)
    await world.open(alice, bob)
    const both = payOnce(alice, { amount: 800_000n, parts: [450_000n, 350_000n] })
    const other = payOnce(alice, { id: 'the rest', amount: 480_000n, parts: [10_000n, 470_000n] })
    const outcomes = await Promise.allSettled([both, other])
    const refused = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as PaychanError] : []
    )
    assert.deepEqual(
      refused.map(({ code }) => code),
      ['ERR_PAYMENT_PARTIAL']
    )
    assert.equal(refused[0]?.facts['unknown'], 0n)
    assert.match(
      refused[0]?.message ?? '',
      /are paid \(.*left in this channel\)\. Pay again with the id/
    )
    assert.ok(received(bob) > 0n)
  })
})

describe('engine / payments with an id, and crashes', () => {
  /**
   * The payment in two parts; the node dies at its write number `write`, comes back, and is asked
   * again.
   */
  async function tell(
    who: 'alice' | 'bob',
    moment: 'before' | 'after',
    write: number
  ): Promise<boolean> {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    await world.open(alice, bob)
    await world.open(alice, bob)
    const victim = who === 'alice' ? alice : bob
    const first = victim.commits
    let died = false
    victim.crashAt = (now, commit) => {
      const strikes = now === moment && commit === first + write
      died ||= strikes
      return strikes
    }
    payOnce(alice, { amount: 8_000n, parts: [5_000n, 3_000n] }).catch(() => {})
    // Also the write that waits a little for what comes next.
    for (let n = 0; n < 10; n++) await world.pass(20)
    if (died) await victim.restart()
    const again = payOnce(alice, { amount: 8_000n })
    again.catch(() => {})
    await world.pass(60_000)
    await again.catch(async () => await payOnce(alice, { amount: 8_000n }))
    const label = `${who}, ${moment} write ${write}`
    assert.equal(received(bob), 8_000n, label)
    const sent = (await alice.payments())
      .filter(({ status }) => status === 'acknowledged')
      .reduce((sum, { amount }) => sum + amount, 0n)
    assert.equal(sent, 8_000n, label)
    assert.equal(
      (await bob.payments()).reduce((sum, { amount }) => sum + amount, 0n),
      8_000n,
      label
    )
    return died
  }

  for (const who of ['alice', 'bob'] as const) {
    for (const moment of ['before', 'after'] as const) {
      it(`of the ${who === 'alice' ? 'payer' : 'payee'} ${moment} each of its writes: paid once, in both books`, async () => {
        let writes = 0
        while (await tell(who, moment, writes + 1)) writes += 1
        assert.ok(writes >= (who === 'alice' ? 3 : 2), `${writes} writes`)
      })
    }
  }
})
