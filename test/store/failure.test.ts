import assert from 'node:assert/strict'
import { onStoreFailure } from '../../src/store/failure.js'
import { openSimStore } from '../../src/testing/disk.js'
import { codeOf } from '../../src/types/errors.js'

const change = (key: string): [{ key: string; value: Uint8Array }] => [
  { key, value: Uint8Array.of(1) }
]

describe('store / failure', () => {
  it('is told once, whoever asked for the write, and every caller is refused', async () => {
    const inner = openSimStore()
    const failures: string[] = []
    const store = onStoreFailure(inner, (error) => {
      failures.push(codeOf(error))
    })
    await store.commit(change('a'))
    inner.failNext('ENOSPC: no space left on device')
    const outcomes = await Promise.allSettled([
      store.commit(change('b')),
      store.commit(change('c'))
    ])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected']
    )
    await assert.rejects(
      store.commit(change('d')),
      (error: Error) => /ENOSPC/.test(error.message) && /start the node again/.test(error.message)
    )
    assert.deepEqual(failures, ['ERR_STORE_FAILED'])
    assert.deepEqual([...inner.snapshot().keys()], ['a'])
  })

  it('is none when the store was closed, or when the caller was wrong', async () => {
    const failures: Error[] = []
    const store = onStoreFailure(openSimStore(), (error) => {
      failures.push(error)
    })
    await assert.rejects(store.commit(change('no spaces')), TypeError)
    await store.close()
    await assert.rejects(store.commit(change('a')))
    assert.deepEqual(failures, [])
  })
})
