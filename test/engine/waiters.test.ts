/** Who waits for a close of a channel, and what ends the waiting. */
import assert from 'node:assert/strict'
import type { Spend, ShownSpend } from '../../src/channel/state.js'
import { Waiters } from '../../src/engine/waiters.js'
import { codeOf } from '../../src/types/errors.js'
import { blockHeight } from '../../src/types/units.js'
import { shownSpend } from '../channel/asserts.js'
import { World } from '../channel/world.js'

describe('engine / waiting for a close', () => {
  const channel = new World().open().paid(40_000n).server.established

  const REFUND = shownSpend({ kind: 'refund', state: 'refund', lock: channel.terms.refundHeight })

  /** The answer to one who waits, once the chain has looked so at last. */
  async function answerTo(
    ...looks: ReadonlyArray<{ shown?: ShownSpend[]; spend?: Spend }>
  ): Promise<unknown> {
    const waiters = new Waiters()
    let answer: unknown = 'none'
    waiters.close().then(
      ({ kind }) => {
        answer = kind
      },
      (error: unknown) => {
        answer = codeOf(error)
      }
    )
    for (const look of looks) {
      waiters.observe({ ...channel, onChain: { ...channel.onChain, ...look } })
    }
    await new Promise((resolve) => setImmediate(resolve))
    return answer
  }

  it('a close that is shown answers it', async () => {
    assert.equal(await answerTo({ shown: [{ ...REFUND, kind: 'close' }] }), 'close')
  })

  it('T2, or what is not known, ends it in a block, and not by being shown (EVID-3)', async () => {
    const spend = { ...REFUND, height: blockHeight(700) }
    assert.equal(await answerTo({ shown: [REFUND] }), 'none')
    assert.equal(await answerTo({ shown: [{ ...REFUND, kind: 'unknown' }] }), 'none')
    assert.equal(await answerTo({ shown: [REFUND] }, { shown: [], spend }), 'ERR_CHANNEL_CLOSED')
  })
})
