/** Records that cannot be read are told and left alone; the rest of the wallet goes on. */
import assert from 'node:assert/strict'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { gapChange } from '../../src/wallet/records.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'

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
