/** What every `Store` has to do, whatever it is made of. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Change, Store } from '../../src/engine/ports.js'

/** A place where a store is kept: opened again, it holds what was committed before. */
export interface StorePlace {
  readonly open: () => Promise<Store>
  readonly remove: () => Promise<void>
}

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

export async function allOf(store: Store, prefix = ''): Promise<Array<[string, number[]]>> {
  const found: Array<[string, number[]]> = []
  for await (const [key, value] of store.entries(prefix)) found.push([key, [...value]])
  return found
}

export function storeContract(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`store contract / ${name}`, () => {
    let place: StorePlace
    let store: Store

    beforeEach(async () => {
      place = await makePlace()
      store = await place.open()
    })

    afterEach(async () => {
      await store.close()
      await place.remove()
    })

    async function reopen(): Promise<void> {
      await store.close()
      store = await place.open()
    }

    describe('get', () => {
      it('knows nothing at first', async () => {
        assert.equal(await store.get('a'), undefined)
        assert.deepEqual(await allOf(store), [])
      })

      it('returns what was committed, the empty value included', async () => {
        await store.commit([
          { key: 'a', value: bytes(1, 2) },
          { key: 'b', value: bytes() }
        ])
        assert.deepEqual([...((await store.get('a')) ?? [])], [1, 2])
        assert.equal((await store.get('b'))?.length, 0)
      })

      it('hands out values that the reader may write into', async () => {
        await store.commit([{ key: 'a', value: bytes(1) }])
        const value = await store.get('a')
        value?.fill(9)
        assert.deepEqual([...((await store.get('a')) ?? [])], [1])
      })
    })

    describe('commit', () => {
      it('deletes where the value is undefined', async () => {
        await store.commit([{ key: 'a', value: bytes(1) }])
        await store.commit([
          { key: 'a', value: undefined },
          { key: 'never', value: undefined }
        ])
        assert.equal(await store.get('a'), undefined)
      })

      it('lets the last change of a key win, within a batch and across batches that wait together', async () => {
        await Promise.all([
          store.commit([
            { key: 'a', value: bytes(1) },
            { key: 'a', value: bytes(2) }
          ]),
          store.commit([{ key: 'a', value: bytes(3) }]),
          store.commit([{ key: 'a', value: undefined }]),
          store.commit([
            { key: 'a', value: bytes(4) },
            { key: 'b', value: bytes(5) }
          ])
        ])
        assert.deepEqual(await allOf(store), [
          ['a', [4]],
          ['b', [5]]
        ])
      })

      it('resolves in the order of the calls', async () => {
        const order: number[] = []
        await Promise.all(
          Array.from({ length: 20 }, async (_, i) => {
            await store.commit([{ key: `k${i}`, value: bytes(i) }])
            order.push(i)
          })
        )
        assert.deepEqual(
          order,
          Array.from({ length: 20 }, (_, i) => i)
        )
      })

      it('can be read as soon as it has resolved', async () => {
        const busy = store.commit([{ key: 'other', value: bytes(0) }])
        await store.commit([{ key: 'a', value: bytes(7) }])
        assert.deepEqual([...((await store.get('a')) ?? [])], [7])
        await busy
      })

      it('keeps the bytes of the moment of the call', async () => {
        const value = bytes(1)
        const changes: Change[] = [{ key: 'a', value }]
        const done = store.commit(changes)
        value.fill(9)
        changes.push({ key: 'b', value: bytes(2) })
        await done
        assert.deepEqual(await allOf(store), [['a', [1]]])
      })

      it('does nothing for an empty batch, and still resolves', async () => {
        await store.commit([])
        assert.deepEqual(await allOf(store), [])
      })

      it('rejects a key that is not printable ASCII, and goes on', async () => {
        for (const key of ['', 'ä', 'a b', 'a\x7f', 'a\n']) {
          await assert.rejects(store.commit([{ key, value: bytes(1) }]), TypeError)
        }
        await store.commit([{ key: 'a', value: bytes(1) }])
        assert.deepEqual(await allOf(store), [['a', [1]]])
      })
    })

    describe('entries', () => {
      it('lists the keys that start with the prefix, in the order of their bytes', async () => {
        const keys = [
          'wallet/b',
          'wallet/~',
          'wallet/',
          'wallet',
          'wallet0',
          'walle',
          'wallet/B',
          'wallet/10',
          'wallet/9'
        ]
        await store.commit(keys.map((key) => ({ key, value: bytes(1) })))
        assert.deepEqual(
          (await allOf(store, 'wallet/')).map(([key]) => key),
          ['wallet/', 'wallet/10', 'wallet/9', 'wallet/B', 'wallet/b', 'wallet/~']
        )
      })

      it('does not see what is committed while it runs', async () => {
        await store.commit([
          { key: 'a', value: bytes(1) },
          { key: 'b', value: bytes(1) },
          { key: 'c', value: bytes(1) }
        ])
        const seen: string[] = []
        for await (const [key] of store.entries('')) {
          if (key === 'a') {
            await store.commit([
              { key: 'b', value: undefined },
              { key: 'd', value: bytes(1) }
            ])
          }
          seen.push(key)
        }
        assert.deepEqual(seen, ['a', 'b', 'c'])
        assert.deepEqual(
          (await allOf(store)).map(([key]) => key),
          ['a', 'c', 'd']
        )
      })

      it('can be left early', async () => {
        await store.commit([
          { key: 'a', value: bytes(1) },
          { key: 'b', value: bytes(1) }
        ])
        const seen: string[] = []
        for await (const [key] of store.entries('')) {
          seen.push(key)
          if (seen.length === 1) break
        }
        assert.deepEqual(seen, ['a'])
        await store.commit([{ key: 'a', value: undefined }])
      })
    })

    describe('last', () => {
      async function keysOf(prefix: string, count: number, before?: string): Promise<string[]> {
        return (await store.last(prefix, count, before)).map(([key]) => key)
      }

      it('reads so many entries of a prefix backwards, from the end or from before a key', async () => {
        const keys = ['log', 'log/1', 'log/2', 'log/3', 'log/~', 'log0', 'lo']
        await store.commit(keys.map((key) => ({ key, value: bytes(key.length) })))
        assert.deepEqual(await keysOf('log/', 2), ['log/~', 'log/3'])
        assert.deepEqual(await keysOf('log/', 2, 'log/3'), ['log/2', 'log/1'])
        assert.deepEqual(await keysOf('log/', 9, 'log/2'), ['log/1'])
        assert.deepEqual(await keysOf('log/', 9, 'log/1'), [])
        assert.deepEqual(await keysOf('other/', 9), [])
        const [[, value] = []] = await store.last('log/', 1)
        assert.deepEqual([...(value ?? [])], [5])
      })
    })

    describe('close', () => {
      it('writes what waits, and refuses what comes later', async () => {
        const pending = [
          store.commit([{ key: 'a', value: bytes(1) }]),
          store.commit([{ key: 'b', value: bytes(2) }])
        ]
        const closed = store.close()
        const late = store.commit([{ key: 'c', value: bytes(3) }])
        await assert.rejects(late, { code: 'ERR_STORE_FAILED' })
        await Promise.all([...pending, closed])
        store = await place.open()
        assert.deepEqual(await allOf(store), [
          ['a', [1]],
          ['b', [2]]
        ])
      })

      it('may be called twice', async () => {
        await store.close()
        await store.close()
      })
    })

    it('behaves like a map that is written to disk, over any batches and restarts', async () => {
      const change = fc.record({
        key: fc.constantFrom('a', 'b', 'a/1', 'a/2', 'c'),
        value: fc.option(fc.uint8Array({ maxLength: 8 }), { nil: undefined })
      })
      const step = fc.oneof(
        { weight: 5, arbitrary: fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 4 }) },
        { weight: 1, arbitrary: fc.constant('reopen' as const) }
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
          await store.commit((await allOf(store)).map(([key]) => ({ key, value: undefined })))
          const model = new Map<string, number[]>()
          for (const batches of steps) {
            if (batches === 'reopen') {
              await reopen()
              continue
            }
            await Promise.all(
              batches.map(async (batch) => {
                await store.commit(batch)
              })
            )
            for (const { key, value } of batches.flat()) {
              if (value === undefined) model.delete(key)
              else model.set(key, [...value])
            }
          }
          assert.deepEqual(
            await allOf(store),
            [...model].sort(([a], [b]) => (a < b ? -1 : 1))
          )
        }),
        { numRuns: 20 }
      )
    })
  })
}
