/** The disk of a world, with and without a time that a commit takes, and its hooks for crash tests. */
import assert from 'node:assert/strict'
import { openSimStore, SimDisk } from '../../src/testing/disk.js'
import { codeOf } from '../../src/types/errors.js'
import { allOf, bytes, storeContract } from '../contracts/store.js'
import { Life } from '../../src/testing/life.js'
import { runningCalendar } from './running-calendar.js'
import type { Store } from '../../src/engine/ports.js'

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
      await assert.rejects(
        store.commit([{ key: 'b', value: bytes(1) }]),
        (error) => codeOf(error) === 'ERR_STORE_FAILED'
      )
      assert.equal(store.snapshot().size, 0)
    })
  })
})
