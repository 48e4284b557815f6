/** Payout outputs: watched, counted, swept, kept in sight until the sweep is buried. */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { fromDer, ORDER, SIGHASH } from '../../src/bitcoin/ecdsa.js'
import { payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { fromHex, hashFromTxid, toHex, type OutPoint, type Txid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { readClaim } from '../../src/wallet/records.js'
import { Bench, createTestSigner } from './fixtures.js'

/** The other signature of the same keys and digest: what is secret has no part in it. */
function withHighS(der: Uint8Array): Uint8Array {
  const { signature, sighashType } = fromDer(der)
  const s = ORDER - BigInt(`0x${toHex(signature.subarray(32))}`)
  return bitcoin.script.signature.encode(
    Uint8Array.from([...signature.subarray(0, 32), ...fromHex(s.toString(16).padStart(64, '0'))]),
    sighashType
  )
}

describe('claims', () => {
  let bench: Bench

  beforeEach(async () => {
    bench = await Bench.start()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  async function confirmedPayout(value = 50_000): ReturnType<typeof claimedPayout> {
    const output = await claimedPayout(value)
    bench.sim.mine()
    await bench.settled()
    return output
  }

  async function claimedPayout(value = 50_000): Promise<ReturnType<Bench['payout']>> {
    const output = bench.payout(value)
    await bench.wallet.claim(output)
    await bench.settled()
    return output
  }

  const claimsOnDisk = (): string[] =>
    [...bench.store.snapshot().keys()].filter((key) => key.startsWith('wallet/claim/'))

  it('counts an output as unswept from the mempool on', async () => {
    await claimedPayout()
    bench.hasBalance({ unswept: 50_000n })
    assert.equal(bench.chain.broadcasts.length, 0)
  })

  it('sweeps it to a wallet address as soon as its block is the tip', async () => {
    await confirmedPayout()
    assert.equal(bench.chain.broadcasts.length, 1)
    // One payout to P2WPKH: (82 x 4 + 2 + 112) / 4 = 111 vB at 1 sat/vB.
    bench.hasBalance({ pending: 49_889n })
    bench.sim.mine()
    await bench.settled()
    bench.hasBalance({ confirmed: 49_889n })
    assert.deepEqual(bench.errors, [])
  })

  it('signs the sweep with the payout key, one block old, all committed', async () => {
    const { key, value } = await confirmedPayout()
    const tx = bitcoin.Transaction.fromBuffer(
      bench.chain.broadcasts[0] ?? assert.fail('nothing was broadcast')
    )
    const [der, script] = tx.ins[0]?.witness ?? []
    assert.ok(der !== undefined && script !== undefined)
    const signer = createTestSigner(bench.seed)
    assert.deepEqual([...script], [...payoutWitnessScript(signer.publicKey(key))])
    assert.equal(tx.ins[0]?.sequence, 1)
    const { signature, sighashType } = fromDer(der)
    assert.equal(sighashType, SIGHASH.ALL)
    assert.equal(
      signer.verify(
        signer.publicKey(key),
        tx.hashForWitnessV0(0, script, value, SIGHASH.ALL),
        signature
      ),
      true
    )
  })

  it('has the sweep and its address on disk before it leaves', async () => {
    const output = await claimedPayout()
    const onDisk: boolean[] = []
    const broadcast = bench.chain.broadcast.bind(bench.chain)
    bench.chain.broadcast = async (transaction) => {
      const disk = bench.store.snapshot()
      const key = `wallet/claim/${output.outPoint.txid}:0`
      const { sweep } = readClaim(key, disk.get(key) ?? assert.fail())
      onDisk.push(sweep?.txid === transaction.txid && disk.has('wallet/branch/change'))
      return await broadcast(transaction)
    }
    bench.sim.mine()
    await bench.settled()
    assert.deepEqual(onDisk, [true])
  })

  describe('when a server makes up a spend, and shows it in the history of another script (EVID-9)', () => {
    /** Nobody has signed it: it spends an output, and pays 1,000 sat to the wallet. */
    async function madeUpSpend(
      { txid, vout }: OutPoint,
      witness: readonly Uint8Array[]
    ): Promise<Txid> {
      const tx = new bitcoin.Transaction()
      tx.version = 2
      tx.addInput(hashFromTxid(txid), vout, 1)
      const script = await bench.freshScript()
      tx.addOutput(script, 1_000n)
      tx.setWitness(0, [...witness])
      bench.chain.makeUp(script, tx.toBuffer())
      await bench.settled()
      return parseTransaction(tx.toBuffer()).txid
    }

    const NOTHING = [new Uint8Array(71).fill(1), new Uint8Array(37).fill(2)]

    it('the output is swept all the same, and what is made up is never sent', async () => {
      const output = await claimedPayout()
      const madeUp = await madeUpSpend(output.outPoint, NOTHING)
      assert.equal(bench.wallet.balance().unswept, 50_000n)
      bench.sim.mine()
      await bench.settled()
      const [sweep = assert.fail(), ...more] = bench.chain.broadcasts
      assert.ok(parseTransaction(sweep).spends(output.outPoint))
      assert.deepEqual([parseTransaction(sweep).txid === madeUp, more.length], [false, 0])
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.balance().confirmed, 49_889n)
      assert.equal(bench.wallet.balance().pending, 0n)
    })

    it('a sweep that waits keeps its place, also against its own bytes with another witness', async () => {
      const output = await confirmedPayout()
      const [sent = assert.fail()] = bench.chain.broadcasts
      const other = bitcoin.Transaction.fromBuffer(sent)
      other.setWitness(0, NOTHING)
      bench.chain.makeUp(await bench.freshScript(), other.toBuffer())
      await madeUpSpend(output.outPoint, NOTHING)
      bench.sim.mine(3, { empty: true })
      await bench.settled()
      assert.ok(bench.chain.broadcasts.length > 1)
      for (const raw of bench.chain.broadcasts) assert.deepEqual([...raw], [...sent])
    })

    it('a sweep of ours that is shown with signatures of high S goes out as we have signed it', async () => {
      const output = await confirmedPayout()
      const own = parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail())
      bench.sim.drop(own.txid)
      // Blocks may have such a signature, and mempools refuse it (SIG-1).
      const shown = own.withWitnesses(
        own.inputs.map(({ witness: [der = assert.fail(), script = assert.fail()] }) => [
          withHighS(der),
          script
        ])
      )
      assert.equal(shown.txid, own.txid)
      bench.chain.makeUp(output.scriptPubKey, shown.raw)
      await bench.settled()
      const before = bench.chain.broadcasts.length
      bench.sim.mine(1, { empty: true })
      await bench.settled()
      assert.deepEqual(
        bench.chain.broadcasts.slice(before).map((raw) => toHex(raw)),
        [toHex(own.raw)]
      )
    })

    it('nothing of it is sent while nobody has told of the output itself', async () => {
      const output = bench.payout(50_000)
      bench.sim.drop(output.outPoint.txid)
      await bench.wallet.claim(output)
      await madeUpSpend(output.outPoint, NOTHING)
      bench.sim.mine()
      await bench.settled()
      assert.deepEqual(bench.chain.broadcasts, [])
    })

    it('coins stay coins, and can be sent', async () => {
      await bench.receive(80_000)
      const [coin = assert.fail()] = bench.wallet.coins()
      await madeUpSpend(coin.outPoint, NOTHING)
      assert.deepEqual(
        [bench.wallet.balance().confirmed, bench.wallet.balance().pending],
        [80_000n, 0n]
      )
      const { broadcast } = await bench.wallet.send({ to: coin.address, amount: 50_000n })
      assert.equal(broadcast, true)
    })
  })

  describe('worth', () => {
    it('waits while what every node relays would leave dust, and uses up no address', async () => {
      // 111 vB x 1 sat/vB, and 294 sat have to be left: 405 sat.
      await confirmedPayout(404)
      bench.sim.mine(5)
      await bench.settled()
      assert.equal(bench.chain.broadcasts.length, 0)
      assert.equal(bench.wallet.balance().unswept, 404n)
      assert.equal(bench.store.snapshot().has('wallet/branch/change'), false)
      assert.deepEqual(bench.errors, [])
    })
  })

  describe('in the hour of the highest fees', () => {
    /** The fee of the newest sweep of one output. */
    const feeOf = (value: number): bigint => {
      const { outputs } = parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail())
      return BigInt(value) - (outputs[0]?.value ?? 0n)
    }
    /** Lets blocks pass over a sweep. */
    const pass = async (blocks: number): Promise<void> => {
      for (let n = 0; n < blocks; n++) {
        bench.sim.mine(1, { empty: true })
        await bench.settled()
      }
    }

    for (const [value, rate] of [
      [11_500, 100_000n],
      [34_000, 300_000n],
      [112_000, 1_000_000n]
    ] as const) {
      it(`costs a twentieth of ${value} sat at first, whatever blocks take (STAKE-5)`, async () => {
        bench.chain.feeRate = feeRate(rate)
        await confirmedPayout(value)
        const fee = feeOf(value)
        assert.ok(fee <= BigInt(value) / 20n && fee > BigInt(value) / 21n, String(fee))
      })
    }

    it('goes for the estimate when that is less (STAKE-5)', async () => {
      bench.chain.feeRate = feeRate(5_000n)
      await confirmedPayout(112_000)
      assert.equal(feeOf(112_000), 555n)
    })

    it('is not raised above that when it is stuck (STAKE-5)', async () => {
      await confirmedPayout(60_000)
      assert.equal(feeOf(60_000), 111n)
      bench.chain.feeRate = feeRate(500_000n)
      await pass(20)
      const fee = feeOf(60_000)
      assert.ok(fee <= 3_000n && fee > 2_900n, String(fee))
    })

    it('pays twice as much with each day, until all that leaves no dust: nothing is locked for ever (STAKE-5)', async () => {
      bench.chain.feeRate = feeRate(1_000_000n)
      await confirmedPayout(20_000)
      const fees: bigint[] = []
      for (let day = 0; day < 7; day++) {
        await pass(144)
        fees.push(feeOf(20_000))
      }
      for (const [day, most] of [2_000n, 4_000n, 8_000n, 16_000n, 19_706n].entries()) {
        const fee = fees[day] ?? 0n
        assert.ok(fee <= most && fee > most - 500n, `${fee} on day ${day + 1}`)
      }
      assert.equal(new Set(fees.slice(4)).size, 1)
    })

    it('counts a day with each block at the most for who was away (STAKE-5)', async () => {
      bench.chain.setStatus('down')
      const output = await claimedPayout(20_000)
      bench.chain.feeRate = feeRate(1_000_000n)
      bench.sim.mine(1_000)
      bench.chain.setStatus('synced')
      await bench.settled()
      assert.ok(feeOf(20_000) <= 1_000n, String(feeOf(20_000)))
      await pass(1)
      assert.ok(feeOf(20_000) <= 2_000n, String(feeOf(20_000)))
      assert.ok(output.value === 20_000n)
    })

    it('takes along what pays for its own input, and no more (STAKE-5)', async () => {
      const outputs = [bench.payout(200_000, 1), bench.payout(150_000, 2), bench.payout(3_000, 3)]
      bench.chain.feeRate = feeRate(30_000n)
      bench.chain.setStatus('down')
      for (const output of outputs) await bench.wallet.claim(output)
      bench.chain.setStatus('synced')
      bench.sim.mine()
      await bench.settled()
      assert.deepEqual(
        bench.chain.broadcasts.map((raw) => parseTransaction(raw).inputs.length),
        [2]
      )
    })

    it('costs what a person says, who will not wait (STAKE-5)', async () => {
      bench.chain.feeRate = feeRate(200_000n)
      await confirmedPayout(60_000)
      const { txid } = parseTransaction(bench.chain.broadcasts[0] ?? assert.fail())
      const bumped = await bench.wallet.bumpFee(txid, { feeRate: 200_000n })
      assert.equal(bumped.fee, 22_200n)
    })
  })

  describe('broadcast', () => {
    it('is tried again with every block when it is refused, and says so', async () => {
      bench.chain.refusal = 'too-long-mempool-chain'
      await confirmedPayout()
      assert.deepEqual(bench.errors.map(codeOf), ['ERR_BROADCAST_REFUSED'])
      assert.match(String(bench.errors[0]), /too-long-mempool-chain.*tried again/)
      assert.equal(bench.wallet.balance().unswept, 50_000n)
      bench.sim.mine(2)
      await bench.settled()
      const refused = bench.chain.broadcasts.length
      assert.ok(refused >= 2)
      bench.chain.refusal = undefined
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.balance().pending, 49_889n, 'that was no matter of the fee')
    })

    it('pays more when fees have risen since, to the same address', async () => {
      bench.chain.refusal = 'min relay fee not met'
      await confirmedPayout()
      bench.chain.refusal = undefined
      bench.chain.feeRate = feeRate(3_000n)
      bench.sim.mine()
      await bench.settled()
      const [first, second] = bench.chain.broadcasts.map((raw) => parseTransaction(raw).outputs)
      assert.deepEqual(
        second?.map(({ script }) => script),
        first?.map(({ script }) => script)
      )
      assert.deepEqual(
        second?.map(({ value }) => value),
        [50_000n - 333n]
      )
    })

    it('waits for a server, and needs no block then', async () => {
      const output = bench.payout(50_000)
      bench.sim.mine()
      await bench.settled()
      await bench.wallet.claim(output)
      bench.chain.setStatus('down')
      await bench.settled()
      assert.equal(bench.chain.broadcasts.length, 0)
      assert.deepEqual(bench.errors, [])
      bench.chain.setStatus('synced')
      await bench.settled()
      assert.equal(bench.wallet.balance().pending, 49_889n)
    })

    it('is repeated with every block until it is mined', async () => {
      await confirmedPayout()
      bench.sim.mine(2, { empty: true })
      await bench.settled()
      const sent = new Set(bench.chain.broadcasts.map((raw) => parseTransaction(raw).txid))
      assert.equal(sent.size, 1)
      assert.ok(bench.chain.broadcasts.length >= 2)
      bench.sim.mine()
      await bench.settled()
      const before = bench.chain.broadcasts.length
      bench.sim.mine(3)
      await bench.settled()
      assert.equal(bench.chain.broadcasts.length, before)
    })

    it('brings a sweep back that the mempool lost', async () => {
      await confirmedPayout()
      bench.sim.drop(parseTransaction(bench.chain.broadcasts[0] ?? assert.fail()).txid)
      await bench.settled()
      assert.equal(bench.wallet.balance().unswept, 50_000n)
      bench.sim.mine(1, { empty: true })
      await bench.settled()
      assert.equal(bench.wallet.balance().pending, 49_889n)
    })
  })

  describe('restart', () => {
    it('goes on with a claim that was only just made', async () => {
      const output = bench.payout(50_000)
      await bench.wallet.claim(output)
      await bench.restart()
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.balance().pending, 49_889n)
    })

    it('sends the same sweep again, not another one', async () => {
      bench.chain.refusal = 'not now'
      await confirmedPayout()
      bench.chain.refusal = undefined
      await bench.restart()
      bench.sim.mine()
      await bench.settled()
      assert.equal(new Set(bench.chain.broadcasts.map((raw) => parseTransaction(raw).txid)).size, 1)
      assert.equal(bench.wallet.balance().unswept, 0n)
    })
  })

  describe('reorg', () => {
    it('counts the output again when the sweep vanishes with its block, and sweeps again', async () => {
      const { outPoint } = await confirmedPayout()
      bench.sim.mine()
      await bench.settled()
      bench.chain.reorg(2)
      await bench.settled()
      assert.equal(bench.wallet.balance().confirmed, 0n)
      bench.sim.drop(parseTransaction(bench.chain.broadcasts[0] ?? assert.fail()).txid)
      await bench.settled()
      assert.equal(bench.wallet.balance().unswept, 50_000n)
      bench.sim.mine()
      await bench.settled()
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.balance().confirmed, 49_889n)
      assert.equal(bench.chain.transaction(outPoint.txid)?.outputs[0]?.value, 50_000n)
    })

    it('counts nothing when the output itself is gone', async () => {
      const { outPoint } = await confirmedPayout()
      bench.chain.reorg(1)
      bench.sim.drop(outPoint.txid)
      bench.sim.mine(3)
      await bench.settled()
      bench.hasBalance({})
    })
  })

  it('is forgotten when the sweep is buried, and not one block before', async () => {
    const { scriptPubKey } = await confirmedPayout()
    const watches = (): boolean => bench.chain.watched.includes(toHex(scriptPubKey))
    bench.sim.mine(BURIED_DEPTH - 1)
    await bench.settled()
    assert.equal(claimsOnDisk().length, 1)
    assert.equal(watches(), true)
    bench.sim.mine()
    await bench.settled()
    assert.deepEqual(claimsOnDisk(), [])
    assert.equal(watches(), false)
    assert.equal(bench.wallet.balance().confirmed, 49_889n)
  })

  it('is refused when the disk refuses, and taken when the node has been started again', async () => {
    const output = bench.payout(50_000)
    bench.store.failNext()
    await assert.rejects(
      bench.wallet.claim(output),
      (error) => codeOf(error) === 'ERR_STORE_FAILED'
    )
    assert.equal(bench.wallet.balance().unswept, 0n)
    await bench.restart()
    bench.sim.mine(20)
    await bench.wallet.claim(output)
    await bench.wallet.claim(output)
    await bench.settled()
    assert.equal(claimsOnDisk().length, 1)
    assert.equal(bench.wallet.balance().pending, 49_889n)
  })

  describe('together', () => {
    it('costs less: one transaction for all that are ready', async () => {
      const outputs = [bench.payout(50_000, 1), bench.payout(40_000, 2), bench.payout(69, 3)]
      bench.chain.setStatus('down')
      for (const output of outputs) await bench.wallet.claim(output)
      bench.chain.setStatus('synced')
      bench.sim.mine()
      await bench.settled()
      const [sweep, ...more] = bench.chain.broadcasts.map((raw) => parseTransaction(raw))
      assert.deepEqual(more, [])
      assert.equal(sweep?.inputs.length, 2, 'not what costs more than it is worth')
      // (41 x 2 + 51) x 4 + 2 + 224 = 179 + ... 180 vB, where two sweeps have 222.
      assert.equal(bench.wallet.balance().pending, 90_000n - 180n)
      assert.equal(bench.wallet.balance().unswept, 69n)
    })

    it('is rebuilt without an output that a reorg took', async () => {
      const [one, two] = [bench.payout(50_000, 1), bench.payout(40_000, 2)]
      bench.chain.refusal = 'not now'
      bench.chain.setStatus('down')
      await bench.wallet.claim(one)
      await bench.wallet.claim(two)
      bench.chain.setStatus('synced')
      bench.sim.mine()
      await bench.settled()
      assert.equal(
        parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail()).inputs.length,
        2
      )
      bench.chain.reorg(1)
      bench.sim.drop(two.outPoint.txid)
      bench.chain.refusal = undefined
      bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.balance().pending, 49_889n)
      assert.equal(bench.wallet.balance().unswept, 0n)
    })
  })

  describe('stuck', () => {
    it('is replaced after six blocks when others pay more, to the same address', async () => {
      await confirmedPayout()
      bench.chain.feeRate = feeRate(5_000n)
      const first = parseTransaction(bench.chain.broadcasts[0] ?? assert.fail())
      for (let i = 0; i < 5; i++) {
        bench.sim.mine(1, { empty: true })
        await bench.settled()
      }
      assert.equal(bench.wallet.balance().pending, 49_889n)
      for (let i = 0; i < 2; i++) {
        bench.sim.mine(1, { empty: true })
        await bench.settled()
      }
      assert.equal(bench.wallet.balance().pending, 50_000n - 555n)
      assert.deepEqual(
        bench.chain.transaction(
          parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail()).txid
        )?.outputs[0]?.script,
        first.outputs[0]?.script
      )
      assert.equal(bench.chain.transaction(first.txid), undefined)
    })

    it('is left alone while it pays what is asked', async () => {
      await confirmedPayout()
      for (let i = 0; i < 12; i++) {
        bench.sim.mine(1, { empty: true })
        await bench.settled()
      }
      assert.equal(new Set(bench.chain.broadcasts.map((raw) => parseTransaction(raw).txid)).size, 1)
    })

    /** What the newest sweep pays, block by block, while one server takes it and no block does. */
    const feesOf = async (value: number, blocks: number): Promise<bigint[]> => {
      const fees: bigint[] = []
      for (let n = 0; n < blocks; n++) {
        const { outputs } = parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail())
        fees.push(BigInt(value) - (outputs[0]?.value ?? 0n))
        bench.sim.mine(1, { empty: true })
        await bench.settled()
      }
      return fees
    }

    it('is raised by a quarter a block while a server refuses it for its fee, whatever another one takes (EVID-7)', async () => {
      bench.chain.elsewhere = feeRate(12_000n)
      bench.chain.feeRate = feeRate(100n)
      await confirmedPayout(970_000)
      const fees = await feesOf(970_000, 30)
      assert.equal(
        fees[0],
        111n,
        'what every node relays, though one server says that less will do'
      )
      assert.ok((fees.at(-1) ?? 0n) >= 1_332n, 'what the other server asks for')
      for (const [n, fee] of fees.slice(1).entries()) {
        // Also what a replacement pays for its own relay: 111 sat.
        const before = fees[n] ?? 0n
        assert.ok(fee <= before + 112n || fee <= (before * 5n) / 4n + 1n, `${before} to ${fee}`)
      }
      assert.equal(new Set(fees.slice(-10)).size, 1, 'and no more')
    })

    it('is raised once a day of blocks has passed over it, though no server refuses it (EVID-7)', async () => {
      await confirmedPayout(970_000)
      const fees = await feesOf(970_000, 150)
      assert.deepEqual(new Set(fees.slice(0, 144)), new Set([111n]))
      assert.ok((fees.at(-1) ?? 0n) > 444n, String(fees.at(-1)))
    })

    it('costs 5 % of what it brings by itself at most (EVID-7)', async () => {
      bench.chain.elsewhere = feeRate(1_000_000n)
      await confirmedPayout(20_000)
      const fees = await feesOf(20_000, 20)
      assert.ok((fees.at(-1) ?? 0n) <= 1_000n && (fees.at(-1) ?? 0n) > 800n, String(fees.at(-1)))
    })

    it('is replaced when a person raises its fee, whatever version is named', async () => {
      await confirmedPayout()
      const first = parseTransaction(bench.chain.broadcasts[0] ?? assert.fail()).txid
      const bumped = await bench.wallet.bumpFee(first, { feeRate: 4_000n })
      await bench.settled()
      assert.deepEqual(
        [bumped.kind, bumped.of, bumped.fee, bumped.broadcast],
        ['replacement', first, 444n, true]
      )
      assert.equal(bench.wallet.balance().pending, 50_000n - 444n)
      for (const [feeRate, code] of [
        [4_500n, 'ERR_FEERATE_TOO_LOW'],
        [450_000n, 'ERR_INSUFFICIENT_FUNDS']
      ] as const) {
        await assert.rejects(
          bench.wallet.bumpFee(bumped.txid, { feeRate, highFee: true }),
          (error) => codeOf(error) === code
        )
      }
      bench.sim.mine()
      await bench.settled()
      await assert.rejects(
        bench.wallet.bumpFee(bumped.txid, { feeRate: 9_000n }),
        (error) => codeOf(error) === 'ERR_ALREADY_CONFIRMED'
      )
    })
  })
})
