/** What a side can publish alone, and which channels `settle --all` takes. */
import assert from 'node:assert/strict'
import { isWorthSettling, newestHeld } from '../../src/channel/publishable.js'
import type { StateRef } from '../../src/channel/schedule.js'
import type { Channel, Established, SignedClose } from '../../src/channel/state.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { shownSpend } from './asserts.js'
import { payment, World } from './world.js'

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
