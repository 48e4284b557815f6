/** The wallet of a node, on the chain of a world: addresses, coins, fundings, restarts. */
import assert from 'node:assert/strict'
import { addressFromScript, scriptFromAddress } from '../../src/bitcoin/address.js'
import {
  makeTransaction,
  NO_TXID,
  parseTransaction,
  type Transaction
} from '../../src/bitcoin/transaction.js'
import { toHex, txid } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { feeRate, type Satoshi } from '../../src/types/units.js'
import { RECORD_VERSION, sealRecord } from '../../src/types/records.js'
import { AddressBook } from '../../src/wallet/addresses.js'
import { GAP, MOST_UNUSED, RESTORE_GAP } from '../../src/wallet/gaps.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { branchChange, gapChange } from '../../src/wallet/records.js'
import { Bench, channelNamed, fundingScriptOf, sat, testRoot } from './fixtures.js'
import { walletContract } from '../contracts/wallet.js'
import type { BuiltFunding, Change } from '../../src/engine/ports.js'

const scriptAt = (index: number): Uint8Array =>
  new AddressBook(testRoot('alice'), 'regtest').at('receive', index).scriptPubKey

/** A record as it lies on the disk. */
const stored = ({ key, value }: Change): Array<[string, Uint8Array]> => [
  [key, value ?? assert.fail()]
]

/** What a miner pays to itself in its block. */
function rewardTo(script: Uint8Array, value: Satoshi): Transaction {
  return makeTransaction({
    version: 2,
    inputs: [{ outPoint: { txid: txid(NO_TXID), vout: 0xffffffff }, sequence: 0xffffffff }],
    outputs: [{ script, value }]
  })
}

walletContract('on the chain', async (values) => {
  const bench = await Bench.start()
  // One address for all: 160 coins need no 160 addresses.
  if (values.length > 0) {
    const script = await bench.freshScript()
    for (const value of values) bench.sim.fund(script, sat(value))
    bench.sim.mine()
    await bench.settled()
  }
  return {
    wallet: bench.wallet,
    valueOf: ({ txid, vout }) => bench.chain.transaction(txid)?.outputs[vout]?.value,
    scriptAt,
    stop: async () => {
      await bench.wallet.stop()
    }
  }
})

describe('wallet', () => {
  let bench: Bench

  beforeEach(async () => {
    bench = await Bench.start()
  })
  afterEach(async () => {
    await bench.wallet.stop()
    assert.deepEqual(bench.errors, [])
  })

  function fund(name: string, amount: number): Promise<BuiltFunding> {
    return bench.wallet.buildFunding({
      channel: channelNamed(name),
      scriptPubKey: fundingScriptOf(name),
      amount: sat(amount),
      feeRate: feeRate(1000n)
    })
  }

  describe('addresses', () => {
    it('are those of the words, one after the other', async () => {
      const book = new AddressBook(testRoot('alice'), 'regtest')
      assert.equal(
        await bench.wallet.newAddress(),
        addressFromScript(book.at('receive', 0).scriptPubKey, 'regtest')
      )
      assert.equal(
        await bench.wallet.newAddress(),
        addressFromScript(book.at('receive', 1).scriptPubKey, 'regtest')
      )
    })

    it('are on disk before they are told: a crash at any write never gives one twice', async () => {
      const told: string[] = []
      for (let crash = 0; crash < 5; crash++) {
        const snapshots = [bench.store.snapshot()]
        bench.store.onDurable((snapshot) => {
          snapshots.push(snapshot)
        })
        const address = await bench.wallet.newAddress()
        assert.ok(!told.includes(address))
        told.push(address)
        assert.equal(snapshots.length, 2)
        // A crash before the write: nobody has heard of the address, so it may come again. After
        // it: never.
        await bench.restart(snapshots[1] ?? assert.fail())
      }
      assert.equal(new Set(told).size, 5)
    })

    it('end after so many in a row to which nobody has paid: the newest is given again until it is paid', async () => {
      await bench.store.commit([branchChange('receive', MOST_UNUSED - 2)])
      await bench.restart()
      const told = new Set([await bench.wallet.newAddress(), await bench.wallet.newAddress()])
      assert.equal(told.size, 2)
      assert.equal(await bench.wallet.newAddress(), [...told][1])
      await bench.restart()
      // No start moves it (OPEN-13).
      const again = await bench.wallet.newAddress()
      assert.equal(again, [...told][1])
      bench.sim.fund(scriptFromAddress(again, 'regtest'), sat(10_000))
      assert.equal(
        await bench.wallet.newAddress(),
        again,
        'a server can make up what is in no block'
      )
      bench.sim.mine()
      await bench.settled()
      assert.notEqual(await bench.wallet.newAddress(), again)
    })

    it('are not told when the disk refuses', async () => {
      bench.store.failNext()
      await assert.rejects(
        bench.wallet.newAddress(),
        (error) => codeOf(error) === 'ERR_STORE_FAILED'
      )
    })

    it('are watched before anybody can pay to them, and a gap ahead', async () => {
      const watchedAt = (script: Uint8Array): boolean => bench.chain.watched.includes(toHex(script))
      for (let i = 0; i < GAP + 5; i++) assert.ok(watchedAt(await bench.freshScript()))
      assert.equal(bench.chain.watched.length, GAP + 5 + GAP + GAP)
    })

    it('that were paid to without having been handed out here are skipped', async () => {
      const book = new AddressBook(testRoot('alice'), 'regtest')
      bench.sim.fund(book.at('receive', 4).scriptPubKey, sat(1_000))
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.balance().confirmed, 1_000n)
      const address = await bench.wallet.newAddress()
      assert.equal(address, addressFromScript(book.at('receive', 5).scriptPubKey, 'regtest'))
      await bench.restart()
      assert.equal(
        await bench.wallet.newAddress(),
        addressFromScript(book.at('receive', 6).scriptPubKey, 'regtest')
      )
    })
  })

  it('a payment that is only shown, to one address of the gap after the other, watches no further ones and is not on disk (EVID-8)', async () => {
    const book = new AddressBook(testRoot('alice'), 'regtest')
    const before = bench.chain.watched.length
    for (const index of [GAP - 1, 2 * GAP - 1, 3 * GAP - 1]) {
      bench.sim.fund(book.at('receive', index).scriptPubKey, sat(1_000))
      await bench.settled()
    }
    assert.equal(bench.chain.watched.length, before)
    assert.deepEqual([...bench.store.snapshot().keys()], [])
    assert.equal(bench.wallet.used().receive, 0)
    bench.sim.mine()
    await bench.settled()
    assert.equal(bench.wallet.used().receive, 3 * GAP, 'in a block they count')
  })

  describe('balance', () => {
    it('is pending in the mempool and confirmed in a block', async () => {
      bench.sim.fund(await bench.freshScript(), sat(5_000))
      await bench.settled()
      bench.hasBalance({ pending: 5_000n })
      bench.sim.mine()
      await bench.settled()
      bench.hasBalance({ confirmed: 5_000n })
    })

    it('follows a reorg', async () => {
      await bench.receive(5_000)
      bench.chain.reorg(1)
      await bench.settled()
      bench.hasBalance({ pending: 5_000n })
    })

    it('is there again after a restart: everything that was handed out is watched', async () => {
      const late = await Promise.all(
        Array.from({ length: 30 }, async () => await bench.freshScript())
      )
      await bench.restart()
      bench.sim.fund(late[29] ?? assert.fail(), sat(7_000))
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.balance().confirmed, 7_000n)
    })

    it('shows each coin with its address', async () => {
      const address = await bench.wallet.newAddress()
      const txid = bench.sim.fund(scriptFromAddress(address, 'regtest'), sat(9_000))
      bench.sim.mine()
      await bench.settled()
      assert.deepEqual(bench.wallet.coins(), [
        {
          outPoint: { txid, vout: 0 },
          value: 9_000n,
          address,
          height: bench.sim.height,
          confirmed: true,
          reservedFor: undefined,
          spentBy: undefined,
          locked: false,
          confirmations: 1,
          label: undefined,
          state: 'free'
        }
      ])
    })

    it('tells its listeners of changes, until they stop', async () => {
      const seen: bigint[] = []
      const stop = bench.wallet.onChange(() => {
        seen.push(bench.wallet.balance().confirmed)
      })
      await bench.receive(5_000)
      assert.equal(seen.at(-1), 5_000n)
      stop()
      const before = seen.length
      await bench.receive(5_000)
      assert.equal(seen.length, before)
    })
  })

  describe('funding', () => {
    it('is accepted by the chain, and its change comes back', async () => {
      await bench.receive(500_000)
      const { raw, fee, outPoint } = await fund('one', 200_000)
      await bench.chain.broadcast(parseTransaction(raw))
      await bench.settled()
      assert.equal(bench.chain.transaction(outPoint.txid)?.outputs[outPoint.vout]?.value, 200_000n)
      bench.hasBalance({ pending: 300_000n - fee })
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.balance().confirmed, 300_000n - fee)
    })

    it('spends no coin that is still in the mempool', async () => {
      bench.sim.fund(await bench.freshScript(), sat(500_000))
      await bench.settled()
      await assert.rejects(
        fund('one', 100_000),
        (error) => codeOf(error) === 'ERR_INSUFFICIENT_FUNDS'
      )
    })

    it('spends no block reward that is not mature', async () => {
      bench.sim.insert(rewardTo(await bench.freshScript(), sat(500_000)))
      bench.sim.mine()
      await bench.settled()
      await assert.rejects(
        fund('one', 100_000),
        (error) => codeOf(error) === 'ERR_INSUFFICIENT_FUNDS'
      )
      bench.sim.mine(99)
      await bench.settled()
      await fund('one', 100_000)
    })

    it('has its coins set aside on disk before it is told, and its change index is used up', async () => {
      await bench.receive(500_000, 500_000)
      const first = await fund('one', 200_000)
      assert.deepEqual(bench.wallet.reservedFor(), [channelNamed('one')])
      assert.equal(bench.wallet.balance().reserved, 500_000n)
      await bench.restart()
      assert.deepEqual(bench.wallet.reservedFor(), [channelNamed('one')])
      const second = await fund('two', 200_000)
      const scripts = [first, second].flatMap(({ raw }) =>
        parseTransaction(raw).outputs.map(({ script }) => toHex(script))
      )
      assert.equal(new Set(scripts).size, 4)
      assert.notDeepEqual(
        parseTransaction(first.raw).inputs[0]?.outPoint,
        parseTransaction(second.raw).inputs[0]?.outPoint
      )
      await assert.rejects(
        fund('three', 200_000),
        (error) => codeOf(error) === 'ERR_INSUFFICIENT_FUNDS'
      )
    })

    it('writes index and coins in one batch: no crash leaves one without the other', async () => {
      await bench.receive(500_000)
      const before = bench.store.batches
      await fund('one', 200_000)
      assert.equal(bench.store.batches, before + 1)
    })

    it('sets nothing aside when the disk refuses', async () => {
      await bench.receive(500_000)
      const disk = bench.store.snapshot()
      bench.store.failNext()
      await assert.rejects(fund('one', 200_000), (error) => codeOf(error) === 'ERR_STORE_FAILED')
      assert.deepEqual(bench.wallet.reservedFor(), [])
      assert.deepEqual(bench.store.snapshot(), disk)
    })

    it('frees its coins when it is released, also after a restart', async () => {
      await bench.receive(500_000)
      await fund('one', 200_000)
      await bench.restart()
      await bench.wallet.releaseFunding(channelNamed('one'))
      await bench.restart()
      assert.deepEqual(bench.wallet.reservedFor(), [])
      await fund('two', 200_000)
    })

    it('that servers refuse again and again moves no change beyond what the words find (OPEN-13)', async () => {
      await bench.receive(5_000_000)
      const disk = bench.store.snapshot()
      for (let n = 0; n <= RESTORE_GAP; n++) {
        await fund(`refused ${n}`, 100_000)
        await bench.wallet.releaseFunding(channelNamed(`refused ${n}`))
      }
      assert.equal(bench.wallet.used().change, 1)
      // An earlier version has drawn one for each: what comes after fills the hole.
      await bench.restart(
        new Map([...bench.store.snapshot(), ...stored(branchChange('change', RESTORE_GAP + 5))])
      )
      await bench.chain.broadcast(parseTransaction((await fund('one', 100_000)).raw))
      bench.sim.mine()
      await bench.settled()
      await bench.wallet.stop()
      const fromWords = await Bench.start({
        chain: bench.chain,
        disk: new Map(stored(gapChange(RESTORE_GAP)))
      })
      assert.deepEqual(fromWords.wallet.coins(), bench.wallet.coins())
      assert.notDeepEqual(fromWords.wallet.coins(), [])
      await fromWords.wallet.stop()
      await bench.restart(disk)
    })

    it('gives no change that something may still pay: a T1 that waits, a send, a sweep (OPEN-13)', async () => {
      await bench.receive(500_000, 500_000, 500_000)
      const change = ({ raw }: { raw: Uint8Array }, paid: bigint): string =>
        parseTransaction(raw)
          .outputs.filter(({ value }) => value !== paid)
          .map(({ script }) => toHex(script))
          .join()
      const waiting = await fund('waits', 200_000)
      const gone = await fund('refused', 200_000)
      await bench.wallet.send({ to: await bench.wallet.newAddress(), amount: 100_000n })
      assert.equal(bench.wallet.used().change, 3)
      await bench.wallet.releaseFunding(channelNamed('refused'))
      await bench.restart()
      const next = await fund('next', 200_000)
      assert.equal(change(next, 200_000n), change(gone, 200_000n))
      assert.notEqual(change(next, 200_000n), change(waiting, 200_000n))
      // Nor one whose payment a block has had, whatever a reorganisation does to the rest.
      await bench.chain.broadcast(parseTransaction(next.raw))
      bench.sim.mine()
      await bench.settled()
      await bench.wallet.claim(bench.payout(50_000))
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.used().change, 4)
    })

    it('keeps its coins through a reorg of T1: they are set aside until the spend is buried', async () => {
      await bench.receive(500_000)
      const { raw, outPoint } = await fund('one', 200_000)
      await bench.chain.broadcast(parseTransaction(raw))
      bench.sim.mine()
      await bench.settled()
      bench.chain.reorg(1)
      bench.sim.drop(outPoint.txid)
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.balance().reserved, 500_000n)
      await assert.rejects(
        fund('two', 200_000),
        (error) => codeOf(error) === 'ERR_INSUFFICIENT_FUNDS'
      )
      await bench.chain.broadcast(parseTransaction(raw))
      bench.sim.mine(BURIED_DEPTH - 1)
      await bench.settled()
      assert.deepEqual(bench.wallet.reservedFor(), [channelNamed('one')])
      bench.sim.mine()
      await bench.settled()
      assert.deepEqual(bench.wallet.reservedFor(), [])
      await bench.restart()
      assert.deepEqual(bench.wallet.reservedFor(), [])
    })
  })

  describe('when it does not run', () => {
    it('refuses to choose anything', async () => {
      await bench.wallet.stop()
      await assert.rejects(
        bench.wallet.newAddress(),
        (error) => codeOf(error) === 'ERR_WALLET_STOPPED'
      )
      await assert.rejects(fund('one', 1_000), (error) => codeOf(error) === 'ERR_WALLET_STOPPED')
      assert.deepEqual(bench.chain.watched, [])
    })
  })
})

describe('wallet without a server', () => {
  it('starts, hands out addresses, and knows its coins once there is one', async () => {
    const first = await Bench.start()
    await first.receive(500_000)
    await first.wallet.stop()
    first.chain.setStatus('down')
    const bench = await Bench.start({ chain: first.chain, disk: first.store.snapshot() })
    await bench.wallet.newAddress()
    const request = {
      channel: channelNamed('one'),
      scriptPubKey: fundingScriptOf('one'),
      amount: sat(100_000),
      feeRate: feeRate(1000n)
    }
    await assert.rejects(bench.wallet.buildFunding(request), (error) => {
      assert.ok(error instanceof PaychanError)
      assert.equal(error.code, 'ERR_CHAIN_UNAVAILABLE', 'too few coins is not what is wrong')
      return true
    })
    bench.chain.setStatus('synced')
    await bench.settled()
    assert.equal(bench.wallet.balance().confirmed, 500_000n)
    await bench.wallet.buildFunding(request)
    await bench.wallet.stop()
  })

  it('reports a watch that the server refuses, and sets it up again with the next block', async () => {
    const bench = await Bench.start()
    bench.chain.watchRefusal = 'history too large'
    const script = await bench.freshScript()
    await bench.settled()
    // The address was watched ahead; the new end of the gap is not.
    assert.deepEqual(bench.errors.map(codeOf), ['ERR_WALLET_WATCH'])
    assert.match(String(bench.errors[0]), /history too large/)
    const before = bench.chain.watched.length
    bench.chain.watchRefusal = undefined
    bench.sim.mine()
    await bench.settled()
    assert.equal(bench.chain.watched.length, before + 1)
    bench.sim.fund(script, sat(1_000))
    await bench.settled()
    assert.equal(bench.wallet.balance().pending, 1_000n)
    await bench.wallet.stop()
  })

  it('refuses records that it does not understand, and touches nothing', async () => {
    const key = 'wallet/branch/receive'
    const disk = new Map([[key, sealRecord(key, Uint8Array.of(1), RECORD_VERSION + 1)]])
    await assert.rejects(Bench.start({ disk }), (error) => codeOf(error) === 'ERR_STORE_VERSION')
  })
})
