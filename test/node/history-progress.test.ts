import assert from 'node:assert/strict'
import type { ChainStatus } from '../../src/engine/ports.js'
import { historiesOf, HistoryProgress, PROGRESS_MS } from '../../src/node/chain-progress.js'
import { FakeClock } from '../chain/helpers.js'

/** A chain that says how far it is, and nothing else. */
class FakeChain {
  status: ChainStatus = 'connecting'
  watches = { known: 0, total: 10_000 }
  readonly #listeners = new Set<(status: ChainStatus) => void>()

  onStatus(listener: (status: ChainStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  become(status: ChainStatus): void {
    this.status = status
    for (const listener of this.#listeners) listener(status)
  }

  read(known: number): void {
    this.watches = { ...this.watches, known }
  }
}

describe('the progress of reading histories', () => {
  let chain: FakeChain
  let clock: FakeClock
  let told: number[]
  let progress: HistoryProgress

  beforeEach(() => {
    chain = new FakeChain()
    clock = new FakeClock()
    told = []
    progress = new HistoryProgress(chain, clock, ({ type, known, total }) => {
      assert.equal(type, 'histories')
      assert.equal(total, 10_000)
      told.push(known)
    })
  })

  /** So many are known when the next look comes. */
  function second(known: number): void {
    chain.read(known)
    clock.advance(PROGRESS_MS)
  }

  /** All at once, and nobody is told. */
  function quickStart(): void {
    chain.read(10_000)
    chain.become('synced')
    clock.advance(PROGRESS_MS)
  }

  it('is told once a second while a start takes long, and once more when all are known; then no more', () => {
    second(1_500)
    second(3_200)
    chain.become('synced')
    second(6_000)
    second(10_000)
    assert.deepEqual(told, [3_200, 6_000, 10_000])
    clock.advance(60 * PROGRESS_MS)
    assert.deepEqual(told, [3_200, 6_000, 10_000])
    assert.equal(clock.pending, 0, 'it looks no more')
  })

  it('is not told of a start that is quick', () => {
    quickStart()
    clock.advance(60 * PROGRESS_MS)
    assert.deepEqual(told, [])
    assert.equal(clock.pending, 0)
  })

  it('is told after a reconnection as after a start', () => {
    quickStart()
    chain.read(0)
    chain.become('down')
    second(0)
    second(2_000)
    second(4_000)
    chain.become('synced')
    second(10_000)
    assert.deepEqual(told, [4_000, 10_000])
  })

  it('is not told of a reconnection that is quick, even if somebody looks in its middle', () => {
    quickStart()
    chain.become('down')
    second(4_000)
    chain.become('synced')
    second(10_000)
    assert.deepEqual(told, [])
  })

  it('says nothing twice, and nothing while there is no server', () => {
    second(1_000)
    second(2_000)
    second(2_000)
    chain.become('down')
    second(0)
    second(0)
    assert.deepEqual(told, [2_000])
  })

  it('ends with the node', () => {
    progress.stop()
    second(1_000)
    chain.become('down')
    second(2_000)
    assert.deepEqual(told, [])
    assert.equal(clock.pending, 0)
  })

  it('is part of what a node tells of itself, while histories are being read', () => {
    assert.equal(
      historiesOf(chain),
      undefined,
      'nobody has answered yet: that is what the status says'
    )
    chain.read(3_200)
    assert.deepEqual(historiesOf(chain), { known: 3_200, total: 10_000 })
    chain.read(10_000)
    assert.equal(historiesOf(chain), undefined)
  })
})
