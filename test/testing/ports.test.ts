import assert from 'node:assert/strict'
import type { Store } from '../../src/engine/ports.js'
import { Calendar, Draws, Life, SimClock } from '../../src/testing/calendar.js'
import { SimChain } from '../../src/testing/chain.js'
import { openSimStore, SimDisk } from '../../src/testing/disk.js'
import { keyMaker } from '../../src/testing/keys.js'
import { Purses, SimWallet } from '../../src/testing/wallet.js'
import { outPointText, toHex } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { clockContract, randomContract } from '../contracts/clock.js'
import { signerContract } from '../contracts/signer.js'
import { allOf, bytes, storeContract } from '../contracts/store.js'
import { walletContract } from '../contracts/wallet.js'
import { runningCalendar } from './running-calendar.js'

describe('sim / calendar', () => {
  it('lets things happen by their time, and in the order of the asking where that is the same', async () => {
    const calendar = new Calendar()
    const seen: string[] = []
    for (const [name, at] of [
      ['c', 30],
      ['a', 10],
      ['d', 30],
      ['b', 20]
    ] as const) {
      calendar.at(at, () => {
        seen.push(`${name} at ${calendar.now}`)
      })
    }
    await calendar.run(30)
    assert.deepEqual(seen, ['a at 10', 'b at 20', 'c at 30', 'd at 30'])
  })

  it('keeps the order of thousands', async () => {
    const calendar = new Calendar()
    const draws = new Draws(1, 'order')
    const seen: number[] = []
    for (let n = 0; n < 5_000; n++) {
      calendar.at(draws.below(1_000), () => {
        seen.push(calendar.now)
      })
    }
    await calendar.run(1_000)
    assert.equal(seen.length, 5_000)
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b)
    )
  })

  it('ends what an event has settled before the next event, however many promises that takes', async () => {
    const calendar = new Calendar()
    const seen: string[] = []
    calendar.at(1, () => {
      void (async () => {
        for (let n = 0; n < 50; n++) await Promise.resolve()
        seen.push('settled')
      })()
    })
    calendar.at(1, () => {
      seen.push('next')
    })
    await calendar.run(1)
    assert.deepEqual(seen, ['settled', 'next'])
  })

  it('does not let happen what was taken back, nor what is later than it is asked for', async () => {
    const calendar = new Calendar()
    const seen: string[] = []
    calendar.after(5, () => {
      seen.push('cancelled')
    })()
    calendar.after(11, () => {
      seen.push('late')
    })
    await calendar.run(10)
    assert.deepEqual([seen, calendar.now], [[], 10])
    await calendar.run(11)
    assert.deepEqual(seen, ['late'])
  })

  it('fails with what an event throws', async () => {
    const calendar = new Calendar()
    calendar.after(1, () => {
      throw new Error('a bug')
    })
    await assert.rejects(calendar.run(1), /a bug/)
  })
})

/* The disk of a world, with and without a time that a commit takes, and its hooks for crash tests. */

storeContract('simulated, a commit takes a microtask', async () => {
  const disk = new SimDisk()
  return {
    open: async (): Promise<Store> => disk.storeFor(new Life()),
    remove: async () => {}
  }
})

storeContract('simulated, a commit takes 2 ms', async () => {
  const { calendar, stop } = runningCalendar()
  const disk = new SimDisk({ takes: { calendar, ms: 2 } })
  return { open: async (): Promise<Store> => disk.storeFor(new Life()), remove: async () => stop() }
})

describe('testing / disk', () => {
  it('shows what a crash at this moment would leave: nothing before the write, everything after it', async () => {
    const store = openSimStore()
    const done = store.commit([
      { key: 'a', value: bytes(1) },
      { key: 'b', value: bytes(2) }
    ])
    assert.equal(store.snapshot().size, 0)
    await done
    assert.deepEqual([...store.snapshot().keys()], ['a', 'b'])
  })

  it('tells of every batch once it is durable, before the caller knows', async () => {
    const store = openSimStore()
    const story: string[] = []
    const stop = store.onDurable((snapshot) => {
      story.push(`durable ${snapshot.size}`)
    })
    await store.commit([{ key: 'a', value: bytes(1) }])
    story.push('resolved')
    stop()
    await store.commit([{ key: 'b', value: bytes(1) }])
    assert.deepEqual(story, ['durable 1', 'resolved'])
  })

  it('starts again from a snapshot, which stays as it is', async () => {
    const first = openSimStore()
    await first.commit([{ key: 'a', value: bytes(1) }])
    const snapshot = first.snapshot()
    const second = openSimStore(snapshot)
    await second.commit([{ key: 'a', value: bytes(2) }])
    assert.deepEqual([...(snapshot.get('a') ?? [])], [1])
    assert.deepEqual(await allOf(second), [['a', [2]]])
  })

  describe('failNext', () => {
    it('rejects every caller that waited for the failed write, and all behind it', async () => {
      const store = openSimStore()
      await store.commit([{ key: 'before', value: bytes(1) }])
      store.failNext('disk is full')
      const results = await Promise.allSettled(
        ['a', 'b', 'c'].map(async (key) => {
          await store.commit([{ key, value: bytes(1) }])
        })
      )
      for (const result of results) {
        assert.equal(result.status, 'rejected')
        assert.equal(codeOf(result.reason), 'ERR_STORE_FAILED')
        assert.match(String(result.reason), /disk is full/)
      }
      assert.deepEqual(await allOf(store), [['before', [1]]])
    })

    it('refuses every later commit: nothing is believed after a failed fsync', async () => {
      const store = openSimStore()
      store.failNext()
      await assert.rejects(store.commit([{ key: 'a', value: bytes(1) }]))
      await assert.rejects(store.commit([{ key: 'b', value: bytes(1) }]), {
        code: 'ERR_STORE_FAILED'
      })
      assert.equal(store.snapshot().size, 0)
    })
  })
})

/* The keys of a world, real and as a model, are a signer like any other. */

signerContract('simulated, over secp256k1', () => keyMaker(1, false).signerFor('alice'))
signerContract('simulated, a model', () => keyMaker(1, true).signerFor('alice'))

/* So are its clock, of a node whose own is 7 s ahead, and its dice. */

clockContract('simulated', () => {
  const calendar = new Calendar()
  return {
    clock: new SimClock(calendar, new Life(), 7_000),
    pass: async (ms) => {
      await calendar.run(calendar.now + ms)
    }
  }
})
randomContract('simulated', () => new Draws(1, 'node alice'))

/* The wallet of a world is a wallet like any other. */

walletContract('simulated', async (coins) => {
  const chain = new SimChain({
    start: 1,
    blockVsize: 1_000_000,
    rateAt: () => 1,
    judge: () => undefined
  })
  const purses = new Purses(chain)
  const walletOf = (name: string): SimWallet =>
    new SimWallet(name, chain, purses, async (raw) => chain.broadcast(raw))
  const wallet = walletOf('alice')
  for (const value of coins) chain.mint(toHex(wallet.closeScript(0)), value)
  return {
    wallet,
    valueOf: (outPoint) => {
      const output = chain.output(outPointText(outPoint))
      return output === undefined ? undefined : satoshi(BigInt(output.value))
    },
    scriptAt: (index) => {
      const twin = walletOf('alice')
      for (let at = 0; at < index; at++) twin.nextScript()
      return twin.nextScript()
    },
    stop: async () => {}
  }
})
