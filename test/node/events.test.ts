/** The events of a real node for readers that come back, and for receivers of webhooks. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { webhooksByHttp } from '../../src/daemon/webhook-sender.js'
import { satoshi } from '../../src/types/units.js'
import { Recorder } from '../chain/helpers.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

interface Delivery {
  readonly request: IncomingMessage
  readonly body: string
  readonly response: ServerResponse
}

describe('the events of a node', () => {
  let fixture: Fixture
  let alice: TestNode
  let bob: TestNode
  let peerId: string
  /** Bob's, so that he is found again. */
  let listen: string[]

  const bobs = { webhooks: webhooksByHttp() }

  beforeEach(async () => {
    fixture = await Fixture.create()
    alice = await fixture.rich('alice')
    bob = await fixture.node('bob', bobs)
    peerId = (await bob.api.info()).peerId
    const address = await bob.address()
    listen = [address.replace(/\/p2p\/.*$/, '')]
    await alice.api.channels.open({ peer: address, amount: satoshi(1_000_000n), blocks: 144 })
  })

  afterEach(async () => {
    await fixture.end()
  })

  async function pay(memo: string): Promise<void> {
    await alice.api.pay({ to: peerId, amount: satoshi(1_000n), memo })
  }

  async function restartBob(): Promise<void> {
    await bob.api.stop()
    bob = await fixture.node('bob', { ...bobs, listen })
    await alice.sees(async () => (await alice.api.channels.list())[0]?.status === 'open')
  }

  it('go on for a reader that comes back after a restart, none missed and none twice', async () => {
    const memos: string[] = []
    const numbers: number[] = []
    /** Reads until a payment with a memo, and leaves. */
    const readUntil = async (memo: string): Promise<void> => {
      for await (const { number, event } of bob.api.events.after(numbers.at(-1) ?? 0)) {
        numbers.push(number)
        if (event.type !== 'payment') continue
        memos.push(event.payment.memo)
        if (event.payment.memo === memo) return
      }
      assert.fail('the events ended')
    }
    await pay('one')
    await readUntil('one')
    await pay('two')
    await pay('three')
    // The node that stops ends its readers.
    const ended = readToEnd(bob.api.events.after())
    await restartBob()
    await ended
    await readUntil('three')
    await pay('four')
    await readUntil('four')
    assert.deepEqual(memos, ['one', 'two', 'three', 'four'])
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b)
    )
    assert.deepEqual(await codeOfRejection(alice.api.events.after(1).next()), 'ERR_EVENTS_NOT_KEPT')
  })

  it('are posted to a webhook, in order, over a stop in the middle of a try', async () => {
    const deliveries = new Recorder<Delivery>()
    const server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8')
      request.on('data', (text: string) => {
        body += text
      })
      request.once('end', () => {
        deliveries.push({ request, body, response })
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    fixture.onEnd(async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    })
    const { port } = server.address() as AddressInfo
    const { id, secret } = await bob.api.webhooks.add({
      url: `http://127.0.0.1:${port}/paid`,
      events: ['payment']
    })

    const taken: string[] = []
    let seen = 0
    /** The next try; its signature is right. */
    const nextTry = async (): Promise<Delivery & { readonly memo: string }> => {
      while (deliveries.all.length === seen) await deliveries.next()
      const delivery = deliveries.all[seen++] ?? assert.fail()
      const { request, body } = delivery
      const name = String(request.headers['webhook-id'])
      const time = String(request.headers['webhook-timestamp'])
      const signature = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
        .update(`${name}.${time}.${body}`)
        .digest('base64')
      assert.equal(request.headers['webhook-signature'], `v1,${signature}`)
      const told = JSON.parse(body) as {
        id: number
        payment: { memo: string; amountSat: number; direction: string }
      }
      assert.equal(name, `msg_${id}_${told.id}`)
      assert.deepEqual([told.payment.amountSat, told.payment.direction], [1_000, 'received'])
      return { ...delivery, memo: told.payment.memo }
    }
    const take = async (): Promise<void> => {
      const { memo, response } = await nextTry()
      taken.push(memo)
      response.writeHead(204).end()
    }

    await pay('one')
    await take()
    await pay('two')
    const unanswered = await nextTry()
    // A receiver that does not answer keeps neither payments nor the stop waiting.
    await pay('three')
    await restartBob()
    const again = await nextTry()
    assert.deepEqual([unanswered.memo, again.memo], ['two', 'two'])
    assert.equal(unanswered.response.closed, true, 'the stop ended the first try')
    again.response.writeHead(204).end()
    taken.push(again.memo)
    await take()
    assert.deepEqual(taken, ['one', 'two', 'three'])

    await bob.api.webhooks.replay(id, 1)
    await take()
    assert.deepEqual(taken.at(-1), 'one', 'the first of its kind')
    await bob.api.webhooks.remove(id)
    assert.deepEqual(await bob.api.webhooks.list(), [])
    assert.equal(
      await codeOfRejection(alice.api.webhooks.add({ url: 'https://shop.example/' })),
      'ERR_WEBHOOKS_NOT_SENT'
    )
  })
})

async function readToEnd(events: AsyncIterator<unknown>): Promise<void> {
  while ((await events.next()).done !== true);
}
