/** COST-5: which refused transactions rest, and for how long. */
import assert from 'node:assert/strict'
import type { BroadcastPurpose } from '../../src/channel/events.js'
import { canWait, refused, rests, taken } from '../../src/channel/resending.js'
import type { Established } from '../../src/channel/state.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight } from '../../src/types/units.js'
import { World } from './world.js'

const [CLOSE, OTHER] = [txid('ab'.repeat(32)), txid('cd'.repeat(32))]
const { client, server } = new World().open().paid(40_000n)

describe('channel / resending', () => {
  it('a close can wait, and a T1 that is not our own; a publication cannot (COST-5)', () => {
    const renewal = new World({ renews: { world: new World().open().paid(40_000n) } }).until(
      'client',
      'established'
    )
    const waiting = (channel: Parameters<typeof canWait>[0]): BroadcastPurpose[] =>
      (['close', 'funding', 'publication'] as const).filter((purpose) => canWait(channel, purpose))
    assert.deepEqual(waiting(client.channel), ['close'], 'it spends our own coins')
    for (const channel of [
      server.channel,
      new World().until('client', 'refund-requested').client.channel,
      renewal.client.channel,
      { ...client.established, restored: true as const }
    ]) {
      assert.deepEqual(waiting(channel), ['close', 'funding'])
    }
  })

  it('rests for 1, 2, 4, 8 and then 12 blocks, each after one more refusal (COST-5)', () => {
    const restOf = (channel: Established): number => {
      const from = channel.unwanted?.height ?? assert.fail()
      let blocks = 0
      while (rests(channel, CLOSE, { height: blockHeight(from + blocks) })) blocks++
      return blocks
    }
    let channel: Established = client.established
    const rest: number[] = []
    for (let n = 0; n < 6; n++) {
      channel = refused(channel, CLOSE, { height: blockHeight(600 + n) })
      rest.push(restOf(channel))
    }
    assert.deepEqual(rest, [1, 2, 4, 8, 12, 12])
  })

  it('what another transaction was refused for, or what is taken by now, does not rest', () => {
    const height = blockHeight(600)
    const once = refused(client.established, CLOSE, { height })
    assert.deepEqual(
      [rests(once, CLOSE, { height }), rests(once, OTHER, { height })],
      [true, false]
    )
    assert.equal(rests(once, CLOSE, { height: undefined }), false)
    assert.equal(refused(client.established, CLOSE, { height: undefined }), client.established)
    assert.equal(refused(once, OTHER, { height }).unwanted?.refusals, 1)
    assert.equal(taken(once, OTHER), once)
    assert.equal(rests(taken(once, CLOSE), CLOSE, { height }), false)
  })
})
