/** What the wallet writes to disk, and what it says when it cannot read it. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { makeTransaction } from '../../src/bitcoin/transaction.js'
import { channelId, toHex, txid } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { feeRate, MAX_MONEY, satoshi } from '../../src/types/units.js'
import {
  branchChange,
  branchKey,
  claimChange,
  gapChange,
  readBranch,
  readClaim,
  readReservation,
  reservationChange,
  upgradeRecord
} from '../../src/wallet/records.js'
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
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const written = (value: Uint8Array | undefined): Uint8Array =>
  value ?? assert.fail('nothing is written')

describe('wallet records', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(outPoint), hash, index, claim, (inputs, channel, next, record) => {
        const reservation = { channel: channelId(channel), inputs }
        const change = reservationChange(reservation)
        assert.deepEqual(readReservation(change.key, written(change.value)), reservation)
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

  it('say their version and their checksum, and amounts as decimal strings', () => {
    const { value } = claimChange({
      output: {
        outPoint: { txid: txid('ab'.repeat(32)), vout: 1 },
        value: satoshi(MAX_MONEY),
        scriptPubKey: Uint8Array.of(1),
        key: { role: 'client', high: 1, low: 2, use: 'payout' }
      },
      sweep: undefined
    })
    const [json = '', sum] = new TextDecoder().decode(value).split('\n')
    assert.match(sum ?? '', /^[0-9a-f]{8}$/)
    assert.deepEqual(JSON.parse(json), {
      v: 3,
      value: '2100000000000000',
      scriptPubKey: '01',
      key: { role: 'client', high: 1, low: 2, use: 'payout' }
    })
  })

  it('are refused when a newer paychan wrote them, with both versions', () => {
    assert.throws(
      () => readBranch('receive', encode({ v: 4, next: 1, more: true })),
      (error) => {
        assert.ok(error instanceof PaychanError)
        assert.equal(error.code, 'ERR_STORE_VERSION')
        assert.deepEqual(error.facts, { key: branchKey('receive'), version: 4, known: 3 })
        return true
      }
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

  it('of version 1, which had no checksum, are written anew', () => {
    const upgraded = upgradeRecord('wallet/branch/change', encode({ v: 1, next: 5 }))
    assert.equal(readBranch('change', written(upgraded?.value)), 5)
    assert.equal(upgradeRecord('wallet/branch/change', written(upgraded?.value)), undefined)
    assert.throws(
      () => upgradeRecord('wallet/branch/change', encode({ v: 4, next: 5 })),
      (error) => codeOf(error) === 'ERR_STORE_VERSION'
    )
  })

  it('are refused when they are damaged', () => {
    const damaged = [
      new Uint8Array(0),
      Uint8Array.of(0xff, 0xfe),
      encode(null),
      encode(3),
      encode({}),
      encode({ next: 1 }),
      encode({ v: 1 }),
      encode({ v: 1, next: -1 }),
      encode({ v: 1, next: 0.5 }),
      encode({ v: 1, next: '1' }),
      encode({ v: 1, next: 0x80000000 })
    ]
    for (const value of damaged) {
      assert.throws(
        () => readBranch('receive', value),
        (error) => codeOf(error) === 'ERR_STORE_CORRUPT'
      )
    }
    assert.throws(
      () => readReservation('wallet/reservation/xyz', encode({ v: 1, inputs: [] })),
      (error) => codeOf(error) === 'ERR_STORE_CORRUPT'
    )
    assert.throws(
      () =>
        readReservation(
          `wallet/reservation/${'ab'.repeat(32)}`,
          encode({ v: 1, inputs: ['nothing'] })
        ),
      (error) => codeOf(error) === 'ERR_STORE_CORRUPT'
    )
    const good = {
      v: 1,
      value: '5',
      scriptPubKey: '00',
      key: { role: 'client', high: 1, low: 2, use: 'payout' }
    }
    const key = `wallet/claim/${'ab'.repeat(32)}:0`
    assert.equal(readClaim(key, encode(good)).output.value, 5n)
    for (const wrong of [
      { value: 5 },
      { value: '-5' },
      { value: '9999999999999999' },
      { scriptPubKey: 'zz' },
      { sweep: 'abc' },
      { key: { role: 'both', high: 1, low: 2, use: 'payout' } }
    ]) {
      assert.throws(
        () => readClaim(key, encode({ ...good, ...wrong })),
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
  bench.chain.mine()
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
    disk.set('wallet/label/x', new TextEncoder().encode('{"v":99,"text":"x"}'))
    await assert.rejects(bench.restart(disk), (error) => codeOf(error) === 'ERR_STORE_VERSION')
  })
})

describe('wallet / the gap', () => {
  it('is 20 addresses beyond the last one that was used, on each branch (BIP44)', async () => {
    const { chain } = await Bench.start()
    assert.equal(chain.watched.length, 40)
  })

  it('is as wide as a restore asked for, and coins far out are found', async () => {
    const far = await Bench.start()
    let script = await far.freshScript()
    for (let n = 0; n < 70; n++) script = await far.freshScript()
    far.chain.pay(script, sat(12_345))
    far.chain.mine()
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
