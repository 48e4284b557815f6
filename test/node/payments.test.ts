/** The list of payments with its filters, and one payment. */
import assert from 'node:assert/strict'
import type { Channel } from '../../src/channel/state.js'
import type { LogPart } from '../../src/engine/payment-log.js'
import type { PaymentFilter, PaymentInfo, PaymentsApi } from '../../src/node/api.js'
import { paymentsFacet } from '../../src/node/payments.js'
import { LongReads } from '../../src/node/running.js'
import { channelId } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { codeOfRejection, Fixture } from './fixture.js'

const [BOB, CAROL] = [
  '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp',
  '12D3KooWGzh2JiJBzVYHMKyNtoGxf5GZZvVvFbyx8GnCfoUwCarL'
]
const [FIRST, SECOND] = [channelId('1a'.repeat(32)), channelId('2b'.repeat(32))]

/** Oldest first. */
const LOG: readonly PaymentInfo[] = [
  { id: 'aa'.repeat(16), channel: FIRST, peerId: BOB, direction: 'sent', memo: 'Tea' },
  { id: 'ab'.repeat(16), channel: FIRST, peerId: BOB, direction: 'sent', memo: '' },
  { id: 'aabb'.repeat(8), channel: SECOND, peerId: CAROL, direction: 'received', memo: 'iced tea' },
  {
    id: 'aa'.repeat(8) + 'cc'.repeat(8),
    channel: SECOND,
    peerId: CAROL,
    direction: 'sent',
    memo: ''
  }
].map((entry, i): PaymentInfo => ({
  ...(entry as Pick<PaymentInfo, 'id' | 'channel' | 'peerId' | 'direction' | 'memo'>),
  amount: satoshi(1_000n * BigInt(i + 1)),
  status: i === 3 ? 'unknown' : 'acknowledged',
  time: 1_000 * (i + 1)
}))

/** @param taken - filled with the ids of the payments that are taken from the log */
function facet(
  named: Readonly<Record<string, readonly PaymentInfo[]>> = {},
  taken: string[] = [],
  log: readonly PaymentInfo[] = LOG
): PaymentsApi {
  const engine = {
    channels: () => [{ id: FIRST }, { id: SECOND }],
    states: () => [{ peer: BOB }, { peer: CAROL }],
    payments: async function* ({ of = () => true }: LogPart = {}) {
      for (const payment of [...log].reverse()) {
        const channel = { id: payment.channel, peer: payment.peerId } as Channel
        if (!of(channel)) continue
        taken.push(payment.id)
        yield await Promise.resolve(payment)
      }
    },
    paymentsUnder: async (name: string) => await Promise.resolve(named[name] ?? [])
  }
  const aliases = { peerOf: (name: string) => (name === 'bakery' ? CAROL : undefined) }
  const peers = { self: '12D3KooWSelf', peers: async () => await Promise.resolve([]) }
  return paymentsFacet(() => ({ engine, aliases, peers, reads: new LongReads() }) as never)
}

describe('node / payments / the list', () => {
  for (const [filter, expected] of [
    [{}, [4, 3, 2, 1]],
    [{ limit: 2 }, [4, 3]],
    [{ channel: '1a1a1a1a' }, [2, 1]],
    [{ peer: BOB }, [2, 1]],
    [{ peer: 'iDEp' }, [2, 1]],
    [{ peer: 'bakery' }, [4, 3]],
    [{ direction: 'received' }, [3]],
    [{ status: 'unknown' }, [4]],
    [{ memo: 'TEA' }, [3, 1]],
    [{ since: 2_000 }, [4, 3, 2]],
    [{ until: 2_000 }, [1]],
    [{ since: 2_000, until: 4_000 }, [3, 2]],
    [{ peer: 'bakery', direction: 'sent', since: 4_000 }, [4]],
    [{ direction: 'sent', limit: 2 }, [4, 2]],
    [{ peer: BOB, direction: 'received' }, []]
  ] as ReadonlyArray<readonly [PaymentFilter, readonly number[]]>) {
    it(`with ${JSON.stringify(filter)} has ${expected.join(', ') || 'nothing'}`, async () => {
      const listed = await facet().list(filter)
      assert.deepEqual(
        listed.map(({ time }) => time / 1_000),
        expected
      )
    })
  }

  it('takes no more of the log than it lists', async () => {
    const taken: string[] = []
    assert.equal((await facet({}, taken).list({ limit: 2 })).length, 2)
    assert.equal(taken.length, 2)
  })

  it('refuses a peer and a channel that nobody knows', async () => {
    assert.equal(await codeOfRejection(facet().list({ peer: 'baker' })), 'ERR_INVALID_PEER')
    assert.equal(await codeOfRejection(facet().list({ channel: 'ffffffff' })), 'ERR_NO_CHANNEL')
  })
})

describe('node / payments / one', () => {
  it('is found by its id, or by 8 of its first digits', async () => {
    const [payment] = LOG.slice(1, 2)
    for (const id of ['abababab', 'ab'.repeat(16)]) {
      assert.deepEqual(await facet().get(id), { ...payment, name: undefined, parts: [payment] })
    }
  })

  it('is not found by digits that two have, or none, or by fewer', async () => {
    assert.equal(await codeOfRejection(facet().get('aaaaaaaa')), 'ERR_AMBIGUOUS_PAYMENT')
    assert.equal((await facet().get('aa'.repeat(9))).id, 'aa'.repeat(16))
    for (const id of ['abababa', 'ffffffff', 'invoice', 'ab'.repeat(16) + 'a']) {
      assert.equal(await codeOfRejection(facet().get(id)), 'ERR_NO_PAYMENT')
    }
  })

  it('that was made is found though its payee has paid under its id (UPD-21)', async () => {
    const copied = LOG.slice(1, 2).map((payment) => ({
      ...payment,
      channel: SECOND,
      direction: 'received' as const,
      amount: satoshi(1n)
    }))
    const { get } = facet({}, [], [...LOG, ...copied])
    for (const id of ['abababab', 'ab'.repeat(16)]) {
      assert.deepEqual([(await get(id)).direction, (await get(id)).amount], ['sent', 2_000n])
    }
  })

  it('is found by its name first, with all its parts; it is as uncertain as the least certain', async () => {
    const parts = [LOG[0], LOG[3]] as PaymentInfo[]
    const found = await facet({ abababab: parts }).get('abababab')
    assert.deepEqual(
      [found.id, found.amount, found.status, found.name, found.parts],
      [LOG[0]?.id, 5_000n, 'unknown', 'abababab', parts]
    )
  })

  it('that was split over two channels is one payment of real nodes, by its name', async () => {
    const fixture = await Fixture.create()
    try {
      const bob = await fixture.node('bob')
      const alice = await fixture.rich('alice', 3_000_000n)
      for (let i = 0; i < 2; i++) {
        await alice.api.channels.open({ peer: await bob.address(), amount: satoshi(200_000n) })
      }
      const { peerId } = await bob.api.info()
      const pay = { to: peerId, amount: satoshi(300_000n), memo: 'house', id: 'invoice 17' }
      const made = await alice.api.pay(pay)
      assert.equal(made.parts.length, 2)
      const found = await alice.api.payments.get('invoice 17')
      assert.deepEqual(
        [found.amount, found.status, found.memo, found.parts.map(({ id }) => id)],
        [300_000n, 'acknowledged', 'house', made.parts.map(({ id }) => id)]
      )
      const [part] = made.parts
      assert.ok(part)
      assert.equal((await bob.api.payments.get(part.id)).direction, 'received')
      assert.equal(await codeOfRejection(bob.api.payments.get('invoice 17')), 'ERR_NO_PAYMENT')
    } finally {
      await fixture.end()
    }
  })
})
