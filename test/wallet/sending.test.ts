/** Sends from the wallet: what they spend, what they never spend, and what becomes of them. */
import assert from 'node:assert/strict'
import { addressFromScript, scriptOf } from '../../src/bitcoin/address.js'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import { sameBytes, type Txid } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import type { Snapshot } from '../../src/testing/disk.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'

const STRANGER = scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) })
const TO = addressFromScript(STRANGER, 'regtest')

describe('wallet / send', () => {
  let bench: Bench

  beforeEach(async () => {
    bench = await Bench.start()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  function last(): Transaction {
    return parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail('nothing was broadcast'))
  }

  const idOf = (id: Txid | undefined): Txid => id ?? assert.fail('nothing was sent')
  const outgoingOnDisk = (): string[] =>
    [...bench.store.snapshot().keys()].filter((key) => key.startsWith('wallet/outgoing/'))
  const rejects = async (work: Promise<unknown>, code: string): Promise<void> => {
    await assert.rejects(work, (error) => codeOf(error) === code)
  }

  it('pays what was asked for, and brings the rest back', async () => {
    await bench.receive(100_000)
    const sent = await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 2_000n })
    const { version, outputs, inputs } = last()
    assert.equal(version, 2)
    assert.equal(
      inputs.every(({ sequence }) => sequence === 0xfffffffd),
      true,
      'it signals that it may be replaced'
    )
    assert.equal(outputs.find(({ script }) => sameBytes(script, STRANGER))?.value, 30_000n)
    // 1 input, 2 P2WPKH outputs: 141 vB with the longest signature, x 2 sat/vB.
    assert.deepEqual([sent.fee, sent.change, sent.broadcast], [282n, 69_718n, true])
    await bench.settled()
    bench.hasBalance({ pending: 69_718n })
    bench.sim.mine()
    await bench.settled()
    assert.equal(bench.wallet.balance().confirmed, 69_718n)
  })

  it('of all leaves nothing', async () => {
    await bench.receive(100_000, 50_000)
    const sent = await bench.wallet.send({ to: TO, amount: 'all', feeRate: 1_000n })
    assert.deepEqual(
      last().outputs.map(({ value }) => value),
      [sent.amount]
    )
    assert.equal(sent.amount + sent.fee, 150_000n)
    await bench.settled()
    assert.deepEqual(bench.wallet.coins(), [])
  })

  it('of all leaves alone what costs more than it is worth', async () => {
    // 68 vB x 10 sat/vB = 680 sat to spend a coin.
    await bench.receive(100_000, 680)
    await bench.wallet.send({ to: TO, amount: 'all', feeRate: 10_000n })
    assert.equal(last().inputs.length, 1)
  })

  it('only says what it would cost when asked so, and uses up nothing', async () => {
    await bench.receive(100_000)
    const before = bench.store.snapshot()
    const shown = await bench.wallet.send({
      to: TO,
      amount: 30_000n,
      feeRate: 2_000n,
      dryRun: true
    })
    assert.deepEqual([shown.txid, shown.fee, shown.amount], [undefined, 282n, 30_000n])
    assert.deepEqual(bench.store.snapshot(), before)
    assert.equal(bench.chain.broadcasts.length, 0)
  })

  it('refuses what cannot be meant, before anything is written', async () => {
    await bench.receive(100_000)
    await rejects(
      bench.wallet.send({ to: 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', amount: 1_000n }),
      'ERR_INVALID_ADDRESS'
    )
    await rejects(bench.wallet.send({ to: TO, amount: 293n }), 'ERR_INVALID_AMOUNT')
    await rejects(
      bench.wallet.send({ to: TO, amount: 1_000n, feeRate: 99n }),
      'ERR_INVALID_FEERATE'
    )
    await rejects(
      bench.wallet.send({ to: TO, amount: 1_000n, feeRate: 999n }),
      'ERR_FEERATE_TOO_LOW'
    )
    await rejects(
      bench.wallet.send({ to: TO, amount: 1_000n, feeRate: 1_000_001n }),
      'ERR_INVALID_FEERATE'
    )
    await rejects(
      bench.wallet.send({ to: TO, amount: 1_000n, label: 'two\nlines' }),
      'ERR_INVALID_LABEL'
    )
    await rejects(
      bench.wallet.send({ to: TO, amount: 99_900n, feeRate: 1_000n }),
      'ERR_INSUFFICIENT_FUNDS'
    )
    assert.deepEqual(outgoingOnDisk(), [])
  })

  it('never spends what is set aside for a channel, nor what has no confirmation', async () => {
    await bench.receive(100_000)
    await bench.wallet.buildFunding({
      channel: channelNamed('a'),
      scriptPubKey: fundingScriptOf('a'),
      amount: sat(50_000),
      feeRate: feeRate(1_000n)
    })
    bench.sim.fund(await bench.freshScript(), sat(80_000))
    await bench.settled()
    await rejects(bench.wallet.send({ to: TO, amount: 10_000n }), 'ERR_INSUFFICIENT_FUNDS')
    await rejects(bench.wallet.send({ to: TO, amount: 'all' }), 'ERR_INSUFFICIENT_FUNDS')
  })

  it('is on disk before it leaves, and not sent when the disk refuses', async () => {
    await bench.receive(100_000)
    const seen: number[] = []
    bench.store.onDurable((snapshot) => {
      seen.push(bench.chain.broadcasts.length)
      assert.ok([...snapshot.keys()].some((key) => key.startsWith('wallet/outgoing/')))
    })
    await bench.wallet.send({ to: TO, amount: 30_000n })
    assert.deepEqual(seen, [0])
    bench.sim.mine()
    await bench.settled()
    bench.store.failNext()
    await rejects(bench.wallet.send({ to: TO, amount: 1_000n }), 'ERR_STORE_FAILED')
    assert.equal(bench.chain.broadcasts.length, 1)
  })

  it('keeps its coins, and is sent again, while no mempool has it: across a restart, and never another one', async () => {
    await bench.receive(100_000)
    bench.chain.refusal = 'mempool full'
    await assert.rejects(
      bench.wallet.send({ to: TO, amount: 30_000n }),
      (error) =>
        error instanceof PaychanError &&
        error.code === 'ERR_BROADCAST_REFUSED' &&
        typeof error.facts.txid === 'string'
    )
    await rejects(bench.wallet.send({ to: TO, amount: 30_000n }), 'ERR_INSUFFICIENT_FUNDS')
    bench.hasBalance({ confirmed: 100_000n, reserved: 100_000n })
    await bench.restart()
    await rejects(bench.wallet.send({ to: TO, amount: 30_000n }), 'ERR_INSUFFICIENT_FUNDS')
    bench.chain.refusal = undefined
    bench.sim.mine(1, { empty: true })
    await bench.settled()
    assert.equal(new Set(bench.chain.broadcasts.map((raw) => parseTransaction(raw).txid)).size, 1)
    assert.equal(bench.wallet.balance().confirmed, 0n)
  })

  it('says that it is kept, whatever it is that keeps servers from taking it', async () => {
    await bench.receive(100_000)
    bench.chain.broadcast = async () => {
      throw new PaychanError('ERR_CHAIN_BUSY', 'Others wait already.')
    }
    await rejects(bench.wallet.send({ to: TO, amount: 30_000n }), 'ERR_BROADCAST_REFUSED')
    assert.equal(bench.wallet.balance().reserved, 100_000n)
  })

  for (const { reason, advice, not } of [
    {
      reason: 'min relay fee not met, 141 < 200',
      advice: /Raise its fee with `paychan bumpfee [0-9a-f]{64}`\.$/,
      not: /A higher fee does not/
    },
    {
      reason: 'bad-txns-inputs-missingorspent',
      advice: /A coin that it spends is not on the chain just now, .* `paychan coins` shows/,
      not: /bumpfee/
    },
    {
      reason: 'excessive resource usage',
      advice: /A higher fee does not help against that; .* another Electrum server/,
      not: /bumpfee/
    }
  ]) {
    it(`is advised on by why it is refused: ${reason}`, async () => {
      await bench.receive(100_000)
      bench.chain.refusal = reason
      const refused = (error: unknown): boolean => {
        assert.ok(error instanceof PaychanError)
        assert.match(error.message, /It is sent again with every block\. Do not send once more\. /)
        assert.match(error.message, advice)
        assert.doesNotMatch(error.message, not)
        return true
      }
      await assert.rejects(bench.wallet.send({ to: TO, amount: 30_000n }), refused)
      bench.sim.mine(1, { empty: true })
      await bench.settled()
      const told = bench.errors.map(({ message }) => message)
      assert.equal(told.length, 1)
      assert.match(told[0] ?? '', advice)
      assert.doesNotMatch(told[0] ?? '', not)
    })
  }

  it('goes out after a crash between the disk and the server, as the same transaction', async () => {
    await bench.receive(100_000)
    const snapshots: Snapshot[] = []
    bench.store.onDurable((snapshot) => {
      snapshots.push(snapshot)
    })
    bench.chain.setStatus('down')
    const sent = await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 1_000n })
    await bench.restart(snapshots[0] ?? assert.fail('nothing was written'))
    bench.chain.setStatus('synced')
    await bench.settled()
    assert.deepEqual(
      bench.chain.broadcasts.map((raw) => parseTransaction(raw).txid),
      [sent.txid]
    )
    assert.equal(bench.wallet.balance().pending, 69_859n)
  })

  it('says so when there is no server, and goes out as soon as there is one', async () => {
    await bench.receive(100_000)
    bench.chain.setStatus('down')
    const sent = await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 1_000n })
    assert.equal(sent.broadcast, false)
    bench.chain.setStatus('synced')
    await bench.settled()
    assert.equal(last().txid, sent.txid)
  })

  it('comes back after a reorg that loses it, and is forgotten when it is buried', async () => {
    await bench.receive(100_000)
    bench.sim.mine(5)
    const { txid, change } = await bench.wallet.send({ to: TO, amount: 30_000n })
    bench.sim.mine()
    await bench.settled()
    bench.chain.reorg(1)
    await bench.settled()
    bench.sim.drop(idOf(txid))
    await bench.settled()
    bench.hasBalance({ confirmed: 100_000n, reserved: 100_000n })
    bench.sim.mine(1, { empty: true })
    await bench.settled()
    assert.equal(bench.sim.waiting.has(idOf(txid)), true)
    bench.sim.mine(BURIED_DEPTH - 1)
    await bench.settled()
    assert.equal(outgoingOnDisk().length, 1)
    bench.sim.mine()
    await bench.settled()
    assert.deepEqual(outgoingOnDisk(), [])
    assert.equal(bench.wallet.balance().confirmed, change)
    assert.deepEqual(bench.errors, [])
  })

  describe('bumped', () => {
    it('is replaced by a dearer one, which the change pays', async () => {
      await bench.receive(100_000)
      const sent = await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 1_000n })
      await bench.settled()
      const bumped = await bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 5_000n })
      await bench.settled()
      assert.deepEqual(
        [bumped.kind, bumped.of, bumped.fee, bumped.broadcast],
        ['replacement', sent.txid, 705n, true]
      )
      assert.equal(bench.chain.transaction(idOf(sent.txid)), undefined)
      assert.equal(last().outputs.find(({ script }) => sameBytes(script, STRANGER))?.value, 30_000n)
      bench.hasBalance({ pending: 69_295n })
      assert.equal(outgoingOnDisk().length, 1)
    })

    it('takes further coins when the change is not enough', async () => {
      await bench.receive(30_500, 20_000)
      const sent = await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 1_000n })
      assert.equal(last().inputs.length, 1)
      await bench.settled()
      await bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 10_000n })
      assert.equal(last().inputs.length, 2)
      assert.equal(last().outputs.find(({ script }) => sameBytes(script, STRANGER))?.value, 30_000n)
    })

    it('of all takes the fee from what is sent', async () => {
      await bench.receive(100_000)
      const sent = await bench.wallet.send({ to: TO, amount: 'all', feeRate: 1_000n })
      await bench.settled()
      await bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 3_000n })
      assert.deepEqual(
        last().outputs.map(({ value }) => value),
        [100_000n - 330n]
      )
    })

    it('pays the least that replaces when nothing was asked, more than one sat/vB beyond the last', async () => {
      await bench.receive(100_000)
      const sent = await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 2_000n })
      await bench.settled()
      assert.equal((await bench.wallet.bumpFee(idOf(sent.txid))).fee, 282n + 141n)
      await rejects(
        bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 3_999n }),
        'ERR_FEERATE_TOO_LOW'
      )
    })

    it('counts once whichever version confirms, and its coins are not free before that is buried', async () => {
      await bench.receive(30_500, 20_000)
      const sent = await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 1_000n })
      const first = bench.chain.broadcasts.at(-1) ?? assert.fail()
      await bench.settled()
      const second = await bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 10_000n })
      bench.sim.drop(second.txid)
      bench.sim.insert(parseTransaction(first))
      bench.sim.mine()
      await bench.settled()
      assert.equal(
        bench.wallet.balance().confirmed,
        20_359n,
        'the change of the first version, and the coin that only the second one spends'
      )
      await rejects(bench.wallet.send({ to: TO, amount: 10_000n }), 'ERR_INSUFFICIENT_FUNDS')
      bench.sim.mine(BURIED_DEPTH)
      await bench.settled()
      await bench.wallet.send({ to: TO, amount: 10_000n })
    })

    it('is refused once it is in a block, and for what is not ours', async () => {
      await bench.receive(100_000)
      const sent = await bench.wallet.send({ to: TO, amount: 30_000n })
      bench.sim.mine()
      await bench.settled()
      await rejects(bench.wallet.bumpFee(idOf(sent.txid)), 'ERR_ALREADY_CONFIRMED')
      await rejects(bench.wallet.bumpFee('ab'.repeat(32)), 'ERR_CANNOT_BUMP')
    })
  })
})
