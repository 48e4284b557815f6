/** What a history keeps of loads that came to nothing. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { HeaderChain } from '../../src/chain/headers.js'
import { VerifiedHistory, type HistorySource } from '../../src/chain/history.js'
import { chainParams } from '../../src/chain/params.js'
import { txid, type Txid } from '../../src/types/bytes.js'
import { testScript } from './helpers.js'

const SCRIPT = testScript(1)

/** A payment to the script. */
function payment(n: number): Transaction {
  const tx = new Transaction()
  tx.addInput(new Uint8Array(32).fill(n), 0)
  tx.addOutput(SCRIPT, BigInt(n))
  return tx
}

describe('chain / history', () => {
  const [a, b, lost] = [payment(1), payment(2), payment(3)].map((tx) => txid(tx.getId()))
  const raws = new Map([payment(1), payment(2)].map((tx) => [tx.getId(), tx.toBuffer()]))
  let asked: Txid[]
  let history: VerifiedHistory

  beforeEach(() => {
    asked = []
    history = new VerifiedHistory(SCRIPT)
  })

  /** The server lists these, and loses one of them after it has given the others. */
  async function load(...listed: Array<Txid | undefined>): Promise<Txid[]> {
    const source: HistorySource = {
      history: async () => listed.map((id) => ({ txid: id ?? assert.fail(), height: undefined })),
      transaction: async (id) => {
        asked.push(id)
        const raw = raws.get(id)
        if (raw !== undefined) return raw
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
        throw new Error('lost')
      },
      merkleProof: async () => assert.fail('nothing is in a block'),
      headers: async () => assert.fail('no header is asked for')
    }
    return (
      await history.load({
        source,
        headers: new HeaderChain(chainParams('regtest')),
        catchUp: async () => {}
      })
    ).map((each) => each.transaction.txid)
  }

  it('a server that loses answers gives the whole bit by bit: what it gave is not asked for again', async () => {
    await assert.rejects(load(a, lost), /lost/)
    assert.deepEqual(await load(a, b), [a, b])
    assert.deepEqual(asked, [a, lost, b])
  })

  it('what it lists no more is forgotten: one that lists others with every try does not make us keep them all', async () => {
    await assert.rejects(load(a, lost), /lost/)
    await assert.rejects(load(b, lost), /lost/)
    assert.deepEqual(await load(a, b), [a, b])
    assert.deepEqual(asked, [a, lost, b, lost, a])
  })
})
