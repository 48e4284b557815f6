/**
 * Messages to frames and back: an Envelope behind its length as an unsigned varint (WIRE-1,
 * WIRE-2).
 */
import * as lp from 'it-length-prefixed'
import type { LengthDecoderFunction } from 'it-length-prefixed'
import type { Uint8ArrayList } from 'uint8arraylist'
import { MAX_MESSAGE_BYTES, ProtocolError, encode } from '../../protocols/paychan/1.0/index.js'
import type { Message } from '../../protocols/paychan/1.0/index.js'

/** 7 bits a byte: lengths up to 262,144 = 2^18 take at most 3 bytes. */
const MAX_LENGTH_BYTES = 3

/** A message as it goes onto a stream. @throws ProtocolError when a field is out of range. */
export function toFrame(message: Message): Uint8ArrayList {
  return lp.encode.single(encode(message), { maxDataLength: MAX_MESSAGE_BYTES })
}

/**
 * The Envelopes of a stream of bytes, whatever the chunks that they arrive in.
 *
 * @throws ProtocolError `WIRE-1` for a length that is 0 or spelled out too long, `WIRE-2` for one
 * that is too large: at once, before any of its bytes is waited for.
 */
export function fromFrames(
  source: AsyncIterable<Uint8Array | Uint8ArrayList>
): AsyncIterable<Uint8ArrayList> {
  return lp.decode(source, {
    lengthDecoder: createLengthDecoder(),
    maxLengthLength: MAX_LENGTH_BYTES,
    maxDataLength: MAX_MESSAGE_BYTES
  })
}

/** Whether an error says that the bytes ended inside a frame. */
export function isCutShort(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnexpectedEOFError'
}

/**
 * The decoder reports how long the length was in a field of its own; so each stream has its own.
 */
function createLengthDecoder(): LengthDecoderFunction {
  const decoder: LengthDecoderFunction = Object.assign(
    (data: Uint8ArrayList): number => {
      let length = 0
      for (let index = 0; index < MAX_LENGTH_BYTES; index++) {
        // A RangeError is how it-length-prefixed is told that there is not yet enough to read.
        if (index >= data.byteLength) throw new RangeError('The length is not complete.')
        const byte = data.get(index)
        length |= (byte & 0x7f) << (7 * index)
        if (byte >= 0x80) continue
        if (byte === 0) {
          throw new ProtocolError(
            'WIRE-1',
            index === 0 ? 'A frame is empty.' : 'A length is longer than need be.'
          )
        }
        if (length > MAX_MESSAGE_BYTES) {
          throw new ProtocolError(
            'WIRE-2',
            `A message of ${length} bytes was announced; ${MAX_MESSAGE_BYTES} are allowed.`
          )
        }
        decoder.bytes = index + 1
        return length
      }
      throw new ProtocolError(
        'WIRE-2',
        `A message of more than ${MAX_MESSAGE_BYTES} bytes was announced.`
      )
    },
    { bytes: 0 }
  )
  return decoder
}
