/** The wallet of a real node, on the devnet's chain and its consensus rules. */
import assert from 'node:assert/strict'
import { addressFromScript, scriptFromAddress } from '../../src/bitcoin/address.js'
import { bytesOfText } from '../../src/bitcoin/psbt.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { ChannelInfo, WalletTransaction } from '../../src/node/api.js'
import { withRenewals } from '../../src/node/wallet.js'
import { channelId, outPointText, txid, type Txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { channel } from '../daemon/fake-node.js'
import { base64, type FundingOptions, OutsideWallet } from '../outside-wallet.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

describe('node / wallet', () => {
  let fixture: Fixture
  let alice: TestNode

  beforeEach(async () => {
    fixture = await Fixture.create({ autoMine: false })
    alice = await fixture.node('alice')
    await fixture.devnet.fund(await alice.api.wallet.address(), satoshi(1_000_000n))
    await fixture.devnet.mine(1)
    await alice.sees(async () => (await alice.api.wallet.balance()).confirmed === 1_000_000n)
  })
  afterEach(async () => {
    await fixture.end()
  })

  /** No event tells that the wallet has seen a transaction. */
  async function arrived(id: Txid): Promise<void> {
    while (!(await alice.api.wallet.transactions()).some((each) => each.txid === id)) {
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
    const [to, peer] = [await bob.api.wallet.address(), await bob.address()]
    const satPerVByte = 1_000
    const asks = async (work: Promise<unknown>): Promise<void> => {
      assert.equal(await codeOfRejection(work), 'ERR_FEE_TOO_HIGH')
    }
    await asks(alice.api.wallet.send({ to, amount: satoshi(1_000n), satPerVByte }))
    await asks(
      alice.api.channels.open({ peer, amount: satoshi(250_000n), blocks: 300, satPerVByte })
    )
    for (const rate of [-1, 1.2345, NaN, Infinity]) {
      assert.equal(
        await codeOfRejection(
          alice.api.wallet.send({ to, amount: satoshi(1_000n), satPerVByte: rate })
        ),
        'ERR_INVALID_FEERATE'
      )
    }
    const channel = await alice.api.channels.open({
      peer,
      amount: satoshi(250_000n),
      blocks: 300,
      satPerVByte: 2,
      wait: 'broadcast'
    })
    const funding = channel.funding?.txid ?? assert.fail()
    await arrived(funding)
    await asks(alice.api.wallet.bumpFee(funding, { satPerVByte }))
    await mined()
    await alice.sees(async () => (await alice.api.channels.list())[0]?.status === 'open')
    await asks(alice.api.channels.renew(channel.id, { satPerVByte }))
    await asks(alice.api.channels.renew(channel.id, { amount: satoshi(100n), satPerVByte: 4 }))
    const { satPerVByte: paid } = await alice.api.wallet.send({
      to,
      amount: satoshi(1_000n),
      satPerVByte: 20,
      highFee: true
    })
    assert.equal(paid, 20)
  })

  it('sends to every kind of address, and the fee can be raised until a block has it', async () => {
    const bob = await fixture.node('bob')
    const to = await bob.api.wallet.address()
    const sent = await alice.api.wallet.send({
      to,
      amount: satoshi(200_000n),
      satPerVByte: 1,
      label: 'rent'
    })
    assert.equal(sent.broadcast, true)
    const bumped = await alice.api.wallet.bumpFee(sent.txid ?? assert.fail(), { satPerVByte: 8 })
    assert.equal(bumped.broadcast, true)
    await mined()
    await bob.synced()
    assert.equal((await bob.api.wallet.balance()).confirmed, 200_000n)
    assert.equal((await alice.api.wallet.balance()).confirmed, 800_000n - bumped.fee)
    const [newest] = await alice.api.wallet.transactions()
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
    assert.equal(
      await codeOfRejection(alice.api.wallet.bumpFee(bumped.txid)),
      'ERR_ALREADY_CONFIRMED'
    )
    for (const address of [
      'mkHS9ne12qx9pS9VojpwU5xtRd4T7X7ZUt',
      '2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc',
      'bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6'
    ]) {
      await alice.api.wallet.send({ to: address, amount: satoshi(10_000n) })
      await mined()
      assert.deepEqual(
        (await fixture.devnet.utxos(scriptFromAddress(address, 'regtest'))).map(
          ({ value }) => value
        ),
        [10_000n]
      )
    }
    await alice.api.wallet.send({ to, amount: 'all' })
    await mined()
    assert.equal((await alice.api.wallet.balance()).total, 0n)
  })

  it('opens and tops up with the coins and at the feerate that were named, and leaves locked ones alone', async () => {
    const bob = await fixture.node('bob')
    for (const amount of [400_000n, 300_000n]) {
      await fixture.devnet.fund(await alice.api.wallet.address(), satoshi(amount))
    }
    await mined()
    await alice.sees(async () => (await alice.api.wallet.balance()).confirmed === 1_700_000n)
    const coinOf = async (amount: bigint): Promise<string> =>
      (await alice.api.wallet.coins()).find((coin) => coin.amount === amount)?.outPoint ??
      assert.fail()
    const [large, middle, small] = [
      await coinOf(1_000_000n),
      await coinOf(400_000n),
      await coinOf(300_000n)
    ]
    await alice.api.wallet.lockCoins([large])
    assert.equal((await alice.api.wallet.balance()).locked, 1_000_000n)
    const refused = alice.api.channels.open({
      peer: await bob.address(),
      amount: satoshi(350_000n),
      coins: [small]
    })
    assert.equal(await codeOfRejection(refused), 'ERR_INSUFFICIENT_FUNDS')
    assert.equal(
      await codeOfRejection(
        alice.api.channels.open({ peer: await bob.address(), amount: satoshi(350_000n), coins: [] })
      ),
      'ERR_INVALID_OUTPOINT'
    )
    assert.equal(
      await codeOfRejection(
        alice.api.channels.open({ peer: await bob.address(), amount: satoshi(350_000n), target: 0 })
      ),
      'ERR_INVALID_TARGET'
    )
    const channel = await alice.api.channels.open({
      peer: await bob.address(),
      amount: satoshi(250_000n),
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
    await alice.sees(async () => (await alice.api.channels.list())[0]?.status === 'open')
    await alice.api.pay({ to: channel.id, amount: satoshi(10_000n) })
    assert.equal(
      await codeOfRejection(alice.api.channels.renew(channel.id, { coins: [small] })),
      'ERR_INVALID_AMOUNT'
    )
    const larger = await alice.api.channels.renew(channel.id, {
      amount: satoshi(100_000n),
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
      (await alice.api.wallet.coins()).find(({ outPoint }) => outPoint === large)?.state,
      'locked'
    )
    assert.equal(
      await codeOfRejection(
        alice.api.wallet.send({ to: await bob.api.wallet.address(), amount: 'all', coins: [small] })
      ),
      'ERR_COIN_RESERVED'
    )
  })

  it('shows what to choose a fee by, for 1 to 144 blocks', async () => {
    const { leastSatPerVByte, estimates } = await alice.api.chain.fees()
    assert.equal(leastSatPerVByte, 1)
    assert.deepEqual(
      estimates.map(({ blocks }) => blocks),
      [1, 3, 6, 12, 36, 144]
    )
    assert.ok(estimates.every(({ satPerVByte }) => satPerVByte >= leastSatPerVByte))
  })

  it('FUND-5: pays for a funding transaction by a child of its change', async () => {
    const bob = await fixture.node('bob')
    const channel = await alice.api.channels.open({
      peer: await bob.address(),
      amount: satoshi(300_000n),
      wait: 'broadcast'
    })
    const funding = txid(channel.funding?.txid ?? assert.fail())
    await arrived(funding)
    assert.deepEqual((await alice.api.wallet.transactions())[0]?.kind, 'funding')
    const child = await alice.api.wallet.bumpFee(funding, { satPerVByte: 30, highFee: true })
    assert.deepEqual([child.kind, child.of, child.broadcast], ['child', funding, true])
    await mined()
    const kinds = (await alice.api.wallet.transactions()).map(
      ({ kind, status }) => `${kind} ${status}`
    )
    assert.deepEqual(kinds.sort(), ['bump confirmed', 'funding confirmed', 'receive confirmed'])
    const balance = await alice.api.wallet.balance()
    assert.equal(balance.reserved, 0n)
  })
})

/*
 * Channels that an outside wallet funds, between real nodes, on a devnet that judges every
 * signature.
 */

describe('node / funding from an outside wallet', () => {
  const CAPACITY = 500_000n

  let fixture: Fixture
  let alice: TestNode
  let bob: TestNode
  const wallet = new OutsideWallet()

  before(async () => {
    fixture = await Fixture.create()
    bob = await fixture.node('bob')
    // Not one satoshi of her own.
    alice = await fixture.node('alice')
  })
  after(async () => {
    await fixture.end()
  })

  const of = async (node: TestNode, id: string): Promise<ChannelInfo> =>
    (await node.api.channels.list()).find((channel) => channel.id === id) ?? assert.fail()

  async function asked(): Promise<ChannelInfo> {
    for (const node of [alice, bob]) await node.synced()
    return await alice.api.channels.open({
      peer: await bob.address(),
      amount: satoshi(CAPACITY),
      blocks: 300,
      psbt: true
    })
  }

  /** As the outside wallet pays for what it was asked for. */
  async function funded({ outside }: ChannelInfo, options: FundingOptions = {}): Promise<string> {
    assert.ok(outside !== undefined)
    const txid = await fixture.devnet.fund(
      addressFromScript(wallet.script, 'regtest'),
      satoshi(800_000n)
    )
    const coin =
      (await fixture.devnet.utxos(wallet.script)).find(({ outPoint }) => outPoint.txid === txid) ??
      assert.fail()
    return base64(
      wallet.fund(
        [{ ...coin.outPoint, value: coin.value }],
        [{ script: scriptFromAddress(outside.address, 'regtest'), amount: outside.amount }],
        options
      )
    )
  }

  it('is not told of fees and coins of our wallet, which it does not spend', async () => {
    for (const choice of [{ satPerVByte: 2 }, { target: 6 }, { coins: [`${'00'.repeat(32)}:0`] }]) {
      assert.equal(
        await codeOfRejection(
          alice.api.channels.open({
            peer: await bob.address(),
            amount: satoshi(CAPACITY),
            psbt: true,
            ...choice
          })
        ),
        'ERR_PSBT_CHOICE'
      )
    }
  })

  it('the refund is signed, then the transaction; and it is paid on and closed like any other', async () => {
    const opened = await asked()
    assert.deepEqual(
      [opened.status, opened.outside?.needs, opened.outside?.amount],
      ['opening', 'inputs', CAPACITY]
    )
    const psbt = await funded(opened)
    const { channel, warnings } = await alice.api.channels.fundingPsbt(opened.id, psbt)
    assert.deepEqual(
      [channel.status, channel.outside?.needs, channel.outside?.psbt, warnings],
      ['opening', 'signatures', psbt, []]
    )
    const signed = wallet.sign(bytesOfText(psbt))
    const done = await alice.api.channels.fundingPsbt(opened.id, base64(signed))
    assert.deepEqual(
      [done.channel.status, done.channel.outside, done.channel.funding?.txid],
      ['open', undefined, signed.id]
    )
    await alice.api.pay({ to: opened.id, amount: satoshi(1_000n) })
    await alice.api.channels.close(opened.id)
    await bob.sees(async () => (await bob.api.wallet.balance()).confirmed === 1_000n)
  })

  it('the wallet sends it by itself: both nodes find it on the chain', async () => {
    const opened = await asked()
    const psbt = await funded(opened, { version: 2 })
    await alice.api.channels.fundingPsbt(opened.id, psbt)
    await fixture.devnet.submit(wallet.sign(bytesOfText(psbt)).extract())
    for (const node of [alice, bob]) {
      await node.sees(async () => (await of(node, opened.id)).status === 'open')
    }
    await alice.api.pay({ to: opened.id, amount: satoshi(1_000n) })
    await alice.api.channels.close(opened.id)
  })

  it('is never signed: given up, signed and sent after all, and the refund T2 brings it back', async () => {
    const opened = await asked()
    const psbt = await funded(opened)
    const { channel } = await alice.api.channels.fundingPsbt(opened.id, psbt)
    assert.deepEqual(await alice.api.channels.close(opened.id), {
      channel: opened.id,
      kind: 'abandoned',
      txid: undefined
    })
    const signed = wallet.sign(bytesOfText(psbt))
    assert.equal(
      await codeOfRejection(alice.api.channels.fundingPsbt(opened.id, signed.hex)),
      'ERR_CANCELLED'
    )
    const before = (await alice.api.wallet.balance()).confirmed
    await fixture.devnet.submit(signed.extract())
    await fixture.devnet.mine(channel.refundHeight - fixture.devnet.height + 1)
    await alice.sees(async () => (await of(alice, opened.id)).status === 'closed')
    await alice.sees(
      async () => (await alice.api.wallet.balance()).confirmed > before + CAPACITY - 1_000n
    )
  })

  it('a wrong PSBT is refused with its code and a sentence, and a right one follows', async () => {
    const opened = await asked()
    const take = async (psbt: string): Promise<unknown> =>
      await codeOfRejection(alice.api.channels.fundingPsbt(opened.id, psbt))
    assert.equal(await take('nonsense'), 'ERR_PSBT_MALFORMED')
    assert.equal(await take(opened.outside?.psbt ?? ''), 'ERR_PSBT_NO_INPUTS')
    assert.equal(await take(await funded(opened, { fee: 290_000n })), 'ERR_PSBT_FEE')
    const psbt = await funded(opened)
    await alice.api.channels.fundingPsbt(opened.id, psbt)
    assert.equal(await take(psbt), 'ERR_PSBT_NOT_SIGNED')
    assert.equal(
      await take(base64(wallet.sign(bytesOfText(await funded(opened, { fee: 1_500n }))))),
      'ERR_PSBT_TXID'
    )
    assert.equal(
      (
        await alice.api.channels.fundingPsbt(
          opened.id,
          base64(wallet.sign(bytesOfText(psbt), { finalize: false }))
        )
      ).channel.status,
      'open'
    )
    assert.equal(
      await codeOfRejection(
        alice.api.wallet.bumpFee((await of(alice, opened.id)).funding?.txid ?? '')
      ),
      'ERR_CANNOT_BUMP'
    )
    await alice.api.channels.close(opened.id)
    assert.equal(
      await codeOfRejection(alice.api.channels.fundingPsbt('ffffffff', psbt)),
      'ERR_NO_CHANNEL'
    )
  })
})

/* Renewals of real nodes, over TCP, on a devnet that judges every script and signature. */

describe('node / renewals', () => {
  const CAPACITY = 500_000n

  let fixture: Fixture
  let alice: TestNode
  let bob: TestNode

  before(async () => {
    fixture = await Fixture.create()
    alice = await fixture.rich('alice', 5_000_000n)
    bob = await fixture.node('bob')
  })
  after(async () => {
    await fixture.end()
  })

  async function opened(options: { readonly twoWay?: boolean } = {}): Promise<ChannelInfo> {
    const channel = await alice.api.channels.open({
      peer: await bob.address(),
      amount: satoshi(CAPACITY),
      blocks: 300,
      ...options,
      ...(options.twoWay === true ? { step: 12 } : {})
    })
    await alice.api.pay({ to: channel.id, amount: satoshi(60_000n) })
    return channel
  }

  const of = async (node: TestNode, id: string): Promise<ChannelInfo> =>
    (await node.api.channels.list()).find((channel) => channel.id === id) ?? assert.fail()

  it('renew a channel: one transaction ends the old and begins the new, and both balances go over', async () => {
    const old = await opened()
    const fresh = await alice.api.channels.renew(old.id, { blocks: 300 })
    await bob.sees(async () => (await of(bob, fresh.id)).status === 'open')
    for (const node of [alice, bob]) {
      await node.sees(
        async () =>
          (await of(node, old.id)).spend?.txid === fresh.funding?.txid &&
          (await of(node, old.id)).status === 'closed'
      )
    }
    // A version 3 transaction of one 2-of-2 input and one P2WSH output has 150 vB at 1.1 sat/vB.
    assert.deepEqual(
      [fresh.capacity, fresh.ourBalance, fresh.theirBalance],
      [CAPACITY - 165n, 440_000n - 165n, 60_000n]
    )
    // No coin of the wallet has a part in it: it is listed all the same.
    const listed = (await alice.api.wallet.transactions()).filter(
      (each) => each.txid === fresh.funding?.txid
    )
    assert.deepEqual(
      listed.map(({ kind, amount, fee, confirmations }) => [kind, amount, fee, confirmations > 0]),
      [['funding', 0n, 165n, true]]
    )
    assert.equal((await bob.api.wallet.transactions()).length, 0, 'it is none of the server')
    await alice.api.pay({ to: fresh.id, amount: satoshi(1n) })
    assert.equal((await of(bob, fresh.id)).ourBalance, 60_001n)
    await alice.api.channels.close(fresh.id)
    await bob.sees(async () => (await bob.api.wallet.balance()).confirmed === 60_001n)
  })

  it('top a two-way channel up by coins of the wallet, and the server pays back what it brought along', async () => {
    const old = await opened({ twoWay: true })
    const fresh = await alice.api.channels.renew(old.id, { amount: satoshi(200_000n), blocks: 300 })
    assert.equal(fresh.capacity, CAPACITY + 200_000n)
    await bob.sees(async () => (await of(bob, fresh.id)).status === 'open')
    await bob.api.pay({ to: fresh.id, amount: satoshi(50_000n) })
    assert.deepEqual(
      [(await of(alice, fresh.id)).ourBalance, (await of(bob, fresh.id)).ourBalance],
      [690_000n, 10_000n]
    )
    const raw = (await fixture.devnet.transaction(txid(fresh.funding?.txid ?? assert.fail())))?.raw
    assert.ok(raw !== undefined)
    const { vsize } = parseTransaction(raw)
    const fee =
      (await alice.api.wallet.transactions()).find((each) => each.txid === fresh.funding?.txid)
        ?.fee ?? assert.fail('what it paid is not known')
    assert.ok(fee >= BigInt(vsize) && fee <= 2n * BigInt(vsize), `${fee} sat for ${vsize} vB`)
    await alice.api.channels.close(fresh.id)
  })

  it('pay the server its part of the refund when it is gone: T2 has its output (RENEW-2)', async () => {
    const old = await opened()
    const fresh = await alice.api.channels.renew(old.id, { blocks: 100 })
    const before = (await bob.api.wallet.balance()).confirmed
    await bob.api.stop()
    await fixture.devnet.mine(fresh.refundHeight - fixture.devnet.height + 1)
    await alice.sees(async () => (await of(alice, fresh.id)).spend?.kind === 'refund')
    await fixture.devnet.mine(1)
    await alice.sees(async () => (await of(alice, fresh.id)).status === 'closed')
    bob = await fixture.node('bob')
    // Its output of T2, less the fee of sweeping it.
    await bob.sees(async () => (await bob.api.wallet.balance()).confirmed > before + 59_000n)
    assert.ok((await bob.api.wallet.balance()).confirmed <= before + 60_000n)
  })
})

/* What only the channels know of the wallet's transactions. */

const T1 = txid('ab'.repeat(32))
const TIP = blockHeight(120)

const old: ChannelInfo = {
  ...channel,
  id: channelId('01'.repeat(32)),
  status: 'closed',
  capacity: satoshi(100_000n)
}
const fresh = (capacity: bigint, fields: Partial<ChannelInfo> = {}): ChannelInfo => ({
  ...channel,
  renews: old.id,
  funding: { txid: T1, vout: 0 },
  confirmations: 3,
  capacity: satoshi(capacity),
  ...fields
})
const wallet = (fields: Partial<WalletTransaction> = {}): WalletTransaction => ({
  txid: T1,
  kind: 'funding',
  amount: -50_300n,
  fee: undefined,
  height: blockHeight(118),
  confirmations: 3,
  status: 'confirmed',
  label: 'more',
  ...fields
})

describe('node / the transactions of renewals', () => {
  it('what a top-up pays is what neither channel nor wallet has any more', () => {
    assert.deepEqual(withRenewals([wallet()], [fresh(150_000n), old], TIP), [
      wallet({ fee: satoshi(300n) })
    ])
    assert.deepEqual(
      withRenewals([wallet({ fee: satoshi(7n) })], [fresh(150_000n), old], TIP),
      [wallet({ fee: satoshi(7n) })],
      'what the wallet knows is right'
    )
    assert.deepEqual(
      withRenewals([wallet({ amount: 900_000n })], [fresh(150_000n), old], TIP)[0]?.fee,
      undefined,
      'only a part of it is known yet'
    )
  })

  it('a renewal alone stands where its block is, and before all blocks while it is in none', () => {
    const others = [
      wallet({ txid: txid('cd'.repeat(32)), height: blockHeight(119) }),
      wallet({ txid: txid('ef'.repeat(32)), height: blockHeight(100) })
    ]
    const list = (channel: ChannelInfo): unknown[] =>
      withRenewals(others, [channel, old], TIP).map(({ txid, height, status, fee }) =>
        txid === T1 ? [height, status, fee] : height
      )
    assert.deepEqual(list(fresh(99_800n)), [119, [118, 'confirmed', 200n], 100])
    assert.deepEqual(list(fresh(99_800n, { confirmations: 0 })), [
      [undefined, 'mempool', 200n],
      119,
      100
    ])
  })

  it("a top-up is the wallet's to list", () => {
    assert.deepEqual(withRenewals([], [fresh(150_000n), old], TIP), [])
  })

  it("nothing is listed of a server's, nor of one that has not left", () => {
    for (const fields of [
      { role: 'server' },
      { status: 'opening' },
      { status: 'abandoned' }
    ] as const) {
      assert.deepEqual(withRenewals([], [fresh(99_800n, fields), old], TIP), [])
    }
  })
})
