/** What the engine expects of a `Clock`. */
import assert from 'node:assert/strict'
import type { Clock, Random } from '../../src/engine/ports.js'
import { toHex } from '../../src/types/bytes.js'

/** `pass` lets at least so many milliseconds go by; short ones, since some clocks are real. */
export function clockContract(
  name: string,
  create: () => { readonly clock: Clock; readonly pass: (ms: number) => Promise<void> }
): void {
  describe(`the clock port / ${name}`, () => {
    it('calls back once, after the time and never before', async () => {
      const { clock, pass } = create()
      const begun = clock.now()
      const calls: number[] = []
      clock.after(5, () => {
        calls.push(clock.now() - begun)
      })
      assert.deepEqual(calls, [], 'not at once')
      await pass(30)
      assert.equal(calls.length, 1)
      assert.ok((calls[0] ?? 0) >= 4, 'timers of a machine may be early by less than a millisecond')
    })

    it('calls in the order in which the times are due', async () => {
      const { clock, pass } = create()
      const order: string[] = []
      clock.after(20, () => {
        order.push('late')
      })
      clock.after(1, () => {
        order.push('early')
      })
      await pass(60)
      assert.deepEqual(order, ['early', 'late'])
    })

    it('does not call back what was cancelled, however often', async () => {
      const { clock, pass } = create()
      let called = false
      const cancel = clock.after(5, () => {
        called = true
      })
      cancel()
      cancel()
      await pass(30)
      assert.equal(called, false)
    })
  })
}

/* What the engine expects of a `Random`. */

export function randomContract(name: string, create: () => Random): void {
  describe(`the random port / ${name}`, () => {
    it('draws as many bytes as are asked for', () => {
      const random = create()
      for (const length of [0, 1, 8, 16, 32]) assert.equal(random.bytes(length).length, length)
    })

    it('does not repeat itself in the 62 bits of a channel key', () => {
      const random = create()
      const drawn = new Set(Array.from({ length: 1_000 }, () => toHex(random.bytes(8))))
      assert.equal(drawn.size, 1_000)
    })
  })
}
