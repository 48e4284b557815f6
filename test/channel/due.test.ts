import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NEVER, nextDue } from '../../src/channel/due.js'
import { blockDelta, blockHeight, satoshi } from '../../src/types/units.js'
import type { Established } from '../../src/channel/state.js'
import type { Side } from './side.js'
import { anyStormStory, Storm } from './storm.js'
import { anyTurnCommand, TurnStorm } from './turns-storm.js'
import { World, type WorldOptions } from './world.js'

/** Beyond every lock of the storms. */
const HORIZON = 700

/** No tip below the height that is named changes anything. */
function checkDue(side: Side): void {
  if (!side.has || side.dead) return
  const { channel, chain } = side
  for (const from of [
    Math.max(0, chain.height - 8),
    chain.height,
    chain.height + 1,
    chain.height + 30
  ]) {
    const due = nextDue(channel, from)
    assert.ok(due >= from)
    const last = Math.min(due - 1, HORIZON)
    for (const height of new Set([from, from + 1, Math.floor((from + last) / 2), last - 1, last])) {
      if (height < from || height > last) continue
      const { state, effects, log } = side.attempt({ type: 'tip' }, { height: blockHeight(height) })
      assert.ok(
        state === channel && effects.length === 0 && log.length === 0,
        `the ${side.role} is due at ${due}, and a tip at ${height} ${effects.length > 0 ? `has ${effects.map(({ type }) => type).join()}` : 'changes it'} (the chain is at ${chain.height})`
      )
    }
  }
}

describe('channel / due', function () {
  this.slow(20_000)
  it('one-way: through every stage and accident, a tip that is not due changes nothing and has no effect', () => {
    fc.assert(
      fc.property(anyStormStory, ({ commands }) => {
        const storm = new Storm()
        for (const command of commands) {
          storm.perform(command)
          for (const side of [storm.world.client, storm.world.server]) checkDue(side)
        }
      })
    )
  })

  it('two-way: the same', () => {
    fc.assert(
      fc.property(
        fc.array(anyTurnCommand, { minLength: 5, maxLength: 50, size: 'max' }),
        (commands) => {
          const storm = new TurnStorm()
          for (const command of commands) {
            storm.perform(command)
            for (const side of [storm.world.client, storm.world.server]) checkDue(side)
          }
        }
      )
    )
  })

  it('says something: an idle channel sleeps until its last payment, one that is final for ever', () => {
    const { client, server, chain } = new World().open()
    for (const side of [client, server]) {
      assert.ok(
        nextDue(side.channel, chain.height + 1) >= Number(side.info.lastPaymentHeight),
        `the ${side.role} is due at ${nextDue(side.channel, chain.height + 1)}`
      )
    }
    assert.equal(
      nextDue(
        {
          ...client.established,
          onChain: {
            ...client.established.onChain,
            spend: {
              kind: 'refund',
              turn: -1,
              txid: client.established.outPoint.txid,
              raw: new Uint8Array(0),
              height: blockHeight(100),
              clientBalance: undefined
            }
          },
          ledger: { ...client.established.ledger, settledSequence: 0 }
        },
        107
      ),
      NEVER
    )
  })
})

describe('channel / due / the first height that can change something, to the block', () => {
  /** L = 700; the tip is at 503, T1 in block 501. */
  const open = (options: WorldOptions = {}): Established =>
    new World({ policy: { minDepth: 3 }, ...options }).open().client.established
  const idle = (channel: Established): number => nextDue(channel, 502)

  it('where T1 is deep enough, unless payments have ended', () => {
    const channel = { ...open(), ready: { ours: false, theirs: false } }
    const { fundingHeight } = channel.onChain
    assert.equal(fundingHeight, 501)
    assert.equal(idle(channel), 503)
    assert.equal(nextDue(channel, 504), 504)
    assert.ok(
      idle({ ...channel, stopped: { code: 'ERR_X', reason: '', rule: '', settleNow: false } }) > 503
    )
    assert.ok(idle({ ...channel, ready: { ours: true, theirs: false } }) > 503)
  })

  it('where the turn may be asked for again; never where it was refused for good, at once where no height was named (TURN-5)', () => {
    const channel = open({ step: 20 })
    const refused = (notBefore: number | undefined): number =>
      idle({
        ...channel,
        wishes: {
          ...channel.wishes,
          refused: { code: 'ERR_TURN_REFUSED', message: '', facts: {}, notBefore }
        }
      })
    assert.deepEqual([refused(510), refused(1), refused(undefined)], [510, 502, 502])
    assert.ok(refused(0) > 600)
    assert.equal(refused(0), idle(channel))
  })

  it('where it renews itself, six blocks before the last payment: as the client, until a close is signed (RENEW-12)', () => {
    const channel = { ...open(), renewFor: blockDelta(200) }
    const last = channel.terms.lastPaymentHeight
    assert.equal(idle(channel), last - 6)
    const after = idle({ ...channel, renewFor: undefined })
    assert.ok(after > last)
    assert.equal(
      idle({ ...channel, role: 'server' }),
      idle({ ...channel, role: 'server', renewFor: undefined })
    )
    const close = {
      asker: 'client' as const,
      fee: satoshi(400n),
      txid: channel.outPoint.txid,
      signature: new Uint8Array(64),
      raw: undefined
    }
    assert.equal(idle({ ...channel, closes: [close] }), after)
  })

  it('where what it holds is published, when that comes first', () => {
    const world = new World({ step: 20 }).open().paidBy('client', 40_000n).paidBy('server', 15_000n)
    // Turn 0 of the server matures at 680, turn 1 of the client at 660; its last payment is at 648.
    for (const [side, height] of [
      [world.client, 654],
      [world.server, 651]
    ] as const) {
      assert.equal(nextDue(side.channel, 502), height, side.role)
    }
    // A channel that was handed back may be settled before what the peer says is its last payment.
    const { server } = new World().open().paid(40_000n)
    assert.equal(
      nextDue(
        {
          ...server.established,
          terms: { ...server.established.terms, settleHeight: blockHeight(600) }
        },
        502
      ),
      600
    )
  })
})
