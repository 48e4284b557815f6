/** Who is told to disagree about a transaction, and how often. */
import assert from 'node:assert/strict'
import { makeTransaction } from '../../src/bitcoin/transaction.js'
import { Broadcasts } from '../../src/chain/broadcasting.js'
import type { ServerReport } from '../../src/chain/pool.js'
import { PoolServer } from '../../src/chain/pooled-script.js'
import type { ElectrumChain } from '../../src/chain/chain.js'
import { txid, type Txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { FakeClock } from './helpers.js'

const SENT = makeTransaction({ version: 3, inputs: [], outputs: [] })
const idOf = (n: number): Txid => txid(n.toString(16).padStart(64, '0'))
const refused = (id: Txid): PaychanError =>
  new PaychanError('ERR_BROADCAST_REFUSED', 'Refused.', { txid: id, kind: 'other', reason: 'no' })

/** Answers as `answer` says each time. */
function server(url: string, answer: () => Txid | Error): PoolServer {
  const chain = {
    status: 'synced',
    broadcast: async () => {
      const said = answer()
      if (said instanceof Error) throw said
      return { txid: said, taken: 1, of: 1, refusals: [] }
    }
  }
  return new PoolServer({ url }, chain as unknown as ElectrumChain)
}

describe('chain / broadcasting / servers that do not agree', () => {
  let reports: ServerReport[]
  let broadcasts: Broadcasts

  beforeEach(() => {
    reports = []
    broadcasts = new Broadcasts(new FakeClock(), 100, (report) => {
      reports.push(report)
    })
  })

  /** One takes it; the other answers with this. */
  async function send(id: Txid, other: Txid | Error): Promise<void> {
    await broadcasts.send([server('tcp://a:1', () => id), server('tcp://b:1', () => other)], SENT)
    // All answers are compared once the last of them is there.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }

  it('one that refuses what another one has taken is named, once for each transaction', async () => {
    for (const id of [idOf(1), idOf(1), idOf(2)]) await send(id, refused(id))
    assert.deepEqual(
      reports.map(({ code, server }) => [code, server]),
      [
        ['ERR_SERVERS_DISAGREE', 'tcp://b:1'],
        ['ERR_SERVERS_DISAGREE', 'tcp://b:1']
      ]
    )
    assert.match(
      reports[0]?.text ?? '',
      /tcp:\/\/b:1 refuses transaction 0+1 \(no\), and tcp:\/\/a:1 has taken it/
    )
  })

  it('one that could not be asked, that failed otherwise, or that agrees is not', async () => {
    for (const answer of [
      new PaychanError('ERR_CHAIN_UNAVAILABLE', 'Away.', { txid: idOf(1) }),
      new Error('broken'),
      idOf(1)
    ]) {
      await send(idOf(1), answer)
    }
    assert.deepEqual(reports, [])
  })

  it('nor is anybody when none has taken it', async () => {
    await assert.rejects(
      broadcasts.send(
        [server('tcp://a:1', () => refused(idOf(1))), server('tcp://b:1', () => refused(idOf(1)))],
        SENT
      ),
      { code: 'ERR_BROADCAST_REFUSED' }
    )
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    assert.deepEqual(reports, [])
  })

  it('a thousand of them are remembered; then they are told anew', async () => {
    for (let n = 1; n <= 1_000; n++) await send(idOf(n), refused(idOf(n)))
    await send(idOf(1), refused(idOf(1)))
    assert.equal(reports.length, 1_000)
    await send(idOf(1_001), refused(idOf(1_001)))
    await send(idOf(1), refused(idOf(1)))
    assert.equal(reports.length, 1_002)
  })
})
