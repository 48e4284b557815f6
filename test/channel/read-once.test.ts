/** A spend that the chain shows was read where its bytes came in: deciding reads none again. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { World } from './world.js'

describe('channel / a spend that the chain shows', () => {
  const { fromBuffer } = Transaction
  afterEach(() => {
    Transaction.fromBuffer = fromBuffer
  })

  it('is judged and recognised without being read again', () => {
    const world = new World({ capacity: 1_000_000n }).open().paid(40_000n)
    world.server.post({ type: 'settle' })
    const { publication } = world.server.established
    assert.ok(publication)
    const history = {
      funding: {
        transaction: parseTransaction(world.client.established.fundingTx),
        height: world.client.established.onChain.fundingHeight
      },
      spends: [{ transaction: parseTransaction(publication.raw), height: undefined }],
      strays: []
    }
    let reads = 0
    Transaction.fromBuffer = (bytes, isLenient) => {
      reads++
      return fromBuffer(bytes, isLenient)
    }
    const { state } = world.client.attempt({ type: 'history', history })
    assert.ok(state.stage === 'established')
    assert.deepEqual([state.onChain.shown[0]?.kind, reads], ['settlement', 0])
  })
})
