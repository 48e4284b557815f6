/** What the words alone bring back. */
import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { testRoot } from './test-root.js'
import { AddressBook, GAP } from '../../src/wallet/addresses.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'
import { gapChange } from '../../src/wallet/records.js'
import { feeRate } from '../../src/types/units.js'

describe('wallet / restore', () => {
  const book = new AddressBook(testRoot('alice'), 'regtest')

  it('finds every coin that is at most a gap behind the last, on both branches', async () => {
    const bench = await Bench.start({ seed: 'another' })
    // The last address of the gap, then the last of the next gap, and so on: each hit widens the
    // search.
    const receive = [GAP - 1, 2 * GAP - 1, 3 * GAP - 1]
    for (const index of receive) bench.chain.pay(book.at('receive', index).scriptPubKey, sat(1_000))
    bench.chain.pay(book.at('change', GAP - 1).scriptPubKey, sat(300))
    bench.chain.pay(book.at('receive', 4 * GAP).scriptPubKey, sat(50_000))
    bench.chain.mine()
    const restored = await Bench.start({ chain: bench.chain })
    await restored.settled()
    assert.equal(
      restored.wallet.balance().confirmed,
      3_300n,
      'one beyond the gap is not looked for'
    )
    assert.equal(
      await restored
        .freshScript()
        .then((script) => Buffer.from(script).equals(book.at('receive', 3 * GAP).scriptPubKey)),
      true,
      'no used address is handed out again'
    )
    await restored.wallet.stop()
    await bench.wallet.stop()
  })

  it('finds what was paid to close scripts, in a directory that was made from the words', async () => {
    const first = await Bench.start()
    const script = first.wallet.closeScript(100)
    assert.equal(await first.wallet.recognise(script), true)
    first.chain.pay(script, sat(7_000))
    first.chain.mine()
    await first.settled()
    assert.equal(first.wallet.balance().confirmed, 7_000n, 'what was recognised is watched')
    const next = await first.wallet.newScript()
    assert.deepEqual(
      Buffer.from(next),
      Buffer.from(book.at('receive', 0).scriptPubKey),
      'and moves no address'
    )
    await first.wallet.stop()
    const restored = await Bench.start({
      chain: first.chain,
      disk: new Map([gapChange(GAP)].map(({ key, value }) => [key, value ?? new Uint8Array()]))
    })
    await restored.settled()
    assert.equal(restored.wallet.balance().confirmed, 7_000n)
    await restored.wallet.stop()
  })

  it('watches no close script that no channel with funds has', async () => {
    const bench = await Bench.start()
    const script = bench.wallet.closeScript(3)
    bench.chain.pay(script, sat(7_000))
    bench.chain.mine()
    await bench.settled()
    assert.equal(bench.wallet.balance().confirmed, 0n)
    await bench.wallet.stop()
  })

  it("does not say that a script is somebody else's before it has heard of all addresses", async () => {
    const bench = await Bench.start({ seed: 'another' })
    bench.chain.setStatus('down')
    const fresh = await Bench.start({ chain: bench.chain })
    const beyond = book.at('receive', 2 * GAP).scriptPubKey
    await assert.rejects(fresh.wallet.recognise(beyond), { code: 'ERR_CHAIN_UNAVAILABLE' })
    assert.equal(await fresh.wallet.recognise(book.at('receive', 3).scriptPubKey), true)
    bench.chain.setStatus('synced')
    await fresh.settled()
    assert.equal(await fresh.wallet.recognise(beyond), false)
    await fresh.wallet.stop()
    await bench.wallet.stop()
  })

  it('goes on with what the first node had under way on the chain, and tells its history', async () => {
    const first = await Bench.start()
    await first.receive(100_000)
    const built = await first.wallet.buildFunding({
      channel: channelNamed('a'),
      scriptPubKey: fundingScriptOf('a'),
      amount: sat(40_000),
      feeRate: feeRate(1_000n)
    })
    await first.chain.broadcast(parseTransaction(built.raw))
    // A close pays to an address that the wallet gave out.
    const close = await first.wallet.newScript()
    first.chain.pay(close, sat(15_000))
    first.chain.mine()
    await first.settled()
    const balance = first.wallet.balance()
    await first.wallet.stop()
    const restored = await Bench.start({ chain: first.chain })
    await restored.settled()
    assert.deepEqual(restored.wallet.balance(), { ...balance, reserved: 0n })
    assert.equal(restored.wallet.transactions(() => undefined).length, 3)
    await restored.wallet.stop()
  })
})
