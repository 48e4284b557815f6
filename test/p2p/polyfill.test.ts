import assert from 'node:assert/strict'
import '../../src/p2p/polyfill.js'

interface WithResolvers {
  withResolvers: <T>() => {
    promise: Promise<T>
    resolve: (value: T) => void
    reject: (reason: unknown) => void
  }
}

const hasIt = (value: unknown): value is WithResolvers =>
  typeof value === 'function' && 'withResolvers' in value

describe('Promise.withResolvers', () => {
  it('is there, on every Node that is supported', async () => {
    assert.ok(hasIt(Promise))
    const good = Promise.withResolvers<number>()
    good.resolve(7)
    assert.equal(await good.promise, 7)
    const bad = Promise.withResolvers<number>()
    bad.reject(new Error('no'))
    await assert.rejects(bad.promise, /^Error: no$/)
  })
})
