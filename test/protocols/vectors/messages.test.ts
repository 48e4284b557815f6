import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode, encode, ProtocolError } from '../../../protocols/paychan/1.0/index.js'
import { fromFrames, isCutShort } from '../../../src/p2p/stream-link.js'
import { fromHex, toHex } from '../../../src/types/bytes.js'
import { messagesText } from './generate-messages.js'
import { messageJson, MESSAGES_FILE, readMessages } from './replay.js'

const { accept, refuse, frames } = readMessages()

/** The Envelopes of a stream that brings these bytes, one at a time, and ends. */
async function envelopes(hex: string): Promise<string[]> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const byte of fromHex(hex)) yield Uint8Array.of(byte)
  }
  const found: string[] = []
  for await (const frame of fromFrames(bytes())) found.push(toHex(frame.subarray()))
  return found
}

describe('vectors of messages', () => {
  it('messages.json is what the generator writes, byte for byte', () => {
    assert.equal(
      readFileSync(join(process.cwd(), MESSAGES_FILE), 'utf8'),
      messagesText(),
      'run the generator: messages.json is out of date'
    )
  })

  it('has every type of message', () => {
    assert.deepEqual([...new Set(accept.map(({ message }) => message.type))].sort(), [
      'AcceptChannel',
      'ChannelReady',
      'ChannelRecord',
      'CloseDone',
      'CloseRequest',
      'Error',
      'Funding',
      'FundingBroadcast',
      'OpenChannel',
      'Reestablish',
      'RefundRequest',
      'RefundSignature',
      'RenewalRequest',
      'RestoreDone',
      'RestoreRequest',
      'TurnGrant',
      'TurnRefuse',
      'TurnRequest',
      'Update',
      'UpdateAck'
    ])
  })

  describe('accept', () => {
    for (const { name, message, bytes } of accept) {
      it(`${message.type}: ${name}`, () => {
        const decoded = decode(fromHex(bytes))
        assert.deepEqual(messageJson(decoded), message)
        assert.equal(toHex(encode(decoded)), bytes)
      })
    }
  })

  describe('refuse', () => {
    for (const { name, rule, bytes } of refuse) {
      it(`${name} (${rule})`, () => {
        assert.throws(
          () => decode(fromHex(bytes)),
          (error: unknown) => {
            assert.ok(error instanceof ProtocolError, String(error))
            assert.equal(error.rule, rule)
            return true
          }
        )
      })
    }
  })

  describe('frames', () => {
    for (const { name, bytes, messages } of frames.accept) {
      it(name, async () => {
        assert.deepEqual(await envelopes(bytes), messages)
      })
    }

    for (const { name, rule, bytes } of frames.refuse) {
      it(`refuse ${name} (${rule})`, async () => {
        await assert.rejects(envelopes(bytes), (error: unknown) =>
          isCutShort(error)
            ? rule === 'WIRE-1'
            : error instanceof ProtocolError && error.rule === rule
        )
      })
    }
  })

  it('names only rules that spec.md has', () => {
    const spec = readFileSync(join(process.cwd(), 'protocols', 'paychan', '1.0', 'spec.md'), 'utf8')
    for (const { rule } of [...refuse, ...frames.refuse]) {
      assert.ok(spec.includes(`**${rule}**`), rule)
    }
  })
})
