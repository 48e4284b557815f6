/** The list of payments with its filters, and one payment. */
import assert from 'node:assert/strict'
import type { Channel } from '../../src/channel/state.js'
import type { LogPart } from '../../src/engine/payment-log.js'
import type { Chain, Tip } from '../../src/engine/ports.js'
import type { PaymentFilter, PaymentInfo, PaymentsApi } from '../../src/node/api.js'
import { paymentsFacet } from '../../src/node/payments.js'
import { LongReads, ShownFees } from '../../src/node/running.js'
import { channelId } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
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
    states: () => [
      { id: FIRST, peer: BOB },
      { id: SECOND, peer: CAROL }
    ],
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

/* What callers may use of a node: one question about fees is for all, and reads of logs take turns. */

describe('node / the fees that are shown', () => {
  let now: number
  let asked: number
  let fails: boolean
  let chain: { tip: Tip | undefined } & Pick<Chain, 'relayRates' | 'estimateFeeRate'>
  let fees: ShownFees

  beforeEach(() => {
    ;[now, asked, fails] = [1_800_000_000_000, 0, false]
    chain = {
      tip: { height: blockHeight(100), hash: 'block 100' },
      relayRates: async () => {
        asked += 1
        if (fails) throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'Nobody answers.')
        return await Promise.resolve({ minimum: feeRate(1_000n), incremental: feeRate(1_000n) })
      },
      estimateFeeRate: async () => await Promise.resolve(feeRate(BigInt(1_000 * asked)))
    }
    fees = new ShownFees(chain, { now: () => now })
  })

  function nextBlock(): void {
    const height = blockHeight((chain.tip?.height ?? 0) + 1)
    chain.tip = { height, hash: `block ${height}` }
  }

  it('cost what one call costs, with a hundred at once and a hundred later', async () => {
    const first = await Promise.all(Array.from({ length: 100 }, async () => await fees.now()))
    for (let n = 0; n < 100; n++) first.push(await fees.now())
    assert.equal(asked, 1)
    assert.deepEqual(first[199], first[0])
    assert.equal(first[0]?.leastSatPerVByte, 1)
  })

  it('are asked for anew with a block, and not within 30 s, however fast blocks come', async () => {
    await fees.now()
    now += 29_999
    for (let n = 0; n < 50; n++) {
      nextBlock()
      await fees.now()
    }
    assert.equal(asked, 1)
    now += 1
    assert.equal((await fees.now()).estimates[0]?.satPerVByte, 2)
    assert.equal(asked, 2)
  })

  it('are asked for anew after 10 minutes without a block, and after a clock that was set back', async () => {
    await fees.now()
    now += 599_999
    await fees.now()
    assert.equal(asked, 1)
    now += 1
    await fees.now()
    assert.equal(asked, 2)
    now -= 86_400_000
    await fees.now()
    assert.equal(asked, 3)
  })

  it('that could not be had cost no more: they are asked for again with a block, or after 30 s', async () => {
    fails = true
    for (let n = 0; n < 100; n++) {
      assert.equal(await codeOfRejection(fees.now()), 'ERR_CHAIN_UNAVAILABLE')
    }
    assert.equal(asked, 1)
    fails = false
    now += 29_999
    assert.equal(await fees.now().catch(codeOf), 'ERR_CHAIN_UNAVAILABLE')
    nextBlock()
    await fees.now()
    assert.equal(asked, 2)
  })
})

/* Reads of whole logs take turns, whoever asks for them. */

describe('node / reads of a log', () => {
  /** Reads that end when they are told to. */
  function held(reads: LongReads): {
    readonly begun: number[]
    readonly end: Array<() => void>
    readonly ask: (name: number) => Promise<number>
  } {
    const begun: number[] = []
    const end: Array<() => void> = []
    const ask = async (name: number): Promise<number> =>
      await reads.run(async () => {
        begun.push(name)
        await new Promise<void>((resolve) => {
          end[name] = resolve
        })
        return name
      })
    return { begun, end, ask }
  }

  /** All that can happen by itself has happened. */
  async function settled(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }

  it('are few at once; others wait, and have their turn in the order in which they came', async () => {
    const { begun, end, ask } = held(new LongReads(2, 9))
    const all = [0, 1, 2, 3].map(ask)
    await settled()
    assert.deepEqual(begun, [0, 1])
    end[1]?.()
    await settled()
    assert.deepEqual(begun, [0, 1, 2])
    for (const name of [0, 2]) end[name]?.()
    await settled()
    assert.deepEqual(begun, [0, 1, 2, 3])
    end[3]?.()
    assert.deepEqual(await Promise.all(all), [0, 1, 2, 3])
  })

  it('give their turn on when they fail', async () => {
    const reads = new LongReads(1, 9)
    const failed = reads.run(async () => await Promise.reject(new Error('no disk')))
    const next = reads.run(async () => await Promise.resolve('read'))
    await assert.rejects(failed, /no disk/)
    assert.equal(await next, 'read')
  })

  it('are refused when too many wait', async () => {
    const { end, ask } = held(new LongReads(1, 1))
    const taken = [ask(0), ask(1)]
    assert.equal(await codeOfRejection(ask(2)), 'ERR_TOO_MANY_CALLS')
    end[0]?.()
    await settled()
    taken.push(ask(2))
    for (const name of [1, 2]) {
      await settled()
      end[name]?.()
    }
    assert.deepEqual(await Promise.all(taken), [0, 1, 2])
  })
})
