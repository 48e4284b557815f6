/**
 * What a peer that risks nothing can make a server send to the chain: each transaction once, and
 * nothing with the blocks (COST-1, COST-2).
 */
import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { Effect } from '../../src/channel/effects.js'
import type { FundingHistory } from '../../src/channel/events.js'
import type { Established } from '../../src/channel/state.js'
import { transition } from '../../src/channel/transition.js'
import { isWorthless } from '../../src/channel/funding.js'
import { blockHeight } from '../../src/types/units.js'
import { effectsOf, eventOf, take } from './asserts.js'
import { World } from './world.js'

type Sent = [purpose: string, favour: true | undefined]

function sent(effects: readonly Effect[]): Sent[] {
  return effectsOf(effects, 'broadcast').map(({ purpose, favour }) => [purpose, favour])
}

const NOTHING: FundingHistory = { funding: undefined, spends: [], strays: [] }

/** T1 was handed over, and no mempool takes it. */
function bogus(): { world: World; fundingTx: Uint8Array; effects: Effect[] } {
  const world = new World()
  world.holdFunding = true
  world.until('client', 'accepted').build(world.fundingScript)
  world.deliver('server')
  world.deliver('client')
  const { fundingTx } = take(world, 'server', 'Funding')
  world.server.blind = true
  const effects = [...world.server.post(eventOf({ type: 'Funding', fundingTx }))]
  world.server.blind = false
  return { world, fundingTx, effects }
}

/** Every transaction that events make it send. */
function sentBy(
  from: Established,
  world: World,
  ...events: Parameters<typeof transition>[1][]
): Sent[] {
  let state: Established = from
  const all: Sent[] = []
  for (const event of events) {
    const next = transition(state, event, world.server.env())
    assert.ok(next.state.stage === 'established')
    state = next.state
    all.push(...sent(next.effects))
  }
  return all
}

describe('channel / favours', () => {
  it('T1 of a channel that holds nothing of ours is sent once, whatever its client says and however many blocks come (COST-2)', () => {
    const { world, fundingTx, effects } = bogus()
    assert.deepEqual(sent(effects), [['funding', true]])
    const again = eventOf({ type: 'Funding', fundingTx })
    const events = Array.from({ length: 100 }, (_, n) =>
      n % 3 === 0 ? ({ type: 'tip' } as const) : again
    )
    assert.deepEqual(sentBy(world.server.established, world, ...events), [])
  })

  it('nor for a stream that comes back (COST-1)', () => {
    const { world } = bogus()
    world.server.blind = true
    const before = world.server.effects.length
    for (let n = 0; n < 5; n++) world.disconnect().connect().run()
    assert.deepEqual(sent(world.server.effects.slice(before)), [])
  })

  it('T1 that was in a block is due again after a reorganisation, with every block (TIME-4)', () => {
    const { world, fundingTx } = bogus()
    const { established } = world.server
    const mined = {
      type: 'history',
      history: {
        ...NOTHING,
        funding: {
          transaction: parseTransaction(fundingTx),
          height: blockHeight(world.chain.height)
        }
      }
    } as const
    // Not deep enough for payments: nothing else tells this channel from a stranger's.
    const deep: Established = { ...established, terms: { ...established.terms, minDepth: 3 } }
    assert.ok(isWorthless(deep))
    const gone = { type: 'history', history: NOTHING } as const
    assert.deepEqual(sentBy(deep, world, mined, gone, { type: 'tip' }), [
      ['funding', undefined],
      ['funding', undefined]
    ])
  })

  it('a close waits for a T1 that is in no block: without T1 no mempool takes it (COST-2)', () => {
    const { world } = bogus()
    const open = new World().offer().run()
    open.client.post({ type: 'close' })
    const request = eventOf(take(open, 'server', 'CloseRequest'))
    const { established } = open.server
    assert.ok(isWorthless(established) && established.onChain.fundingSeen)
    const unseen: Established = {
      ...established,
      onChain: { ...established.onChain, fundingSeen: false }
    }
    assert.deepEqual(sentBy(unseen, open, request, request, { type: 'tip' }), [])
    assert.deepEqual(sentBy(established, open, request, request, { type: 'tip' }), [
      ['close', true]
    ])
    const signed = transition(established, request, open.server.env()).state
    assert.ok(signed.stage === 'established' && isWorthless(signed), 'a signature brings no money')
    assert.ok(isWorthless(world.server.established))
  })

  it('what a peer hands back is worth nothing before T1 was in a block, whatever states it has signed (RESTORE-6)', () => {
    const world = new World().open().paid(40_000n)
    const { established } = world.server
    const restored: Established = {
      ...established,
      restored: true,
      onChain: { ...established.onChain, fundingSeen: true, fundingHeight: undefined }
    }
    assert.ok(isWorthless(restored))
    world.mineTo(established.terms.settleHeight)
    assert.deepEqual(sentBy(restored, world, { type: 'tip' }), [])
    const mined = {
      ...restored,
      onChain: { ...restored.onChain, fundingHeight: established.onChain.fundingHeight }
    }
    assert.deepEqual(sentBy(mined, world, { type: 'tip' }), [['publication', undefined]])
  })

  it('a close, or T1 of a renewal, that a server refuses rests, longer each time, and twelve blocks at the most (COST-5)', () => {
    const open = new World().open().paid(40_000n)
    open.client.post({ type: 'close' })
    const request = eventOf(take(open, 'server', 'CloseRequest'))
    const closing = transition(open.server.established, request, open.server.env()).state
    const renewal = new World({ renews: { world: new World().open().paid(40_000n) } }).offer().run()
    for (const [world, purpose, from, txid] of [
      [open, 'close', closing, undefined],
      [renewal, 'funding', renewal.server.established, renewal.server.established.outPoint.txid]
    ] as const) {
      assert.ok(from.stage === 'established')
      const id = txid ?? from.closes.at(-1)?.txid
      assert.ok(id !== undefined)
      let state: Established = { ...from, onChain: { ...from.onChain, fundingHeight: undefined } }
      const env = world.server.env()
      const first = env.height ?? 0
      const at: number[] = []
      for (let n = 1; n <= 60; n++) {
        const height = blockHeight(first + n)
        const next = transition(state, { type: 'tip' }, { ...env, height })
        assert.ok(next.state.stage === 'established')
        state = next.state
        if (!effectsOf(next.effects, 'broadcast').some((one) => one.purpose === purpose)) continue
        at.push(n)
        // A server that lies has taken it each time, and the honest one refuses it.
        const answer = { type: 'broadcast-done', purpose, txid: id } as const
        const told = transition(
          state,
          { ...answer, isRefused: true, refusedForFee: false },
          { ...env, height }
        )
        assert.ok(told.state.stage === 'established')
        state = told.state
      }
      assert.deepEqual(at, [1, 2, 4, 8, 16, 28, 40, 52], purpose)
      assert.ok(state.unwanted?.txid === id)
      const taken = { type: 'broadcast-done', purpose, txid: id } as const
      const after = transition(state, { ...taken, isRefused: false, refusedForFee: false }, env)
      assert.ok(after.state.stage === 'established' && after.state.unwanted === undefined)
    }
  })

  it('a close of a renewal waits for its T1 as well: without it every server refuses the close (COST-2)', () => {
    const renewal = new World({ renews: { world: new World().open().paid(40_000n) } }).offer().run()
    renewal.client.post({ type: 'close' })
    const request = eventOf(take(renewal, 'server', 'CloseRequest'))
    const { established } = renewal.server
    const unseen = { ...established, onChain: { ...established.onChain, fundingSeen: false } }
    assert.deepEqual(sentBy(unseen, renewal, request), [])
    assert.deepEqual(sentBy(established, renewal, request), [['close', undefined]])
  })

  it('what carries money is no favour: of a client, a renewal, a channel that was ready', () => {
    const open = new World().offer().run()
    assert.ok(!isWorthless(open.client.established))
    const { established } = new World().open().server
    assert.ok(!isWorthless(established))
    assert.ok(
      !isWorthless({
        ...established,
        onChain: { ...established.onChain, fundingHeight: undefined }
      })
    )
    const renewal = new World({ renews: { world: new World().open().paid(40_000n) } }).offer().run()
    assert.ok(!isWorthless(renewal.server.established))
  })
})
