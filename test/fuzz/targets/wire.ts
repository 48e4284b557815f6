/** Frames of a stream, and the messages in them: what is read is what would have been written. */
import assert from 'node:assert/strict'
import { decode, encode, unpackPayments } from '../../../protocols/paychan/1.0/index.js'
import { fromFrames, isCutShort, toFrame } from '../../../src/p2p/stream-link.js'
import { isRefusal, unlessRefused, type Target } from '../target.js'
import { messages } from './messages.js'

export const WIRE: Target = {
  name: 'wire',
  seeds: () => [
    ...messages().map(encode),
    ...messages().map((message) => toFrame(message).subarray())
  ],
  run: async (input) => {
    const message = unlessRefused(() => decode(input))
    if (message !== undefined) assert.deepEqual(encode(message), input)
    try {
      for await (const frame of fromFrames(pieces(input))) {
        unlessRefused(() => decode(frame.subarray()))
      }
    } catch (error) {
      if (!isRefusal(error) && !isCutShort(error)) throw error
    }
    // A record of the payment log; its reader makes one error of all.
    try {
      unpackPayments(input)
    } catch (error) {
      assert.ok(error instanceof Error)
    }
  }
}

async function* pieces(input: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < input.length; at += 1 + (at % 7)) yield input.slice(at, at + 1 + (at % 7))
}
