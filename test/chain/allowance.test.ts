/** The looks that a server may cause by saying that a history has changed (COST-8). */
import assert from 'node:assert/strict'
import type { HeaderChain } from '../../src/chain/headers.js'
import {
  WatchedScript,
  type WatchContext,
  type WatchSession
} from '../../src/chain/script-watch.js'
import { SharedFetches, UnprovedBudget } from '../../src/chain/shared-costs.js'
import { Allowance, Slots } from '../../src/chain/waiting.js'
import { FakeClock, recordingWatcher, seededRandom, testScript } from './helpers.js'

describe('chain / the allowance of a server', () => {
  it('is so much at once, and so much a second from then on', () => {
    const clock = new FakeClock()
    const allowance = new Allowance(clock, 10, 2)
    assert.deepEqual([allowance.take(4), allowance.take(4), allowance.take(4)], [0, 0, 0])
    assert.equal(allowance.take(1), 1_500, 'two are owed, and one is asked for')
    clock.advance(1_500)
    assert.equal(allowance.take(1), 0)
    clock.advance(1_000_000)
    assert.deepEqual([allowance.take(10), allowance.take(1)], [0, 500], 'no more than 10 are saved')
  })

  it('is not spent by a clock that is set back', () => {
    let now = 10_000
    const allowance = new Allowance({ now: () => now }, 1, 1)
    assert.equal(allowance.take(1), 0)
    now = 0
    assert.equal(allowance.take(1), 1_000)
    now = 1_000
    assert.equal(allowance.take(1), 0)
  })

  /** A script whose server answers at once, and how often its history was looked at. */
  async function watched(): Promise<{
    clock: FakeClock
    script: WatchedScript
    looks: () => number
  }> {
    const clock = new FakeClock()
    let looks = 0
    const session = {
      isOpen: true,
      subscribeScript: async () => null,
      history: async () => {
        looks++
        return []
      }
    } as unknown as WatchSession
    const context: WatchContext = {
      headers: { tip: { hash: 'a' }, height: 3 } as unknown as HeaderChain,
      clock,
      random: seededRandom(),
      retry: { firstMs: 2, mostMs: 20 },
      log: () => {},
      slots: new Slots(4),
      allowance: new Allowance(clock, 2, 1),
      shared: new SharedFetches(),
      unproved: new UnprovedBudget(() => {}),
      catchUp: async () => {},
      onUnused: () => {}
    }
    const script = new WatchedScript(testScript(1), context)
    script.attach(session)
    await script.add(recordingWatcher()).ready
    await turn()
    return { clock, script, looks: () => looks }
  }

  const turn = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
  }

  it('above it a look waits, as one however often the server says so', async () => {
    const { clock, script, looks } = await watched()
    for (let n = 0; n < 5; n++) {
      script.statusChanged()
      await turn()
    }
    assert.equal(looks(), 3, 'the first one, and two')
    clock.advance(1_000)
    await turn()
    assert.equal(looks(), 4)
    clock.advance(10_000)
    await turn()
    assert.equal(looks(), 4)
  })

  it('a block does not wait for it: what the server has said may be of the block', async () => {
    const { script, looks } = await watched()
    for (let n = 0; n < 3; n++) {
      script.statusChanged()
      await turn()
    }
    assert.deepEqual([looks(), script.isKnown, script.isCurrent], [3, false, true])
    await script.settled()
    assert.deepEqual([looks(), script.isKnown], [4, true])
    await script.settled()
    assert.equal(looks(), 4)
  })

  it('what has not begun to look takes nothing of it', async () => {
    const { script, looks } = await watched()
    for (let n = 0; n < 100; n++) script.statusChanged()
    await turn()
    script.statusChanged()
    await turn()
    assert.equal(looks(), 3)
  })

  it('a new session does not wait for it', async () => {
    const { script, looks } = await watched()
    for (let n = 0; n < 5; n++) {
      script.statusChanged()
      await turn()
    }
    const session = {
      isOpen: true,
      subscribeScript: async () => null,
      history: async () => []
    } as unknown as WatchSession
    script.detach()
    script.attach(session)
    await turn()
    assert.equal(script.isKnown, true)
    assert.equal(looks(), 3)
  })
})
