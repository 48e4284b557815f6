/** What the engine expects of a `Random`. */
import assert from 'node:assert/strict'
import { toHex } from '../../src/types/bytes.js'
import type { Random } from '../../src/engine/ports.js'

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
