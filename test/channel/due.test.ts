import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NEVER, nextDue } from '../../src/channel/due.js'
import { blockHeight } from '../../src/types/units.js'
import type { Side } from './side.js'
import { anyStormStory, Storm } from './storm.js'
import { anyTurnCommand, TurnStorm } from './turns-storm.js'
import { World } from './world.js'

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
  this.timeout(120_000)

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
