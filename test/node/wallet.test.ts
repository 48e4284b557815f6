/** The wallet of a real node, on the devnet's chain and its consensus rules. */
import assert from 'node:assert/strict'
import { scriptFromAddress } from '../../src/bitcoin/address.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { outPointText, txid, type Txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

describe('node / wallet', () => {
  let fixture: Fixture
  let alice: TestNode

  beforeEach(async () => {
    fixture = await Fixture.create({ autoMine: false })
    alice = await fixture.node('alice')
    await fixture.devnet.fund(await alice.api.address(), satoshi(1_000_000n))
    await fixture.devnet.mine(1)
    await alice.sees(async () => (await alice.api.balance()).confirmed === 1_000_000n)
  })
  afterEach(async () => {
    await fixture.end()
  })

  /** No event tells that the wallet has seen a transaction. */
  async function arrived(id: Txid): Promise<void> {
    while (!(await alice.api.transactions()).some((each) => each.txid === id)) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  /**
   * As the devnet has it, which hears of it later than the wallet when it is another program's
   * chain.
   */
  async function rawOf(id: Txid): Promise<Uint8Array> {
    for (;;) {
      const found = await fixture.devnet.transaction(id)
      if (found !== undefined) return found.raw
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  async function mined(): Promise<void> {
    await fixture.devnet.mine(1)
    await alice.synced()
  }

  it('asks before a fee that is likelier a slip, in sat/vB, for every verb that takes a feerate', async () => {
    const bob = await fixture.node('bob')
    const [to, peer] = [await bob.api.address(), await bob.address()]
    const satPerVByte = 1_000
    const asks = async (work: Promise<unknown>): Promise<void> => {
      assert.equal(await codeOfRejection(work), 'ERR_FEE_TOO_HIGH')
    }
    await asks(alice.api.send({ to, amount: 1_000n, satPerVByte }))
    await asks(alice.api.open({ peer, amount: 250_000n, blocks: 300, satPerVByte }))
    for (const rate of [-1, 1.2345, NaN, Infinity]) {
      assert.equal(
        await codeOfRejection(alice.api.send({ to, amount: 1_000n, satPerVByte: rate })),
        'ERR_INVALID_FEERATE'
      )
    }
    const channel = await alice.api.open({
      peer,
      amount: 250_000n,
      blocks: 300,
      satPerVByte: 2,
      wait: 'broadcast'
    })
    const funding = channel.funding?.txid ?? assert.fail()
    await arrived(funding)
    await asks(alice.api.bumpFee(funding, { satPerVByte }))
    await mined()
    await alice.sees(async () => (await alice.api.channels())[0]?.status === 'open')
    await asks(alice.api.renew(channel.id, { satPerVByte }))
    await asks(alice.api.renew(channel.id, { amount: 100n, satPerVByte: 4 }))
    const { satPerVByte: paid } = await alice.api.send({
      to,
      amount: 1_000n,
      satPerVByte: 20,
      highFee: true
    })
    assert.equal(paid, 20)
  })

  it('sends to every kind of address, and the fee can be raised until a block has it', async () => {
    const bob = await fixture.node('bob')
    const to = await bob.api.address()
    const sent = await alice.api.send({ to, amount: 200_000n, satPerVByte: 1, label: 'rent' })
    assert.equal(sent.broadcast, true)
    const bumped = await alice.api.bumpFee(sent.txid ?? assert.fail(), { satPerVByte: 8 })
    assert.equal(bumped.broadcast, true)
    await mined()
    await bob.synced()
    assert.equal((await bob.api.balance()).confirmed, 200_000n)
    assert.equal((await alice.api.balance()).confirmed, 800_000n - bumped.fee)
    const [newest] = await alice.api.transactions()
    assert.deepEqual(
      [
        newest?.txid,
        newest?.kind,
        newest?.amount,
        newest?.fee,
        newest?.confirmations,
        newest?.label
      ],
      [bumped.txid, 'send', -200_000n - bumped.fee, bumped.fee, 1, 'rent']
    )
    assert.equal(await codeOfRejection(alice.api.bumpFee(bumped.txid)), 'ERR_ALREADY_CONFIRMED')
    for (const address of [
      'mkHS9ne12qx9pS9VojpwU5xtRd4T7X7ZUt',
      '2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc',
      'bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6'
    ]) {
      await alice.api.send({ to: address, amount: 10_000n })
      await mined()
      assert.deepEqual(
        (await fixture.devnet.utxos(scriptFromAddress(address, 'regtest'))).map(
          ({ value }) => value
        ),
        [10_000n]
      )
    }
    await alice.api.send({ to, amount: 'all' })
    await mined()
    assert.equal((await alice.api.balance()).total, 0n)
  })

  it('opens and tops up with the coins and at the feerate that were named, and leaves locked ones alone', async () => {
    const bob = await fixture.node('bob')
    for (const amount of [400_000n, 300_000n]) {
      await fixture.devnet.fund(await alice.api.address(), satoshi(amount))
    }
    await mined()
    await alice.sees(async () => (await alice.api.balance()).confirmed === 1_700_000n)
    const coinOf = async (amount: bigint): Promise<string> =>
      (await alice.api.coins()).find((coin) => coin.amount === amount)?.outPoint ?? assert.fail()
    const [large, middle, small] = [
      await coinOf(1_000_000n),
      await coinOf(400_000n),
      await coinOf(300_000n)
    ]
    await alice.api.lockCoins([large])
    assert.equal((await alice.api.balance()).locked, 1_000_000n)
    const refused = alice.api.open({ peer: await bob.address(), amount: 350_000n, coins: [small] })
    assert.equal(await codeOfRejection(refused), 'ERR_INSUFFICIENT_FUNDS')
    assert.equal(
      await codeOfRejection(
        alice.api.open({ peer: await bob.address(), amount: 350_000n, coins: [] })
      ),
      'ERR_INVALID_OUTPOINT'
    )
    assert.equal(
      await codeOfRejection(
        alice.api.open({ peer: await bob.address(), amount: 350_000n, target: 0 })
      ),
      'ERR_INVALID_TARGET'
    )
    const channel = await alice.api.open({
      peer: await bob.address(),
      amount: 250_000n,
      blocks: 300,
      coins: [middle],
      satPerVByte: 4,
      wait: 'broadcast'
    })
    const funding = txid(channel.funding?.txid ?? assert.fail())
    await arrived(funding)
    const { inputs, outputs, vsize } = parseTransaction(await rawOf(funding))
    assert.deepEqual(
      inputs.map(({ outPoint }) => outPointText(outPoint)),
      [middle]
    )
    const fee = 400_000n - outputs.reduce((sum, { value }) => sum + value, 0n)
    assert.ok(
      fee >= BigInt(vsize) * 4n && fee <= BigInt(vsize + 1) * 4n,
      `${fee} sat for ${vsize} vB`
    )
    await mined()
    await alice.sees(async () => (await alice.api.channels())[0]?.status === 'open')
    await alice.api.pay({ to: channel.id, amount: 10_000n })
    assert.equal(
      await codeOfRejection(alice.api.renew(channel.id, { coins: [small] })),
      'ERR_INVALID_AMOUNT'
    )
    const larger = await alice.api.renew(channel.id, {
      amount: 100_000n,
      blocks: 300,
      coins: [small],
      target: 3,
      wait: 'broadcast'
    })
    await arrived(txid(larger.funding?.txid ?? assert.fail()))
    const topUp = parseTransaction(await rawOf(txid(larger.funding?.txid ?? assert.fail())))
    assert.deepEqual(
      topUp.inputs.map(({ outPoint }) => outPointText(outPoint)).sort(),
      [`${funding}:${channel.funding?.vout ?? ''}`, small].sort()
    )
    assert.equal(
      (await alice.api.coins()).find(({ outPoint }) => outPoint === large)?.state,
      'locked'
    )
    assert.equal(
      await codeOfRejection(
        alice.api.send({ to: await bob.api.address(), amount: 'all', coins: [small] })
      ),
      'ERR_COIN_SPENT'
    )
  })

  it('shows what to choose a fee by, for 1 to 144 blocks', async () => {
    const { leastSatPerVByte, estimates } = await alice.api.fees()
    assert.equal(leastSatPerVByte, 1)
    assert.deepEqual(
      estimates.map(({ blocks }) => blocks),
      [1, 3, 6, 12, 36, 144]
    )
    assert.ok(estimates.every(({ satPerVByte }) => satPerVByte >= leastSatPerVByte))
  })

  it('FUND-5: pays for a funding transaction by a child of its change', async () => {
    const bob = await fixture.node('bob')
    const channel = await alice.api.open({
      peer: await bob.address(),
      amount: 300_000n,
      wait: 'broadcast'
    })
    const funding = txid(channel.funding?.txid ?? assert.fail())
    await arrived(funding)
    assert.deepEqual((await alice.api.transactions())[0]?.kind, 'funding')
    const child = await alice.api.bumpFee(funding, { satPerVByte: 30, highFee: true })
    assert.deepEqual([child.kind, child.of, child.broadcast], ['child', funding, true])
    await mined()
    const kinds = (await alice.api.transactions()).map(({ kind, status }) => `${kind} ${status}`)
    assert.deepEqual(kinds.sort(), ['bump confirmed', 'funding confirmed', 'receive confirmed'])
    const balance = await alice.api.balance()
    assert.equal(balance.reserved, 0n)
  })
})
