/** Who is told to disagree about a transaction, and how often. */
import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import { makeTransaction, parseTransaction } from '../../src/bitcoin/transaction.js'
import {
  broadcastRefused,
  PATIENT_SENDS,
  PatientSends,
  Broadcasts,
  isAlreadyThere,
  refusalKind,
  Underpaid
} from '../../src/chain/broadcasting.js'
import { REFUSAL_MS } from '../../src/chain/shared-costs.js'
import {
  createElectrumChain,
  type ElectrumChain,
  type ServerReport
} from '../../src/chain/chain.js'
import { createServerPool } from '../../src/chain/pool.js'
import { PoolServer } from '../../src/chain/pooled-script.js'
import { type Devnet, startDevnet } from '../../src/devnet/index.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import { toHex, txid, type Txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { alice, output, signed, type Spendable } from '../devnet/support.js'
import { FakeServer, Refusal } from './fake-server.js'
import { FakeClock, isSettled, realClock, Recorder, seededRandom } from './helpers.js'

const SENT = makeTransaction({ version: 3, inputs: [], outputs: [] })
const idOf = (n: number): Txid => txid(n.toString(16).padStart(64, '0'))
const refused = (id: Txid): PaychanError =>
  new PaychanError('ERR_BROADCAST_REFUSED', 'Refused.', { txid: id, kind: 'other', reason: 'no' })

/** Answers as `answer` says each time. */
function server(
  url: string,
  answer: () => Txid | Error | Promise<Txid>,
  status: ChainStatus = 'synced',
  taken = 1
): PoolServer {
  const chain = {
    status,
    broadcast: async () => {
      const said = await answer()
      if (said instanceof Error) throw said
      return { txid: said, taken, of: 1, refusals: [] }
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

describe('chain / broadcasting / what pays too little alone', () => {
  const parents = Array.from({ length: 101 }, (_, n) =>
    makeTransaction({
      version: 3,
      inputs: [],
      outputs: [{ script: new Uint8Array(22), value: satoshi(BigInt(n)) }]
    })
  )
  const [oldest = assert.fail(), second = assert.fail()] = parents
  const newest = parents[100] ?? assert.fail()
  const child = makeTransaction({
    version: 3,
    inputs: [oldest, second, second, newest].map(({ txid: id }, vout) => ({
      outPoint: { txid: id, vout },
      sequence: 0
    })),
    outputs: []
  })

  it('is kept for a child: a hundred of them, those that were refused last, each once', () => {
    const underpaid = new Underpaid()
    for (const parent of parents.slice(0, 100)) underpaid.add(parent)
    assert.deepEqual(underpaid.parentsOf(child), [oldest, second])
    underpaid.add(oldest)
    assert.deepEqual(underpaid.parentsOf(child), [oldest, second])
    underpaid.add(newest)
    assert.deepEqual(underpaid.parentsOf(child), [oldest, newest], 'it was refused once more')
    underpaid.remove(newest.txid)
    assert.deepEqual(underpaid.parentsOf(child), [oldest])
  })
})

describe('chain / broadcasting / what has no deadline', () => {
  const ID = txid('ab'.repeat(32))
  const settle = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
  }

  it('has few places, and a refusal keeps one for a while: a peer cannot use up a server by what it had signed (COST-6)', async () => {
    let now = 0
    const sends = new PatientSends({ now: () => now })
    const entered: string[] = []
    const send = (name: string): void => {
      void sends.enter(name, ID).then((isIn) => {
        if (isIn) entered.push(name)
      })
    }
    let left = 0
    const refuse = (): void => {
      const under = entered.slice(left)
      left = entered.length
      for (const name of under) sends.leave(name, true)
    }
    for (let n = 0; n < 400; n++) send(`close ${n}`)
    send('close 399')
    await settle()
    assert.equal(entered.length, PATIENT_SENDS)
    refuse()
    await settle()
    assert.equal(entered.length, PATIENT_SENDS, 'each refusal keeps its place')
    // 600 are forgiven in a block, and 100 taken for a refusal.
    const blocks = 36
    for (let block = 1; block <= blocks; block++) {
      now += 600_000
      sends.look()
      await settle()
      refuse()
    }
    assert.ok(100 * entered.length <= 800 + 250 * blocks, `${entered.length} refusals`)
    const before = entered.length
    now += REFUSAL_MS
    sends.look()
    await settle()
    assert.equal(entered.length, before + PATIENT_SENDS, 'and is forgotten then')
    assert.equal(new Set(entered).size, entered.length)
  })

  it('goes as fast as servers take it', async () => {
    const sends = new PatientSends({ now: () => 0 })
    const all = Array.from({ length: 100 }, async (_, n) => {
      if (await sends.enter(`close ${n}`, ID)) sends.leave(`close ${n}`, false)
    })
    await Promise.all(all)
  })

  it('waits once for each channel: the newest close takes the place of those before it (COST-6)', async () => {
    const sends = new PatientSends({ now: () => 0 })
    const entered: string[] = []
    const send = async (channel: string, close: number): Promise<void> => {
      const id = txid(close.toString(16).padStart(64, '0'))
      if (!(await sends.enter(channel, id))) return
      entered.push(`${channel} ${close}`)
    }
    const sent = Array.from({ length: PATIENT_SENDS }, (_, n) => send(`first ${n}`, n))
    for (let close = 1; close <= 11; close++) sent.push(send('mallory', close))
    sent.push(send('alice', 1))
    for (let close = 12; close <= 40; close++) sent.push(send('mallory', close))
    await settle()
    for (let n = 0; n < PATIENT_SENDS; n++) sends.leave(`first ${n}`, false)
    await Promise.all(sent)
    assert.deepEqual(entered.slice(PATIENT_SENDS), ['mallory 40', 'alice 1'])
  })

  it('of one channel there is one under way', async () => {
    const sends = new PatientSends({ now: () => 0 })
    const [first, second] = [txid('01'.repeat(32)), txid('02'.repeat(32))]
    assert.equal(await sends.enter('close', first), true)
    assert.equal(await sends.enter('close', first), false)
    const next = sends.enter('close', second)
    sends.look()
    assert.equal(await isSettled(next), false)
    sends.leave('close', false)
    assert.equal(await next, true)
  })

  it('waits no more at the end: all are answered, and nothing stands in the line', async () => {
    const sends = new PatientSends({ now: () => 0 })
    const entered = await Promise.all(
      Array.from({ length: PATIENT_SENDS }, (_, n) => sends.enter(`first ${n}`, ID))
    )
    assert.ok(entered.every(Boolean))
    const late = sends.enter('late', ID)
    sends.stop()
    assert.equal(await late, false)
    sends.leave('first 0', false)
    assert.equal(await sends.enter('late', ID), true)
  })

  describe('at several servers', () => {
    const A_LONG_TIME = new Promise<never>(() => {})
    let clock: FakeClock
    let broadcasts: Broadcasts
    let reports: ServerReport[]
    const none = (): PoolServer => server('tcp://none:1', () => ID, 'synced', 0)
    const waits = (): PoolServer => server('tcp://a:1', () => A_LONG_TIME)
    const PATIENT = { patientFor: 'close 1' } as const

    beforeEach(() => {
      clock = new FakeClock()
      reports = []
      broadcasts = new Broadcasts(clock, 100, (report) => {
        reports.push(report)
      })
    })

    /** A server that answers when it is told to. */
    function late(url: string): { server: PoolServer; take: (id: Txid) => void } {
      let take = (_: Txid): void => {}
      const taken = new Promise<Txid>((resolve) => {
        take = resolve
      })
      return {
        server: server(url, () => taken),
        take: (id) => {
          take(id)
        }
      }
    }

    it('one that lets it wait holds up nobody else: whoever takes it first answers', async () => {
      const sent = broadcasts.send([waits(), server('tcp://b:1', () => ID)], SENT, PATIENT)
      await clock.set.when((ms) => ms === 100)
      clock.advance(100)
      assert.deepEqual(await sent, { txid: ID, taken: 1, of: 2, refusals: [] })
    })

    it('a refusal is told once each server that was asked has had its time, and not when the last line moves', async () => {
      const sent = broadcasts.send([waits(), server('tcp://b:1', () => refused(ID))], SENT, PATIENT)
      await clock.set.when((ms) => ms === 35_000)
      clock.advance(35_000)
      await assert.rejects(sent, { code: 'ERR_BROADCAST_REFUSED' })
    })

    it('one that takes it after a refusal has taken it', async () => {
      const { server: slow, take } = late('tcp://a:1')
      const sent = broadcasts.send([slow, server('tcp://b:1', () => refused(ID))], SENT, PATIENT)
      await clock.set.when((ms) => ms === 35_000)
      clock.advance(34_000)
      take(ID)
      const { taken: takers, refusals } = await sent
      assert.deepEqual([takers, refusals.length], [1, 1])
    })

    it('what waits in every line already is sent by nobody again, and is not told as taken', async () => {
      assert.deepEqual(await broadcasts.send([none(), none()], SENT, PATIENT), {
        txid: SENT.txid,
        taken: 0,
        of: 2,
        refusals: []
      })
      await assert.rejects(
        broadcasts.send([none(), server('tcp://b:1', () => refused(ID))], SENT, PATIENT),
        { code: 'ERR_BROADCAST_REFUSED' }
      )
      await settle()
      assert.deepEqual(reports, [], 'nobody has taken it, so that nobody disagrees')
    })

    it('a line in which it waits already says nothing: the others have all the time that they need', async () => {
      const { server: slow, take } = late('tcp://b:1')
      const sent = broadcasts.send([none(), slow], SENT, PATIENT)
      await settle()
      clock.advance(30_000)
      take(ID)
      await clock.set.when((ms) => ms === 100)
      clock.advance(100)
      assert.equal((await sent).taken, 1)
    })

    it('what has a deadline waits for each server that was asked, however long ago one has refused it', async () => {
      const { server: slow, take } = late('tcp://a:1')
      const sent = broadcasts.send([slow, server('tcp://b:1', () => refused(ID))], SENT)
      await settle()
      clock.advance(60_000)
      assert.equal(await isSettled(sent), false)
      take(ID)
      assert.equal((await sent).taken, 1)
    })
  })

  it('a server that refuses everything takes the places of no other one (COST-6)', async () => {
    const liar = await new FakeServer().listen()
    const honest = await new FakeServer(liar.chain).listen()
    const clock = realClock
    const pool = createServerPool({
      servers: [{ url: liar.url }, { url: honest.url }],
      network: 'regtest',
      clock,
      random: seededRandom(1),
      times: { answers: 100 }
    })
    const asked = { liar: new Set<string>(), honest: new Set<string>() }
    const closes = Array.from({ length: 3 * PATIENT_SENDS }, (_, n) =>
      makeTransaction({
        version: 2,
        inputs: [],
        outputs: [{ script: new Uint8Array(22), value: satoshi(BigInt(n)) }]
      })
    )
    const byRaw = new Map(closes.map((close) => [toHex(close.raw), close.txid]))
    liar.on('blockchain.transaction.broadcast', ([raw]) => {
      asked.liar.add(String(raw))
      throw new Refusal('bad-txns-whatever')
    })
    honest.on('blockchain.transaction.broadcast', ([raw]) => {
      asked.honest.add(String(raw))
      return byRaw.get(String(raw)) ?? ''
    })
    await pool.start()
    try {
      await new Promise<void>((resolve) => {
        pool.onTip(() => {
          resolve()
        })
      })
      const verdicts = await Promise.all(
        closes.map((close, n) => pool.broadcast(close, { patientFor: `close ${n}` }))
      )
      assert.ok(verdicts.every(({ taken }) => taken === 1))
      assert.deepEqual([asked.honest.size, asked.liar.size], [closes.length, PATIENT_SENDS])
    } finally {
      await pool.stop()
      await Promise.all([liar.close(), honest.close()])
    }
  })
})
