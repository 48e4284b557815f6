/** Who is told to disagree about a transaction, and how often. */
import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import { makeTransaction, parseTransaction } from '../../src/bitcoin/transaction.js'
import {
  broadcastRefused,
  Broadcasts,
  isAlreadyThere,
  refusalKind
} from '../../src/chain/broadcasting.js'
import {
  createElectrumChain,
  type ElectrumChain,
  type ServerReport
} from '../../src/chain/chain.js'
import { PoolServer } from '../../src/chain/pooled-script.js'
import { type Devnet, startDevnet } from '../../src/devnet/devnet.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import { txid, type Txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { alice, output, signed, type Spendable } from '../devnet/support.js'
import { FakeServer, Refusal } from './fake-server.js'
import { FakeClock, realClock, Recorder, seededRandom } from './helpers.js'

const SENT = makeTransaction({ version: 3, inputs: [], outputs: [] })
const idOf = (n: number): Txid => txid(n.toString(16).padStart(64, '0'))
const refused = (id: Txid): PaychanError =>
  new PaychanError('ERR_BROADCAST_REFUSED', 'Refused.', { txid: id, kind: 'other', reason: 'no' })

/** Answers as `answer` says each time. */
function server(
  url: string,
  answer: () => Txid | Error | Promise<never>,
  status: ChainStatus = 'synced'
): PoolServer {
  const chain = {
    status,
    broadcast: async () => {
      const said = await answer()
      if (said instanceof Error) throw said
      return { txid: said, taken: 1, of: 1, refusals: [] }
    }
  }
  return new PoolServer({ url }, chain as unknown as ElectrumChain)
}

describe('chain / broadcasting / servers that do not agree', () => {
  let reports: ServerReport[]
  let broadcasts: Broadcasts
  let clock: FakeClock

  beforeEach(() => {
    reports = []
    clock = new FakeClock()
    broadcasts = new Broadcasts(clock, 100, (report) => {
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

  it('once one has taken it the others have their time to answer, and one that is down has none', async () => {
    const [taker, silent] = [() => idOf(1), () => new Promise<never>(() => {})]
    const isTold = new Recorder<number>()
    const sent = broadcasts
      .send([server('tcp://a:1', taker), server('tcp://b:1', silent)], SENT)
      .then(({ taken }) => {
        isTold.push(taken)
      })
    await clock.set.when((ms) => ms === 100)
    clock.advance(99)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    assert.deepEqual(isTold.all, [])
    clock.advance(1)
    await sent
    assert.deepEqual(isTold.all, [1])
    await broadcasts.send([server('tcp://a:1', taker), server('tcp://b:1', silent, 'down')], SENT)
  })

  it('what a server refuses is told to whoever sends it, and nothing else that goes wrong with one', async () => {
    const errors = [
      refused(idOf(1)),
      new PaychanError('ERR_CHAIN_UNAVAILABLE', 'Away.', { txid: idOf(1) }),
      new Error('broken')
    ]
    const { refusals } = await broadcasts.send(
      [() => idOf(1), ...errors.map((error) => () => error)].map((answer, i) =>
        server(`tcp://a:${i}`, answer)
      ),
      SENT
    )
    assert.deepEqual(refusals, [{ kind: 'other', reason: 'no' }])
    const worst = async (...of: readonly Error[]): Promise<unknown> =>
      await broadcasts
        .send(
          of.map((error, i) => server(`tcp://a:${i}`, () => error)),
          SENT
        )
        .catch((error: unknown) => error)
    const [no, away = assert.fail(), broken = assert.fail()] = errors
    const fee = new PaychanError('ERR_BROADCAST_REFUSED', 'Refused.', {
      txid: idOf(1),
      kind: 'fee-too-low',
      reason: 'mempool full'
    })
    assert.equal(await worst(away, broken), away)
    assert.equal(await worst(away, no ?? broken, broken), no)
    assert.equal(await worst(away, no ?? broken, fee), fee, 'it can be helped')
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

describe('broadcast refusal', () => {
  for (const [text, kind] of [
    ['the transaction was rejected by network rules.\n\nnon-final\n[0200]', 'non-final'],
    ['sendrawtransaction RPC error: {"code":-26,"message":"non-BIP68-final"}', 'non-final'],
    [
      'the transaction was rejected by network rules.\n\nbad-txns-inputs-missingorspent',
      'missing-inputs'
    ],
    ['Missing inputs', 'missing-inputs'],
    ['min relay fee not met, 100 < 181', 'fee-too-low'],
    ['mempool min fee not met, 100 < 181', 'fee-too-low'],
    [
      'insufficient fee, rejecting replacement 00ff; new feerate 0.00001 BTC/kvB <= old feerate',
      'insufficient-fee'
    ],
    [
      'insufficient fee, rejecting replacement 00ff, not enough additional fees to relay; 0.00 < 0.00000181',
      'insufficient-fee'
    ],
    [
      'replacement-failed, insufficient feerate: does not improve feerate diagram',
      'insufficient-fee'
    ],
    [
      'package RBF failed: package feerate is less than or equal to parent feerate',
      'insufficient-fee'
    ],
    ['package RBF failed: new transaction cannot have mempool ancestors', 'other'],
    ['mempool full', 'fee-too-low'],
    ['the transaction was rejected by network rules.\n\nmempool-full', 'fee-too-low'],
    ['mempool-min-fee-not-met', 'fee-too-low'],
    ['too-long-mempool-chain, too many descendants', 'other'],
    ['replacement-adds-unconfirmed, replacement 00ff adds unconfirmed input', 'other'],
    ['too many potential replacements, rejecting replacement 00ff', 'other'],
    ['dust, tx with dust output must be 0-fee', 'dust'],
    ['TRUC-violation, version=3 tx is too big', 'other']
  ] as const) {
    it(`reads '${text.replaceAll('\n', ' ').slice(0, 60)}' as ${kind}`, () => {
      assert.equal(refusalKind(text), kind)
      assert.equal(isAlreadyThere(text), false)
    })
  }

  for (const text of [
    'txn-already-in-mempool',
    'txn-already-known',
    'Transaction already in block chain',
    'Transaction outputs already in utxo set',
    'the transaction was rejected by network rules.\n\nTransaction already in mempool'
  ]) {
    it(`takes '${text.replaceAll('\n', ' ').slice(-40)}' for success`, () => {
      assert.equal(isAlreadyThere(text), true)
    })
  }

  it("hands on the server's words, short and without control characters", () => {
    const error = broadcastRefused(
      txid('ab'.repeat(32)),
      `bad\u001b[31m-txns\n${'00'.repeat(4000)}`
    )
    assert.equal(error.code, 'ERR_BROADCAST_REFUSED')
    assert.equal(error.facts.kind, 'other')
    assert.match(String(error.facts.reason), /^bad \[31m-txns 00/)
    assert.ok(String(error.facts.reason).length <= 300)
  })
})

/*
 * A child that pays for a parent which the mempool refuses alone: in one package, where the server
 * can take one.
 */

const TIMEOUTS = { retryFirst: 2, retryMost: 20 }

describe('electrum chain / packages', () => {
  let chain: ElectrumChain
  let coin: Spendable
  let devnet: Devnet

  beforeEach(async () => {
    devnet = await startDevnet({ seed: 'packages' })
    await devnet.fund(alice.address, satoshi(100_000n))
    await devnet.mine(1)
    coin = (await devnet.utxos(alice.script))[0] ?? assert.fail()
    chain = createElectrumChain({
      url: devnet.url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      timeouts: TIMEOUTS
    })
    await chain.start()
  })

  afterEach(async () => {
    await chain.stop()
    await devnet.stop()
  })

  const spend = (from: Spendable, fee: bigint): Transaction =>
    signed({
      from: [{ ...from, owner: alice }],
      to: [[alice.script, from.value - fee]],
      version: 3
    })
  const refusal = async (sent: Promise<unknown>): Promise<unknown> =>
    await sent.then(
      () => 'accepted',
      (error: unknown) => (error instanceof PaychanError ? error.facts.kind : error)
    )

  it('bring both in, once the parent has been refused for its fee', async () => {
    const parent = spend(coin, 10n)
    const child = spend(output(parent, 0), 5_000n)
    assert.equal(
      await refusal(chain.broadcast(parseTransaction(child.toBuffer()))),
      'missing-inputs',
      'nobody has seen the parent'
    )
    assert.equal(await refusal(chain.broadcast(parseTransaction(parent.toBuffer()))), 'fee-too-low')
    assert.equal((await chain.broadcast(parseTransaction(child.toBuffer()))).txid, child.getId())
    assert.equal((await devnet.backend.mempool()).length, 2)
  })

  it('are refused with the reason when the child pays too little as well', async () => {
    const parent = spend(coin, 10n)
    assert.equal(await refusal(chain.broadcast(parseTransaction(parent.toBuffer()))), 'fee-too-low')
    assert.equal(
      await refusal(chain.broadcast(parseTransaction(spend(output(parent, 0), 50n).toBuffer()))),
      'fee-too-low'
    )
  })

  it('are not sent to a server that speaks a protocol without them', async () => {
    const server = await new FakeServer().listen()
    const other = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      timeouts: TIMEOUTS
    })
    await other.start()
    const parent = spend(coin, 10n)
    server.on('blockchain.transaction.broadcast', ([raw]) => {
      throw new Refusal(
        raw === parent.toHex()
          ? 'min relay fee not met, 10 < 110'
          : 'bad-txns-inputs-missingorspent'
      )
    })
    assert.equal(await refusal(other.broadcast(parseTransaction(parent.toBuffer()))), 'fee-too-low')
    assert.equal(
      await refusal(other.broadcast(parseTransaction(spend(output(parent, 0), 5_000n).toBuffer()))),
      refusalKind('bad-txns-inputs-missingorspent')
    )
    assert.equal(server.count('blockchain.transaction.broadcast_package'), 0)
    await other.stop()
    await server.close()
  })
})
