/** What the wallet writes to disk, and what it says when it cannot read it. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { addressFromScript, scriptFromAddress, scriptOf } from '../../src/bitcoin/address.js'
import { makeTransaction, parseTransaction } from '../../src/bitcoin/transaction.js'
import { channelId, toHex, txid, type Txid } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { encodeRecord, RECORD_VERSION, sealRecord } from '../../src/types/records.js'
import { blockHeight, feeRate, MAX_MONEY, satoshi } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { abandonedChange, readAbandoned } from '../../src/wallet/funding.js'
import { MOST_UNUSED, RESTORE_GAP } from '../../src/wallet/gaps.js'
import {
  branchChange,
  claimChange,
  gapChange,
  readBranch,
  readClaim,
  readReservation,
  reservationChange
} from '../../src/wallet/records.js'
import type { TransactionKind, WalletTransaction } from '../../src/wallet/node-wallet.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex)
const outPoint = fc.record(
  { txid: hash.map(txid), vout: fc.nat({ max: 0xffffffff }) },
  { noNullPrototype: true }
)
const index = fc.nat({ max: 0x7fffffff })
const sweep = outPoint.map((spent) =>
  makeTransaction({
    version: 2,
    inputs: [{ outPoint: spent, sequence: 1 }],
    outputs: [{ script: new Uint8Array(22), value: satoshi(1n) }]
  })
)
const claim = fc.record(
  {
    output: fc.record(
      {
        outPoint,
        value: fc.bigInt({ min: 0n, max: MAX_MONEY }).map(satoshi),
        scriptPubKey: fc.uint8Array({ minLength: 1, maxLength: 42 }),
        key: fc.record(
          {
            role: fc.constantFrom('client' as const, 'server' as const),
            high: index,
            low: index,
            use: fc.constantFrom('channel' as const, 'payout' as const)
          },
          { noNullPrototype: true }
        )
      },
      { noNullPrototype: true }
    ),
    sweep: fc.option(sweep, { nil: undefined })
  },
  { noNullPrototype: true }
)
const OLD = new Uint8Array(34).fill(7)
const written = (value: Uint8Array | undefined): Uint8Array =>
  value ?? assert.fail('nothing is written')

describe('wallet records', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(outPoint), hash, index, claim, (inputs, channel, next, record) => {
        const funding = txid(toHex(new Uint8Array(32).fill(inputs.length)))
        const refundHeight = blockHeight(next % 500_000_000)
        const reservation = {
          ...{ channel: channelId(channel), inputs, funding },
          ...(next % 2 === 0 ? {} : { beside: true as const, refundHeight, fee: sat(next) }),
          ...(next % 3 === 0
            ? { old: { outPoint: { txid: funding, vout: 1 }, value: sat(next), script: OLD } }
            : {})
        }
        const change = reservationChange(reservation)
        assert.deepEqual(readReservation(change.key, written(change.value)), reservation)
        const abandoned = abandonedChange(reservation)
        assert.deepEqual(readAbandoned(abandoned.key, written(abandoned.value)), {
          inputs,
          funding
        })
        assert.equal(readBranch('change', written(branchChange('change', next).value)), next)
        const claimed = claimChange(record)
        const { sweep, output } = readClaim(claimed.key, written(claimed.value))
        assert.deepEqual(
          {
            output: { ...output, scriptPubKey: [...output.scriptPubKey] },
            sweep: sweep?.raw
          },
          {
            output: { ...record.output, scriptPubKey: [...record.output.scriptPubKey] },
            sweep: record.sweep?.raw
          }
        )
      }),
      { numRuns: 50 }
    )
  })

  it('are refused when a single character changed, and when one stands in the place of another', () => {
    const { key, value } = branchChange('receive', 17)
    const bytes = written(value)
    assert.equal(readBranch('receive', bytes), 17)
    bytes.forEach((byte, i) => {
      const damaged = Uint8Array.from(bytes)
      damaged[i] = byte ^ 1
      assert.throws(
        () => readBranch('receive', damaged),
        (error) => ['ERR_STORE_CORRUPT', 'ERR_STORE_VERSION'].includes(codeOf(error)),
        `byte ${i}`
      )
    })
    assert.throws(
      () => readBranch('change', bytes),
      (error) => codeOf(error) === 'ERR_STORE_CORRUPT'
    )
    assert.equal(key, 'wallet/branch/receive')
  })

  it('are refused when they are damaged', () => {
    const next = (value: unknown): Uint8Array => encodeRecord('wallet/branch/receive', value)
    const damaged = [
      new Uint8Array(0),
      Uint8Array.of(0xff, 0xfe),
      next(null),
      next(3),
      next({}),
      next({ next: -1 }),
      next({ next: 0.5 }),
      next({ next: '1' }),
      next({ next: 0x80000000 })
    ]
    for (const value of damaged) {
      assert.throws(
        () => readBranch('receive', value),
        (error) => codeOf(error) === 'ERR_STORE_CORRUPT'
      )
    }
    for (const [key, inputs] of [
      ['wallet/reservation/xyz', []],
      [`wallet/reservation/${'ab'.repeat(32)}`, ['nothing']]
    ] as const) {
      assert.throws(
        () => readReservation(key, encodeRecord(key, { inputs, funding: 'ab'.repeat(32) })),
        (error) => codeOf(error) === 'ERR_STORE_CORRUPT'
      )
    }
    const good = {
      value: 5n,
      scriptPubKey: Uint8Array.of(0),
      key: { role: 'client', high: 1, low: 2, use: 'payout' }
    }
    const key = `wallet/claim/${'ab'.repeat(32)}:0`
    assert.equal(readClaim(key, encodeRecord(key, good)).output.value, 5n)
    for (const wrong of [
      { value: 5 },
      { value: -5n },
      { value: 9_999_999_999_999_999n },
      { scriptPubKey: 'zz' },
      { sweep: Uint8Array.of(1, 2) },
      { key: { role: 'both', high: 1, low: 2, use: 'payout' } }
    ]) {
      assert.throws(
        () => readClaim(key, encodeRecord(key, { ...good, ...wrong })),
        (error) => codeOf(error) === 'ERR_STORE_CORRUPT'
      )
    }
  })
})

/* Records that cannot be read are told and left alone; the rest of the wallet goes on. */

/** A wallet with a record of every kind on its disk. */
async function full(): Promise<Bench> {
  const bench = await Bench.start()
  await bench.receive(60_000, 50_000, 40_000)
  await bench.wallet.buildFunding({
    channel: channelNamed('one'),
    scriptPubKey: fundingScriptOf('peer'),
    amount: sat(30_000),
    feeRate: feeRate(1_000n)
  })
  await bench.wallet.send({
    to: 'mkHS9ne12qx9pS9VojpwU5xtRd4T7X7ZUt',
    amount: 10_000n,
    feeRate: 1_000n,
    label: 'rent'
  })
  const payout = bench.payout(25_000)
  bench.sim.mine()
  await bench.wallet.claim(payout)
  await bench.settled()
  return bench
}

function flipped(value: Uint8Array): Uint8Array {
  const damaged = Uint8Array.from(value)
  damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1
  return damaged
}

describe('wallet / a damaged record', () => {
  for (const prefix of [
    'wallet/branch/receive',
    'wallet/branch/change',
    'wallet/reservation/',
    'wallet/claim/',
    'wallet/outgoing/',
    'wallet/label/',
    'wallet/made/'
  ]) {
    it(`${prefix}: is named with what it means, and the wallet goes on`, async () => {
      const bench = await full()
      const { confirmed } = bench.wallet.balance()
      const disk = new Map(
        [...bench.store.snapshot()].map(([key, value]) => [
          key,
          key.startsWith(prefix) ? flipped(value) : value
        ])
      )
      await bench.restart(disk)
      const told = bench.errors.filter((error) => codeOf(error) === 'ERR_STORE_CORRUPT')
      assert.ok(
        told.length > 0 &&
          told.every(
            (error) => error instanceof PaychanError && String(error.facts.key).startsWith(prefix)
          ),
        'nobody is told'
      )
      assert.equal(bench.wallet.balance().confirmed, confirmed)
      await bench.wallet.send({ to: 'mkHS9ne12qx9pS9VojpwU5xtRd4T7X7ZUt', amount: 5_000n })
      await bench.wallet.stop()
    })
  }

  it('of a newer release stops the wallet all the same', async () => {
    const bench = await full()
    const disk = new Map(bench.store.snapshot())
    disk.set('wallet/label/x', sealRecord('wallet/label/x', Uint8Array.of(1), RECORD_VERSION + 1))
    await assert.rejects(bench.restart(disk), (error) => codeOf(error) === 'ERR_STORE_VERSION')
  })
})

describe('wallet / the gap', () => {
  it('is 20 addresses beyond the last one that was used, on each branch (BIP44)', async () => {
    const { chain } = await Bench.start()
    assert.equal(chain.watched.length, 40)
  })

  it('of a restore is wider than the addresses that are handed out while nobody pays (OPEN-13)', async () => {
    const far = await Bench.start()
    await far.store.commit([branchChange('receive', MOST_UNUSED - 1)])
    await far.restart()
    // Channels take theirs all the same.
    for (let n = 0; n < 10; n++) await far.wallet.newScript()
    far.sim.fund(await far.freshScript(), sat(12_345))
    far.sim.mine()
    await far.wallet.stop()
    const { key, value } = gapChange(RESTORE_GAP)
    const restored = await Bench.start({
      chain: far.chain,
      disk: new Map([[key, value ?? assert.fail()]])
    })
    assert.equal(restored.wallet.balance().confirmed, 12_345n)
    await restored.wallet.stop()
  })

  it('of a restore finds what people were told of, however much an earlier version drew for channels (OPEN-13)', async () => {
    const far = await Bench.start()
    await far.receive(1_000)
    await far.store.commit([branchChange('receive', RESTORE_GAP + 6)])
    const told = new Set<string>()
    for (let n = 0; n < 3; n++) {
      await far.restart()
      told.add(await far.wallet.newAddress())
    }
    assert.equal(told.size, 1, 'no start moves it')
    far.sim.fund(scriptFromAddress([...told].join(), 'regtest'), sat(12_345))
    far.sim.mine()
    await far.settled()
    // From there on the words find the next ones, too.
    far.sim.fund(await far.freshScript(), sat(6_789))
    far.sim.mine()
    await far.wallet.stop()
    const { key, value } = gapChange(RESTORE_GAP)
    const restored = await Bench.start({
      chain: far.chain,
      disk: new Map([[key, value ?? assert.fail()]])
    })
    assert.equal(restored.wallet.balance().confirmed, 20_134n)
    await restored.wallet.stop()
  })

  it('is as wide as a restore asked for, and coins far out are found', async () => {
    const far = await Bench.start()
    let script = await far.freshScript()
    for (let n = 0; n < 70; n++) script = await far.freshScript()
    far.sim.fund(script, sat(12_345))
    far.sim.mine()
    await far.wallet.stop()
    const narrow = await Bench.start({ chain: far.chain })
    assert.equal(narrow.wallet.balance().confirmed, 0n)
    await narrow.wallet.stop()
    const { key, value } = gapChange(100)
    const wide = await Bench.start({
      chain: far.chain,
      disk: new Map([[key, value ?? assert.fail()]])
    })
    assert.equal(wide.wallet.balance().confirmed, 12_345n)
    await wide.receive(1_000)
    assert.equal(
      wide.wallet.balance().confirmed,
      13_345n,
      'addresses that were used are not handed out again'
    )
  })
})

/* The history of the wallet, and the labels in it. */

const TO = addressFromScript(
  scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) }),
  'regtest'
)

describe('wallet / history', () => {
  let bench: Bench

  beforeEach(async () => {
    bench = await Bench.start()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  const none = (): undefined => undefined
  const list = (kindOf: (id: Txid) => TransactionKind | undefined = none): WalletTransaction[] =>
    bench.wallet.transactions(kindOf)
  const lines = (): string[] =>
    list().map(({ kind, amount, fee, confirmations, status, label }) =>
      `${kind} ${amount} fee ${fee ?? '?'} ${status} ${confirmations} ${label ?? ''}`.trim()
    )

  it('tells what came, what went and what is under way, the newest first', async () => {
    const address = await bench.wallet.newAddress()
    await bench.wallet.label(address, 'salary')
    bench.sim.fund(scriptFromAddress(address, 'regtest'), sat(100_000))
    bench.sim.mine(2)
    await bench.settled()
    await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 1_000n, label: 'rent' })
    await bench.settled()
    assert.deepEqual(lines(), [
      'send -30141 fee 141 mempool 0 rent',
      'receive 100000 fee ? confirmed 2 salary'
    ])
    bench.sim.mine(3)
    await bench.settled()
    assert.deepEqual(lines(), [
      'send -30141 fee 141 confirmed 3 rent',
      'receive 100000 fee ? confirmed 5 salary'
    ])
  })

  it('goes back with the chain in a reorg, and counts a replaced send once', async () => {
    await bench.receive(100_000)
    const sent = await bench.wallet.send({
      to: TO,
      amount: 30_000n,
      feeRate: 1_000n,
      label: 'rent'
    })
    await bench.settled()
    await bench.wallet.bumpFee(sent.txid ?? assert.fail(), { feeRate: 2_000n })
    await bench.settled()
    assert.deepEqual(lines(), [
      'send -30282 fee 282 mempool 0 rent',
      'receive 100000 fee ? confirmed 1'
    ])
    bench.sim.mine()
    await bench.settled()
    bench.chain.reorg(2)
    await bench.settled()
    assert.deepEqual(lines().sort(), [
      'receive 100000 fee ? mempool 0',
      'send -30282 fee 282 mempool 0 rent'
    ])
  })

  it('shows what no mempool has as waiting', async () => {
    await bench.receive(100_000)
    bench.chain.setStatus('down')
    await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 1_000n })
    assert.equal(lines()[0], 'send -30141 fee 141 waiting 0')
  })

  it('takes the kind of a channel transaction from the node', async () => {
    await bench.receive(100_000)
    const { raw, outPoint } = await bench.wallet.buildFunding({
      channel: channelNamed('a'),
      scriptPubKey: fundingScriptOf('a'),
      amount: sat(50_000),
      feeRate: feeRate(1_000n)
    })
    await bench.chain.broadcast(parseTransaction(raw))
    await bench.settled()
    const [funding] = list((id) => (id === outPoint.txid ? 'funding' : undefined))
    assert.deepEqual([funding?.kind, funding?.amount, funding?.fee], ['funding', -50_153n, 153n])
  })

  it('knows a sweep and its fee for good', async () => {
    const output = bench.payout(50_000)
    bench.sim.mine()
    await bench.settled()
    await bench.wallet.claim(output)
    await bench.settled()
    bench.sim.mine(BURIED_DEPTH + 2)
    await bench.settled()
    await bench.restart()
    assert.deepEqual(lines(), [`sweep 49889 fee 111 confirmed ${BURIED_DEPTH + 2}`])
  })

  it('labels survive a restart, and an empty one is none', async () => {
    await bench.receive(100_000)
    const id = list()[0]?.txid ?? assert.fail()
    await bench.wallet.label(id.toUpperCase(), '  gift ')
    await bench.restart()
    assert.equal(list()[0]?.label, 'gift')
    await bench.wallet.label(id, '')
    assert.equal(list()[0]?.label, undefined)
    await assert.rejects(
      bench.wallet.label('nonsense', 'x'),
      (error) => codeOf(error) === 'ERR_INVALID_ADDRESS'
    )
    await assert.rejects(
      bench.wallet.label(id, 'x'.repeat(129)),
      (error) => codeOf(error) === 'ERR_INVALID_LABEL'
    )
  })
})
