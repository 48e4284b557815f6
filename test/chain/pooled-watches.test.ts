/** One script on several servers: who is asked, who is told, and what is left behind. */
import assert from 'node:assert/strict'
import { makeTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import type { ElectrumChain } from '../../src/chain/chain.js'
import type { ProvedTransaction } from '../../src/chain/history.js'
import {
  type BlockLookup,
  type Member,
  type Omission,
  PooledScript,
  PoolServer,
  workOf
} from '../../src/chain/pooled-script.js'
import type { ProvedWatcher } from '../../src/chain/script-watch.js'
import type { ScriptWatch } from '../../src/engine/ports.js'
import { txid, type OutPoint } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { isSettled, testScript } from './helpers.js'

const made = (n: number): Transaction =>
  makeTransaction({
    version: 2,
    inputs: [{ outPoint: { txid: txid('ab'.repeat(32)), vout: n }, sequence: 0 }],
    outputs: [{ script: testScript(1), value: satoshi(BigInt(n)) }]
  })
const [a, b] = [made(1), made(2)]
const best: BlockLookup = (height) => `best ${height}`
const proved = (transaction: Transaction, height: number, branch = 'best'): ProvedTransaction => ({
  transaction,
  height: blockHeight(height),
  block: `${branch} ${height}`
})

class TestServer implements Member {
  isUsed = true
  isUp = true
  isCurrent = true
  blockAt = best
  /** Of the next watch. */
  ready = Promise.resolve()
  /** All that were ever given, the newest last. */
  readonly watchers: ProvedWatcher[] = []
  stopped = 0

  constructor(readonly url: string) {}

  watchScript(_script: Uint8Array, watcher: ProvedWatcher): ScriptWatch {
    this.watchers.push(watcher)
    return {
      ready: this.ready,
      isCurrent: this.isCurrent,
      stop: () => {
        this.stopped++
      }
    }
  }

  tell(...history: readonly ProvedTransaction[]): void {
    this.watchers.at(-1)?.onHistory(history)
  }

  break(error: Error): void {
    this.watchers.at(-1)?.onError(error)
  }
}

describe('chain / a script on several servers', () => {
  let first: TestServer
  let second: TestServer
  let third: TestServer
  let pooled: PooledScript
  /** What the pool was told, in words. */
  let events: string[]
  let omissions: Omission[]
  let errors: Error[]
  let othersLeft: boolean
  /** Retries that are to come; each is taken out when it is cancelled. */
  let later: Set<() => void>

  beforeEach(() => {
    events = []
    omissions = []
    errors = []
    othersLeft = false
    later = new Set()
    first = new TestServer('tcp://server1')
    second = new TestServer('tcp://server2')
    third = new TestServer('tcp://server3')
    pooled = new PooledScript(testScript(1), {
      log: () => {},
      best,
      onError: ({ url }, error) => {
        events.push(`error ${url}`)
        errors.push(error)
        return !othersLeft
      },
      onDifference: () => {
        events.push('difference')
      },
      onOmission: (omission) => {
        omissions.push(omission)
      },
      later: (callback) => {
        later.add(callback)
        return () => {
          later.delete(callback)
        }
      },
      onUnused: () => {
        events.push('unused')
      }
    })
  })

  interface Told extends ScriptWatch {
    readonly heights: Array<number | undefined>
    readonly failures: Error[]
  }

  /** Somebody who watches; the heights that are told to them. */
  function add(more: Partial<ProvedWatcher> = {}): Told {
    const [heights, failures]: [Array<number | undefined>, Error[]] = [[], []]
    const watch = pooled.add({
      onHistory: (history) => {
        heights.push(history[0]?.height)
      },
      onError: (error) => {
        failures.push(error)
      },
      ...more
    })
    return {
      heights,
      failures,
      ready: watch.ready,
      get isCurrent() {
        return watch.isCurrent
      },
      stop: watch.stop
    }
  }

  const settle = async (): Promise<void> => {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  const refuses = (server: TestServer, reason: unknown): void => {
    server.ready = Promise.resolve().then(() => {
      AbortSignal.abort(reason).throwIfAborted()
    })
    server.ready.catch(() => {})
  }

  it('who comes later is told what is known, once they have their handle, and not when they are gone by then', async () => {
    const early = add()
    pooled.attach(first)
    const none = add()
    await settle()
    assert.deepEqual([early.heights, none.heights], [[], []], 'nobody has told yet')
    first.tell(proved(a, 5))
    const late = add()
    const gone = add()
    gone.stop()
    assert.deepEqual(late.heights, [])
    await Promise.all([late.ready, early.ready])
    assert.deepEqual([late.heights, early.heights, gone.heights], [[5], [5], []])
  })

  it('is open while blocks may change what counts: not when all that are used tell the same', () => {
    add()
    pooled.attach(first)
    pooled.attach(second)
    first.tell(proved(a, 5))
    second.tell(proved(a, 5))
    assert.equal(pooled.isOpen, false)
    second.tell()
    assert.equal(pooled.isOpen, true, 'it may come to the block')
    second.isUsed = false
    pooled.update()
    assert.equal(pooled.isOpen, false)
    first.tell(proved(a, 5), proved(b, 6, 'other'))
    assert.equal(pooled.isOpen, true, 'the other branch may win')
  })

  it('is current where one that is used tells of it', () => {
    first.isCurrent = false
    for (const server of [first, second]) pooled.attach(server)
    assert.equal(pooled.isCurrent, true)
    second.isUsed = false
    assert.equal(pooled.isCurrent, false)
  })

  it('is told by all once each server in use that can be reached has told', () => {
    for (const server of [first, second]) pooled.attach(server)
    assert.equal(pooled.isToldByAll, false)
    first.tell()
    assert.equal(pooled.isToldByAll, false, 'one alone may leave anything out')
    second.isUp = false
    assert.equal(pooled.isToldByAll, true)
    second.isUp = true
    second.tell(proved(a, 5))
    assert.equal(pooled.isToldByAll, true)
    pooled.attach(second)
    assert.equal(pooled.isToldByAll, false, 'it is asked anew')
    second.isUsed = false
    assert.equal(pooled.isToldByAll, true)
  })

  it('news are told once, and who admits that it does not tell all leaves nothing out', async () => {
    const watch = add()
    await settle()
    for (const server of [first, second]) pooled.attach(server)
    for (let n = 0; n < 2; n++) first.tell(proved(a, 5))
    second.watchers[0]?.onHistory([], true)
    assert.deepEqual([watch.heights, events], [[5], []])
  })

  it('only who leaves something out is asked anew, once, and named with the one that has proved it', () => {
    add()
    for (const server of [first, second, third]) pooled.attach(server)
    second.tell(proved(a, 5), proved(b, 5))
    first.tell(proved(a, 5), proved(b, 5))
    third.tell(proved(b, 5))
    assert.deepEqual(events.splice(0), ['difference'])
    first.isUsed = false
    first.tell(proved(b, 5))
    assert.deepEqual(events, ['difference'], 'still the third: who is not used is not looked at')
    for (let n = 0; n < 2; n++) pooled.askAgain()
    assert.deepEqual(
      [first, second, third].map(({ watchers }) => watchers.length),
      [1, 1, 2]
    )
    assert.deepEqual(omissions, [])
    third.tell(proved(b, 5))
    assert.deepEqual(omissions, [{ member: third, hidden: proved(a, 5), shownBy: second }])
    third.isUsed = false
    pooled.askAgain()
    assert.equal(third.watchers.length, 2)
  })

  it('who left it out and is dropped meanwhile is not asked anew', () => {
    add()
    pooled.attach(first)
    pooled.attach(second)
    first.tell(proved(a, 5))
    second.tell()
    second.isUsed = false
    pooled.askAgain()
    assert.equal(second.watchers.length, 1)
  })

  it('who refuses is tried again later, while it is used and has not been asked in the meantime', async () => {
    add()
    othersLeft = true
    const error = new Error('no')
    refuses(first, error)
    pooled.attach(first)
    await settle()
    assert.deepEqual([errors[0], errors.length, later.size], [error, 1, 1])
    first.isUsed = false
    for (const callback of later) callback()
    assert.equal(first.watchers.length, 1)
    first.isUsed = true
    for (const callback of later) callback()
    assert.equal(first.watchers.length, 2)
    assert.equal(later.size, 0, 'it is asked')
    await settle()
    const [callback = assert.fail()] = later
    first.ready = Promise.resolve()
    pooled.attach(first)
    assert.equal(later.size, 0)
    callback()
    assert.equal(first.watchers.length, 3, 'it was asked already')
  })

  it('a refusal of a watch that another one has replaced says nothing, and whatever is thrown is an error', async () => {
    add()
    othersLeft = true
    let refuse = (_: Error): void => {}
    first.ready = new Promise((_resolve, reject) => {
      refuse = reject
    })
    pooled.attach(first)
    refuses(second, 'in words')
    pooled.attach(second)
    first.ready = Promise.resolve()
    pooled.attach(first)
    refuse(new Error('late'))
    await settle()
    assert.deepEqual(
      [events, errors.map(({ message }) => message)],
      [['error tcp://server2'], ['in words']]
    )
    assert.ok(errors[0] instanceof Error)
  })

  it('while others are left nobody is told of a refusal, or of what goes wrong later', async () => {
    const watch = add()
    othersLeft = true
    refuses(first, new Error('no'))
    pooled.attach(first)
    first.break(new Error('broken'))
    await settle()
    assert.equal(await isSettled(watch.ready), false)
    assert.deepEqual([watch.failures, events.length], [[], 2])
  })

  it('when none is left, those who were never told hear of the refusal, and those who were of what goes wrong', async () => {
    const told = add()
    pooled.attach(first)
    first.tell(proved(a, 5))
    const waits = add()
    // Nobody waits for this one.
    add()
    const [refusal, failure] = [new Error('no'), new Error('broken')]
    const gone = add()
    gone.stop()
    pooled.attach(second)
    second.break(failure)
    assert.deepEqual([told.failures, waits.failures, gone.failures], [[failure], [failure], []])
    await waits.ready

    const other = new PooledScript(testScript(1), {
      log: () => {},
      best,
      onError: () => true,
      onDifference: () => {},
      onOmission: () => {},
      later: () => () => {},
      onUnused: () => {
        events.push('other is unused')
      }
    })
    const lost = other.add({ onHistory: () => {}, onError: () => {} })
    other.add({ onHistory: () => {}, onError: () => {} })
    refuses(third, refusal)
    other.attach(third)
    await assert.rejects(lost.ready, (error) => error === refusal)
    await settle()
    assert.deepEqual(events.slice(-1), ['other is unused'])
  })

  it('who was told once goes on watching when a server refuses later', async () => {
    const told = add()
    await settle()
    pooled.attach(first)
    first.tell(proved(a, 5))
    refuses(second, new Error('no'))
    pooled.attach(second)
    await settle()
    await told.ready
    first.tell(proved(b, 7))
    assert.deepEqual([told.heights, events], [[5, 7], ['error tcp://server2']])
  })

  it('is watched until the last of those who watch has stopped, once; then nothing is left behind', async () => {
    const [one, other] = [add(), add()]
    othersLeft = true
    pooled.attach(first)
    refuses(second, new Error('no'))
    pooled.attach(second)
    first.tell(proved(a, 5))
    await settle()
    assert.deepEqual([one.isCurrent, later.size], [true, 1])
    one.stop()
    one.stop()
    assert.deepEqual([first.stopped, later.size, events], [0, 1, ['error tcp://server2']])
    other.stop()
    assert.deepEqual(
      [first.stopped, second.stopped, later.size, pooled.isCurrent],
      [1, 1, 0, false]
    )
    other.stop()
    assert.deepEqual(events.slice(1), ['unused'])
  })

  it('makes no further attempt once it is told to stop', async () => {
    add()
    othersLeft = true
    refuses(first, new Error('no'))
    pooled.attach(first)
    await settle()
    assert.equal(later.size, 1)
    pooled.stop()
    assert.equal(later.size, 0)
  })

  it('asks for the output that any of them names, and can wait only when all can', () => {
    const outPoint: OutPoint = { txid: a.txid, vout: 0 }
    pooled.attach(first)
    add({ canWait: () => true, outPoint: () => undefined })
    const [asked = assert.fail()] = first.watchers
    assert.deepEqual([asked.outPoint?.(), asked.canWait?.()], [undefined, true])
    add({ outPoint: () => outPoint })
    assert.deepEqual([asked.outPoint?.(), asked.canWait?.()], [outPoint, false])
  })

  it('a server that has shown no tip has shown no work', () => {
    const chain = { tip: undefined, headers: { workUpTo: () => 7n } }
    assert.equal(workOf(new PoolServer({ url: '' }, chain as unknown as ElectrumChain)), 0n)
  })
})
