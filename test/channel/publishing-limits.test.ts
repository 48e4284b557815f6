/** When a side publishes, answers and settles: each condition from both of its sides. */
import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { bid, outbidding } from '../../src/channel/bidding.js'
import type { Env } from '../../src/channel/env.js'
import { isWorthSettling, newestHeld, publishable } from '../../src/channel/publishable.js'
import {
  isUnaffordable,
  onPublicationAccepted,
  onPublicationRefused,
  onSettle,
  publishIfDue,
  republish
} from '../../src/channel/publishing.js'
import type { StateRef } from '../../src/channel/schedule.js'
import type {
  Channel,
  Established,
  Publication,
  ServerChannel,
  ShownSpend,
  SignedClose
} from '../../src/channel/state.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, shownSpend } from './asserts.js'
import type { Side } from './side.js'
import { payment, World } from './world.js'

const POOR = { policy: { minFirstPayment: satoshi(1n) } }

const at = (side: Side, height: number | undefined, changes: Partial<Env> = {}): Env =>
  side.env({ height: height === undefined ? undefined : blockHeight(height), ...changes })

function publicationOf(side: Side, height: number): Publication {
  const { established } = side
  const ours = publishable(established) ?? assert.fail()
  return bid(established, ours, at(side, height)) ?? assert.fail()
}

describe('channel / publishing / a share that allows no bid', () => {
  const holding = (amount: bigint): Side<'server'> => new World(POOR).open().paid(amount).server
  // An output is worth 294 sat, and 181 vB cost 181 sat at least.
  const side = holding(300n)
  const channel = side.established
  const is = (changes: Partial<ServerChannel> = {}, height: number | undefined = 664): boolean =>
    isUnaffordable({ ...channel, ...changes }, at(side, height))

  it('is said to be locked up from the height on at which it is due', () => {
    assert.deepEqual([is({}, 663), is({}, 664), is({}, 700)], [false, true, true])
    const stopped = { code: 'ERR_X', reason: '', rule: 'UPD-1', settleNow: true }
    for (const state of [channel, { ...channel, stopped }]) {
      assert.equal(isUnaffordable(state, at(side, undefined)), false)
    }
  })

  it('also while no server shows the T1 that was in a block (TIME-12)', () => {
    const { onChain } = channel
    assert.equal(is({ onChain: { ...onChain, fundingSeen: false } }), true)
  })

  it('not while T1 was never there, a bid is out, or something ends the channel', () => {
    const { onChain, ready } = channel
    const hidden = { ...onChain, fundingSeen: false, fundingHeight: undefined }
    assert.equal(is({ onChain: hidden, ready: { ...ready, ours: false } }), false)
    const spend = { ...shownSpend({ state: 'refund' }), height: blockHeight(663) }
    assert.equal(is({ onChain: { ...onChain, spend } }), false)
    assert.equal(is({ publication: publicationOf(holding(40_000n), 664) }), false)
    const close = { ...shownSpend({ state: 'refund' }), kind: 'close' as const, state: undefined }
    assert.equal(is({ onChain: { ...onChain, shown: [close] } }), false)
  })

  it('also while a state of the other side is shown, which a server can make up (EVID-3)', () => {
    const { onChain } = channel
    assert.equal(is({ onChain: { ...onChain, shown: [shownSpend({ state: 'refund' })] } }), true)
  })

  it('not when there is none, or none that is worth an output', () => {
    const open = new World(POOR).open().server
    assert.equal(isUnaffordable(open.established, at(open, 664)), false)
    assert.deepEqual(
      [293n, 294n, 474n, 475n].map((amount) => {
        const each = holding(amount)
        return isUnaffordable(each.established, at(each, 664))
      }),
      [false, true, true, false]
    )
  })
})

describe('channel / publishing / an older state that two servers show', () => {
  // The client holds turn 1, which matures at 660; the state of turn 0 matures at 680.
  const { client } = new World({ step: 20 })
    .open()
    .paidBy('client', 40_000n)
    .paidBy('server', 15_000n)
  const first = publicationOf(client, 680)
  const env = at(client, 680, { feeRate: feeRate(30_000n) })

  it('is outbid as soon as it takes more than our bid pays; else our bid goes out once more, once', () => {
    const older = shownSpend()
    const needed = outbidding(older, parseTransaction(first.raw).vsize, env)
    const answer = (fee: bigint, probedAt?: Publication['probedAt']): unknown => {
      const publication = {
        ...first,
        fee: satoshi(fee),
        ...(probedAt === undefined ? {} : { probedAt })
      }
      const channel = {
        ...client.established,
        publication,
        onChain: { ...client.established.onChain, shown: [older] }
      }
      const { state, effects } = publishIfDue(channel, env)
      return [
        state.publication?.raw === first.raw,
        state.publication?.probedAt,
        effectsOf(effects, 'broadcast').length
      ]
    }
    assert.deepEqual(answer(needed), [true, 680, 1])
    // Once for each tip, however many rivals are shown.
    assert.deepEqual(answer(needed, blockHeight(680)), [true, 680, 0])
    assert.deepEqual(answer(needed, blockHeight(679)), [true, 680, 1])
    assert.deepEqual(answer(needed - 1n), [false, undefined, 1])
  })
})

describe('channel / publishing / a refused bid is raised at once', () => {
  const world = new World().open().paid(40_000n).kill('client')
  world.chain.lowestFeeRate = 1_000_000_000n
  const channel = world.mineTo(664).server.established
  const publication = channel.publication ?? assert.fail()
  const raised = (changes: Partial<Env>, high: bigint): bigint | undefined =>
    onPublicationRefused(
      { ...channel, publication: { ...publication, feeRate: feeRate(high) } },
      { txid: publication.txid, kind: 'fee-too-low', reason: 'too low' },
      at(world.server, 664, changes)
    ).state.publication?.fee

  it('by a quarter, or the step of the mempool, up to 20 sat/vB or twice the estimate, whichever is more (EVID-4)', () => {
    // 181 vB at 10 sat/vB, and a quarter more; at 1 sat/vB the step of 1 sat/vB is more.
    assert.equal(raised({}, 10_000n), 2_263n)
    assert.equal(raised({}, 2_000n), 543n)
    assert.equal(raised({}, 100_000n), 3_620n)
    assert.equal(raised({ feeRate: feeRate(10_000n) }, 100_000n), 3_620n)
    assert.equal(raised({ feeRate: feeRate(15_000n) }, 100_000n), 5_430n)
  })

  it('not where the tip is not known, nothing is out, or nothing is held', () => {
    const refusal = { txid: publication.txid, kind: 'fee-too-low', reason: 'too low' }
    for (const [state, height] of [
      [channel, undefined],
      [{ ...channel, publication: undefined }, 664],
      [{ ...channel, ledger: { ...channel.ledger, held: undefined } }, 664]
    ] as const) {
      const { effects } = onPublicationRefused(state, refusal, at(world.server, height))
      assert.deepEqual(
        effects.map(({ type }) => type),
        ['notify']
      )
    }
  })

  it('not while the close of a client that has broken a rule may still come (TIME-10)', () => {
    const close = {
      asker: 'server' as const,
      fee: satoshi(400n),
      txid: txid('cc'.repeat(32)),
      signature: new Uint8Array(64),
      raw: undefined
    }
    const stopped = { code: 'ERR_X', reason: '', rule: 'UPD-1', settleNow: true }
    const waiting: Established = { ...channel, stopped, closes: [close] }
    const refusal = { txid: publication.txid, kind: 'fee-too-low', reason: 'too low' }
    assert.deepEqual(
      [663, 664].map((height) => {
        const env = at(world.server, height, { feeRate: feeRate(5_000n) })
        return [
          onPublicationRefused(waiting, refusal, env).state.publication?.raw === publication.raw,
          effectsOf(republish(waiting, env).effects, 'broadcast').length
        ]
      }),
      [
        [true, 0],
        [false, 1]
      ]
    )
  })

  it('is written down once for each reason', () => {
    const refuse = (state: Established): Established =>
      onPublicationRefused(
        state,
        { txid: publication.txid, kind: 'other', reason: 'no' },
        at(world.server, 664)
      ).state
    const once = refuse(channel)
    assert.equal(once.publication?.refusedFor, 'other')
    assert.equal(refuse(once), once)
  })

  it('with a new block, and not before; blind, spent or without a bid nothing goes out', () => {
    const out = (state: Established, height: number | undefined): number =>
      effectsOf(republish(state, at(world.server, height)).effects, 'broadcast').length
    assert.equal(republish(channel, at(world.server, 664)).state, channel)
    assert.notEqual(republish(channel, at(world.server, 690)).state, channel)
    const spend = { ...publication, clientBalance: undefined, height: blockHeight(664) }
    assert.deepEqual(
      [
        out(channel, 664),
        out(channel, undefined),
        out({ ...channel, publication: undefined }, 664),
        out({ ...channel, onChain: { ...channel.onChain, spend } }, 664)
      ],
      [1, 0, 0, 0]
    )
  })
})

describe('channel / publishing / one server has taken a bid, and another one refuses it for its fee', () => {
  const world = new World().open().paid(40_000n).kill('client')
  world.chain.lowestFeeRate = 1_000_000_000n
  const { server } = world.mineTo(664)
  const { terms, publication = assert.fail() } = server.established
  const last = terms.refundHeight - 1
  const channel = {
    ...server.established,
    publication: {
      ...publication,
      refusedFor: undefined,
      fee: satoshi(181n),
      feeRate: feeRate(1_000n)
    }
  }
  const bidsAt = (height: number): bigint[] => {
    const fees = [channel.publication.fee]
    for (let state: Established = channel; fees.length < 20;) {
      const id: Publication['txid'] = state.publication?.txid ?? assert.fail()
      state = onPublicationAccepted(state, id, true, at(server, height)).state
      const next = state.publication
      if (next === undefined || next.txid === id) break
      fees.push(next.fee)
    }
    return fees
  }

  it('a liar raises nothing while a block can show whether that is enough (EVID-4)', () => {
    const window = terms.refundHeight - terms.settleHeight
    const third = terms.refundHeight - window / 3
    for (const height of [664, 670, third - 1]) {
      assert.deepEqual(bidsAt(height), [181n], `${height}`)
    }
    for (const height of [third, third + 6, last]) {
      const most = bidsAt(height).at(-1) ?? 0n
      assert.ok(most > 3_000n && most <= 3_620n, `${most} at ${height}`)
    }
  })

  it('it rises at once where none has taken it, in any block (EVID-4)', () => {
    const refused = onPublicationRefused(
      channel,
      { txid: publication.txid, kind: 'fee-too-low', reason: 'too low' },
      at(server, 664)
    )
    assert.equal(refused.state.publication?.fee, 362n)
  })
})

describe('channel / publishing / a user settles', () => {
  const code = (side: Side, channel: Established, height: number | undefined): string => {
    const { state, effects } = onSettle(channel, at(side, height))
    return state.stage === 'established' && state.stopped?.settleNow === true
      ? 'settles'
      : effectsOf(effects, 'close-refused')
          .map(({ error }) => error.code)
          .join()
  }

  it('a share that is worth an output and the least fee', () => {
    assert.deepEqual(
      [474n, 475n].map((amount) => {
        const { server } = new World(POOR).open().paid(amount)
        return code(server, server.established, 510)
      }),
      ['ERR_NOTHING_TO_SETTLE', 'settles']
    )
  })

  it('a two-way channel once its newest state has matured', () => {
    const { client } = new World({ step: 20 })
      .open()
      .paidBy('client', 40_000n)
      .paidBy('server', 15_000n)
    assert.deepEqual(
      [undefined, 659, 660].map((height) => code(client, client.established, height)),
      ['ERR_NOTHING_TO_SETTLE', 'ERR_NOTHING_TO_SETTLE', 'settles']
    )
  })

  it('although a close is shown, once blocks have passed it over for an hour (CLOSE-8)', () => {
    const { server } = new World().open().paid(40_000n)
    const close = shownSpend({ kind: 'close', state: undefined, since: blockHeight(600) })
    const showing = (...spends: ShownSpend[]): Established => ({
      ...server.established,
      onChain: { ...server.established.onChain, shown: spends }
    })
    assert.deepEqual(
      [605, 606, undefined].map((height) => code(server, showing(close), height)),
      ['ERR_CHANNEL_CLOSED', 'settles', 'ERR_CHANNEL_CLOSED']
    )
    assert.equal(code(server, showing({ ...close, since: undefined }), 900), 'ERR_CHANNEL_CLOSED')
    assert.equal(code(server, showing(shownSpend()), 600), 'settles', 'a state is no close')
  })
})

describe('channel / publishing / when it is due', () => {
  it('at once for a server of a one-way channel that settles; with its lock for everybody else', () => {
    const stopped = { code: 'ERR_X', reason: '', rule: 'UPD-1', settleNow: true }
    const two = new World({ step: 20 })
      .open()
      .paidBy('client', 40_000n)
      .paidBy('server', 15_000n)
      .paidBy('client', 1_000n)
    const one = new World().open().paid(40_000n)
    const publishes = (side: Side, height: number): boolean =>
      publishIfDue({ ...side.established, stopped }, at(side, height)).state.publication !==
      undefined
    assert.equal(publishes(one.server, 510), true)
    assert.deepEqual([publishes(one.client, 699), publishes(one.client, 700)], [false, true])
    // The server holds turn 2, which matures at 640; the client turn 1, at 660.
    for (const [side, height] of [
      [two.server, 640],
      [two.client, 660]
    ] as const) {
      assert.deepEqual([publishes(side, height - 1), publishes(side, height)], [false, true])
    }
  })
})

/* What a side can publish alone, and which channels `settle --all` takes. */

const NOW = { height: blockHeight(500), feeRate: feeRate(1_000n) }
const CLOSE: SignedClose = {
  asker: 'client',
  fee: satoshi(400n),
  txid: txid('ef'.repeat(32)),
  signature: new Uint8Array(64),
  raw: undefined
}
const SHOWN = shownSpend({ kind: 'unknown', state: undefined, lock: 0, since: undefined })

describe('channel / publishable', () => {
  const paid = (): World => new World().open().paid(40_000n)

  it('a server settles a one-way channel that is worth its fee, and that nothing ends yet', () => {
    const { server } = paid()
    assert.equal(isWorthSettling(server.established, NOW), true)
    assert.equal(
      isWorthSettling(server.established, { ...NOW, feeRate: feeRate(400_000n) }),
      false,
      'not for 72,400 sat'
    )
  })

  const others: ReadonlyArray<readonly [string, (channel: Established) => Channel]> = [
    [
      'whose close both have signed',
      (channel) => ({ ...channel, closes: [{ ...CLOSE, raw: new Uint8Array(10) }] })
    ],
    [
      'whose T1 is in no block',
      (channel) => ({ ...channel, onChain: { ...channel.onChain, fundingHeight: undefined } })
    ],
    [
      'of which a close is shown, also one that we have forgotten',
      (channel) => ({ ...channel, onChain: { ...channel.onChain, shown: [SHOWN] } })
    ],
    ['of two ways', (channel) => ({ ...channel, terms: { ...channel.terms, mode: 'two-way' } })]
  ]
  for (const [which, changed] of others) {
    it(`not one ${which}`, () => {
      assert.equal(isWorthSettling(changed(paid().server.established), NOW), false)
    })
  }

  const all: ReadonlyArray<readonly [string, (channel: Established) => Channel]> = [
    [
      'whose close the client does not answer',
      (channel) => ({ ...channel, closes: [{ ...CLOSE, asker: 'server' as const }] })
    ],
    [
      'whose close both have signed an hour ago, and no block has taken',
      (channel) => ({
        ...channel,
        closes: [{ ...CLOSE, raw: new Uint8Array(10), completedAt: blockHeight(494) }],
        onChain: { ...channel.onChain, shown: [{ ...SHOWN, since: blockHeight(494) }] }
      })
    ],
    [
      'of which T2 is shown, weeks before its lock: a server can make that up (EVID-3)',
      (channel) => ({
        ...channel,
        onChain: { ...channel.onChain, shown: [{ ...SHOWN, kind: 'refund', lock: 9_000 }] }
      })
    ]
  ]
  for (const [which, changed] of all) {
    it(`also one ${which}`, () => {
      assert.equal(isWorthSettling(changed(paid().server.established), NOW), true)
    })
  }

  it('not one that is being settled, and none as its client', () => {
    const { server } = paid()
    server.post({ type: 'settle' })
    assert.equal(server.established.publication?.kind, 'settlement')
    assert.equal(
      isWorthSettling(
        { ...server.established, onChain: { ...server.established.onChain, shown: [] } },
        NOW
      ),
      false
    )
    assert.equal(isWorthSettling(paid().client.established, NOW), false)
  })
})

describe('channel / publishable / the newest state that the other side has signed', () => {
  const open = (): World => new World({ step: 20 }).open()
  /** The turn passes to a side, and nothing is paid in it. */
  function granted(world: World, role: 'client' | 'server'): World {
    world[role].post({ type: 'ask-turn', payments: [payment(1_000n)] })
    world.run()
    assert.equal(world[role].info.turns?.payer, 'us')
    return world
  }

  const stories: ReadonlyArray<
    readonly [
      what: string,
      make: () => World,
      client: readonly [state: StateRef, payerBalance: bigint],
      server: readonly [state: StateRef, payerBalance: bigint] | undefined
    ]
  > = [
    ['nothing was paid: T2', open, ['refund', 0n], [0, 100_000n]],
    ['turn 0', () => open().paidBy('client', 40_000n), ['refund', 0n], [0, 60_000n]],
    [
      'turn 1, granted and not used',
      () => granted(open().paidBy('client', 40_000n), 'server'),
      ['refund', 0n],
      [0, 60_000n]
    ],
    [
      'turn 1',
      () => open().paidBy('client', 40_000n).paidBy('server', 15_000n),
      [1, 25_000n],
      [0, 60_000n]
    ],
    [
      'turns 1 and 2, granted and not used',
      () => granted(granted(open().paidBy('client', 40_000n), 'server'), 'client'),
      ['refund', 0n],
      [0, 60_000n]
    ],
    [
      'turn 2 behind a turn 1 that was not used',
      () => granted(open().paidBy('client', 40_000n), 'server').paidBy('client', 1_000n),
      ['refund', 0n],
      [2, 59_000n]
    ],
    [
      'turn 2, granted and not used',
      () => granted(open().paidBy('client', 40_000n).paidBy('server', 15_000n), 'client'),
      [1, 25_000n],
      [0, 60_000n]
    ],
    [
      'turn 2',
      () => open().paidBy('client', 40_000n).paidBy('server', 15_000n).paidBy('client', 1_000n),
      [1, 25_000n],
      [2, 74_000n]
    ],
    [
      'turn 3, granted and not used',
      () =>
        granted(
          open().paidBy('client', 40_000n).paidBy('server', 15_000n).paidBy('client', 1_000n),
          'server'
        ),
      [1, 25_000n],
      [2, 74_000n]
    ]
  ]
  for (const [what, make, client, server] of stories) {
    it(`after ${what}`, () => {
      const world = make()
      const newest = [world.client, world.server].map(({ established }) => {
        const held = newestHeld(established)
        return held === undefined ? undefined : [held.state, held.payerBalance]
      })
      assert.deepEqual(newest, [client, server])
    })
  }

  for (const [role, peer, height, turn] of [
    ['client', 'server', 660, 1],
    ['server', 'client', 680, 0]
  ] as const) {
    it(`is what the ${role} publishes when the ${peer} is gone after a grant that was not used, and it is mined`, () => {
      const world = granted(open().paidBy('client', 40_000n).paidBy('server', 15_000n), 'client')
        .kill(peer)
        .mineTo(height)
      assert.deepEqual(
        [world[role].established.publication?.kind, world[role].established.publication?.state],
        ['settlement', turn]
      )
      assert.equal(world.mine().payouts()[peer], turn === 1 ? 25_000n : 60_000n)
    })
  }
})
