/** The looks that a server may cause by saying that a history has changed (COST-8). */
import assert from 'node:assert/strict'
import type { HeaderChain } from '../../src/chain/headers.js'
import {
  WatchedScript,
  type WatchContext,
  type WatchSession
} from '../../src/chain/script-watch.js'
import { SharedFetches, UnprovedBudget } from '../../src/chain/shared-costs.js'
import { Slots } from '../../src/chain/waiting.js'
import { Allowance } from '../../src/types/allowance.js'
import { FakeClock, recordingWatcher, seededRandom, testScript } from './helpers.js'

describe('chain / the allowance of a server', () => {
  /** A server without a history, which says that it was asked. */
  function sessionOf(onLook: () => void): WatchSession {
    return {
      isOpen: true,
      subscribeScript: async () => null,
      history: async () => {
        onLook()
        return []
      }
    } as unknown as WatchSession
  }

  /** The server says so many times that the history has changed, and is looked at each time. */
  async function changed(script: WatchedScript, times: number): Promise<void> {
    for (let n = 0; n < times; n++) {
      script.statusChanged()
      await turn()
    }
  }

  /** A script whose server answers at once, and how often its history was looked at. */
  async function watched(): Promise<{
    clock: FakeClock
    script: WatchedScript
    looks: () => number
  }> {
    const clock = new FakeClock()
    let looks = 0
    const session = sessionOf(() => {
      looks++
    })
    const context: WatchContext = {
      headers: { tip: { hash: 'a' }, height: 3 } as unknown as HeaderChain,
      clock,
      random: seededRandom(),
      retry: { firstMs: 2, mostMs: 20 },
      log: () => {},
      slots: new Slots(4),
      allowance: new Allowance({ burst: 2, perSecond: 1 }, clock.now()),
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
    await changed(script, 5)
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
    await changed(script, 3)
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
    await changed(script, 5)
    script.detach()
    script.attach(sessionOf(() => {}))
    await turn()
    assert.equal(script.isKnown, true)
    assert.equal(looks(), 3)
  })
})
