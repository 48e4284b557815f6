/** What a node of a world sees of its chain, with and without a delay of the news. */
import assert from 'node:assert/strict'
import { SimChain, type SimChainOptions } from '../../src/testing/chain.js'
import { ONE_HONEST, Phantoms, Servers, SharedFees } from '../../src/testing/servers.js'
import { keyMaker } from '../../src/testing/keys.js'
import { Life } from '../../src/testing/calendar.js'
import { fundingJudge } from '../../src/testing/mempool.js'
import { SimView, Watchers, type ViewParts } from '../../src/testing/view.js'
import { toHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { recordingWatcher, testScript } from '../chain/helpers.js'
import {
  caughtUpContract,
  chainContract,
  reorganisationContract,
  type ReorganisingFixture
} from '../contracts/chain.js'
import { runningCalendar } from './running-calendar.js'

const script = testScript(1)

function viewsOf(chain: SimChain): (takes?: ViewParts['takes']) => SimView {
  const watchers = new Watchers()
  watchers.follow(chain)
  const servers = new Servers(ONE_HONEST, chain, new SharedFees([1]), new Phantoms(() => {}))
  return (takes) =>
    new SimView({ chain, servers, watchers, ...(takes === undefined ? {} : { takes }) }, new Life())
}

function fixtureOf(chain: SimChain, view: SimView, stop: () => void): ReorganisingFixture {
  chain.mine(3)
  return {
    chain: view,
    fund: async (paid, amount) => chain.fund(paid, amount),
    mine: async (count) => {
      chain.mine(count)
    },
    disconnect: async () => {
      view.setStatus('down')
    },
    reconnect: async () => {
      view.setStatus('synced')
    },
    reorg: async (depth) => {
      chain.reorg(depth, { refills: false })
    },
    stop: async () => {
      stop()
    }
  }
}

/** It judges signatures, as the chain of a simulation does. */
const JUDGING: SimChainOptions = { judge: fundingJudge(keyMaker(1, false).verify) }

const atOnce = async (): Promise<ReorganisingFixture> => {
  const chain = new SimChain(JUDGING)
  return fixtureOf(chain, viewsOf(chain)(), () => {})
}

const afterAWhile = async (): Promise<ReorganisingFixture> => {
  const { calendar, stop } = runningCalendar()
  const chain = new SimChain({ ...JUDGING, now: () => calendar.now })
  return fixtureOf(chain, viewsOf(chain)({ calendar, ms: 50 }), stop)
}

chainContract('simulated, news take a microtask', atOnce)
caughtUpContract('simulated, news take a microtask', atOnce)
reorganisationContract('simulated, news take a microtask', atOnce)
chainContract('simulated, news take 50 ms', afterAWhile)
caughtUpContract('simulated, news take 50 ms', afterAWhile)
reorganisationContract('simulated, news take 50 ms', afterAWhile)

describe('testing / view', () => {
  it('shows one chain to several nodes', async () => {
    const chain = new SimChain()
    const view = viewsOf(chain)
    const [first, second] = [recordingWatcher(), recordingWatcher()]
    await Promise.all([
      view().watchScript(script, first).ready,
      view().watchScript(script, second).ready
    ])
    const id = chain.fund(script, satoshi(5_000n))
    await second.histories.when((history) => history[0]?.transaction.txid === id)
    assert.deepEqual(first.histories.all, second.histories.all)
  })

  it('knows what it watches, each watch by itself', async () => {
    const view = viewsOf(new SimChain())()
    const watches = [1, 2].map(() => view.watchScript(script, recordingWatcher()))
    assert.deepEqual(view.watched, [toHex(script), toHex(script)])
    for (const { stop } of watches) stop()
    assert.deepEqual(view.watched, [])
  })

  it('goes on with a later watch of a script when an earlier one is stopped once more', async () => {
    const chain = new SimChain()
    const view = viewsOf(chain)()
    const early = view.watchScript(script, recordingWatcher())
    await early.ready
    early.stop()
    const late = recordingWatcher()
    await view.watchScript(script, late).ready
    early.stop()
    chain.fund(script, satoshi(5_000n))
    chain.mine()
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    assert.equal(late.histories.last?.length, 1)
  })

  it('sees several changes as one, histories before the tip', async () => {
    const chain = new SimChain()
    const view = viewsOf(chain)()
    const events: string[] = []
    const { ready } = view.watchScript(script, {
      onHistory: (history) => {
        events.push(`history ${history[0]?.height}`)
      },
      onError: () => {}
    })
    view.onTip(({ height }) => {
      events.push(`tip ${height}`)
    })
    chain.fund(script, satoshi(5_000n))
    chain.mine()
    assert.deepEqual(events, ['tip 0'])
    await ready
    assert.deepEqual(events, ['tip 0', 'history 1', 'tip 1'])
  })
})

describe('testing / a view that hears at once', () => {
  it('tells blocks apart that come without a pause, and not once more later', async () => {
    const chain = new SimChain()
    const view = viewsOf(chain)()
    const heights: number[] = []
    view.onTip(({ height }) => {
      heights.push(height)
    })
    for (let n = 0; n < 3; n++) {
      chain.mine()
      view.hearNow()
    }
    await view.caughtUp()
    assert.deepEqual(heights, [0, 1, 2, 3])
  })

  it('hears nothing from servers that are away', () => {
    const chain = new SimChain()
    const view = viewsOf(chain)()
    const heights: number[] = []
    view.onTip(({ height }) => {
      heights.push(height)
    })
    view.setStatus('down')
    chain.mine()
    view.hearNow()
    assert.deepEqual(heights, [0])
  })
})

describe('testing / the blocks of a test', () => {
  it('confirm just what it names', () => {
    const chain = new SimChain()
    const wanted = chain.fund(script, satoshi(5_000n))
    const waiting = chain.fund(script, satoshi(6_000n))
    chain.confirm(wanted)
    assert.deepEqual(
      chain.historyOf(toHex(script)).map(({ txid, height }) => [txid, height]),
      [
        [wanted, 1],
        [waiting, undefined]
      ]
    )
  })

  it('are empty when it asks for empty ones', () => {
    const chain = new SimChain()
    const waiting = chain.fund(script, satoshi(5_000n))
    chain.mine(2, { empty: true })
    assert.equal(chain.height, 2)
    assert.deepEqual(chain.mempool, [waiting])
  })

  it('put what a reorganisation undoes back into the mempool, except what is dropped', () => {
    const chain = new SimChain()
    const kept = chain.fund(script, satoshi(5_000n))
    const lost = chain.fund(script, satoshi(6_000n))
    chain.mine(2)
    const before = chain.tipHash
    chain.reorg(2, { length: 3, refills: false, drops: [lost] })
    assert.equal(chain.height, 3)
    assert.notEqual(chain.tipHash, before)
    assert.deepEqual(chain.mempool, [kept])
  })
})
