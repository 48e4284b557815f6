/** Which channels without money a server lets go, and when: the limits from both sides. */
import assert from 'node:assert/strict'
import type { Established, ServerChannel } from '../../src/channel/state.js'
import {
  isUnproven,
  isVacant,
  isWorthless,
  KEPT_AFTER_L,
  KEPT_MS,
  letUnprovenGo
} from '../../src/channel/unfunded.js'
import { blockHeight } from '../../src/types/units.js'
import { World } from './world.js'

const { client, server } = new World().until('server', 'established')
const T0 = 1_700_000_000_000

/** Handed back to a server by its peer; no server shows T1. */
const unproven: ServerChannel = {
  ...server.established,
  restored: true,
  openedAt: T0,
  fundingAccepted: false,
  onChain: { fundingSeen: false, fundingHeight: undefined, spend: undefined, shown: [] }
}
const L = unproven.terms.refundHeight

describe('channel / unfunded / handed back by its peer, and in no block', () => {
  const goes = (
    changes: Partial<ServerChannel> = {},
    height: number | undefined = L + KEPT_AFTER_L,
    age = KEPT_MS
  ): boolean =>
    letUnprovenGo(
      { ...unproven, ...changes },
      {
        now: T0 + age,
        height: height === undefined ? undefined : blockHeight(height)
      }
    ).state.stage === 'abandoned'

  it('is let go a day of blocks after L, and a day after it came: not a block, not a millisecond before (RESTORE-7)', () => {
    assert.equal(goes(), true)
    assert.equal(goes({}, L + KEPT_AFTER_L - 1), false)
    assert.equal(goes({}, L + KEPT_AFTER_L, KEPT_MS - 1), false)
    assert.equal(goes({}, L + KEPT_AFTER_L + 1, KEPT_MS + 1), true)
  })

  it('stays while the tip is not known, a server shows T1, or it is no such channel', () => {
    const env = { now: T0 + KEPT_MS, height: undefined }
    assert.equal(letUnprovenGo(unproven, env).state, unproven)
    assert.equal(goes({ onChain: { ...unproven.onChain, fundingSeen: true } }), false)
    assert.equal(goes({ restored: undefined }), false)
    const mined = { ...unproven.onChain, fundingHeight: blockHeight(501) }
    assert.equal(goes({ onChain: mined }), false)
  })

  it('is worthless until T1 was in a block, and nothing of it is under way', () => {
    const is = (changes: Partial<ServerChannel>): readonly boolean[] => {
      const channel = { ...unproven, ...changes } as Established
      return [isWorthless(channel), isUnproven(channel), isVacant(channel)]
    }
    const [no, yes] = [
      [false, false, false],
      [true, true, true]
    ]
    assert.deepEqual(is({}), yes)
    assert.deepEqual(is({ reorged: true }), no)
    assert.deepEqual(is({ onChain: { ...unproven.onChain, fundingHeight: blockHeight(501) } }), no)
    assert.deepEqual(is({ ready: { ours: true, theirs: true } }), yes, 'its peer has said so')
    assert.deepEqual(isWorthless({ ...client.established, restored: true }), false)
  })
})
