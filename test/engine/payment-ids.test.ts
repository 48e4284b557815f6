/**
 * The payer of an update chooses the ids of its payments, and every receiver reads them: an id of a
 * payment that comes in says nothing about the payments that were made (UPD-21).
 */
import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { nameOfRequest, partId, PaymentIds, type PaymentInfo } from '../../src/engine/payments.js'
import type { Link, Peers } from '../../src/engine/ports.js'
import { planPayment } from '../../src/node/plan-payment.js'
import { toHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { codeFrom, type Node, quiet, twoNodes, World } from './world.js'

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
