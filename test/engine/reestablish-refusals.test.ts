/**
 * A `Reestablish` that is refused before this side has said where it stands: its sender hears why
 * (REEST-5).
 */
import assert from 'node:assert/strict'
import { fromHex } from '../../src/types/bytes.js'
import { reestablishOf } from '../protocols/reestablish.js'
import { Stranger } from './stranger.js'
import { twoNodes } from './world.js'

describe('engine / a Reestablish that is refused', () => {
  it('is answered by an Error, also as the first message of its stream (REEST-1, REEST-5)', async () => {
    const { world } = await twoNodes()
    const stranger = await Stranger.withRefund(world, 'mallory')
    const stream = await stranger.peer.stream('bob')
    await stream.say(
      reestablishOf({ channelId: fromHex(stranger.id), derivation: new Uint8Array(8).fill(9) })
    )
    assert.deepEqual(
      [stream.refusal?.code, stream.refusal?.rule, stream.refusal?.fatal],
      ['ERR_WRONG_DERIVATION', 'REEST-1', true]
    )
    assert.equal(stream.closed, true)
  })
})
