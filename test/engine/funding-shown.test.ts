/**
 * Whether T1 waits for its block, by one server's word or by that of two: what is given on trust
 * rests on it (EVID-1).
 */
import assert from 'node:assert/strict'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import type { ShownTransaction } from '../../src/channel/events.js'
import { summarise } from '../../src/channel/summary.js'
import { fundingHistory } from '../../src/engine/watches.js'
import { blockHeight } from '../../src/types/units.js'
import { World } from '../channel/world.js'

describe('engine / T1 as servers show it', () => {
  const world = new World().offer().run()
  const { server } = world
  const t1 = parseTransaction(world.client.established.fundingTx ?? assert.fail())

  /** A server that lies shows the same T1 with a witness of its own. */
  const shown = (shownBy: number, transaction: Transaction = t1): ShownTransaction => ({
    transaction,
    height: undefined,
    shownBy
  })

  const isAgreed = (...history: ShownTransaction[]): readonly [seen: boolean, agreed: boolean] => {
    const { outPoint } = server.established
    server.post({ type: 'history', history: fundingHistory(history, outPoint) })
    const { fundingSeen, fundingAgreed } = summarise(server.established, server.env())
    return [fundingSeen, fundingAgreed]
  }

  it('is agreed on when two show it, whatever its witness, or when it is in a block (EVID-1)', () => {
    assert.deepEqual(isAgreed(), [false, false])
    assert.deepEqual(isAgreed(shown(1)), [true, false], 'one can make it up alone')
    assert.deepEqual(isAgreed(shown(2)), [true, true])
    assert.deepEqual(isAgreed(shown(1)), [true, false], 'it is what they show now')
    assert.deepEqual(isAgreed(shown(1), shown(1)), [true, true], 'two versions of two servers')
    const mined = { transaction: t1, height: blockHeight(world.chain.height) }
    assert.deepEqual(isAgreed(mined), [true, true])
  })
})
