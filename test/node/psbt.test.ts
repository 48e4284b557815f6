/**
 * Channels that an outside wallet funds, between real nodes, on a devnet that judges every
 * signature.
 */
import assert from 'node:assert/strict'
import { addressFromScript, scriptFromAddress } from '../../src/bitcoin/address.js'
import { bytesOfText } from '../../src/bitcoin/psbt.js'
import type { ChannelInfo } from '../../src/node/api.js'
import { satoshi } from '../../src/types/units.js'
import { base64, OutsideWallet, type FundingOptions } from '../outside-wallet.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

const CAPACITY = 500_000n

describe('node / funding from an outside wallet', () => {
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
    (await node.api.channels()).find((channel) => channel.id === id) ?? assert.fail()

  async function asked(): Promise<ChannelInfo> {
    for (const node of [alice, bob]) await node.synced()
    return await alice.api.open({
      peer: await bob.address(),
      amount: CAPACITY,
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
          alice.api.open({ peer: await bob.address(), amount: CAPACITY, psbt: true, ...choice })
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
    const { channel, warnings } = await alice.api.fundingPsbt(opened.id, psbt)
    assert.deepEqual(
      [channel.status, channel.outside?.needs, channel.outside?.psbt, warnings],
      ['opening', 'signatures', psbt, []]
    )
    const signed = wallet.sign(bytesOfText(psbt))
    const done = await alice.api.fundingPsbt(opened.id, base64(signed))
    assert.deepEqual(
      [done.channel.status, done.channel.outside, done.channel.funding?.txid],
      ['open', undefined, signed.id]
    )
    await alice.api.pay({ to: opened.id, amount: 1_000n })
    await alice.api.close(opened.id)
    await bob.sees(async () => (await bob.api.balance()).confirmed === 1_000n)
  })

  it('the wallet sends it by itself: both nodes find it on the chain', async () => {
    const opened = await asked()
    const psbt = await funded(opened, { version: 2 })
    await alice.api.fundingPsbt(opened.id, psbt)
    await fixture.devnet.submit(wallet.sign(bytesOfText(psbt)).extract())
    for (const node of [alice, bob]) {
      await node.sees(async () => (await of(node, opened.id)).status === 'open')
    }
    await alice.api.pay({ to: opened.id, amount: 1_000n })
    await alice.api.close(opened.id)
  })

  it('is never signed: given up, signed and sent after all, and the refund T2 brings it back', async () => {
    const opened = await asked()
    const psbt = await funded(opened)
    const { channel } = await alice.api.fundingPsbt(opened.id, psbt)
    assert.deepEqual(await alice.api.close(opened.id), {
      channel: opened.id,
      kind: 'abandoned',
      txid: undefined
    })
    const signed = wallet.sign(bytesOfText(psbt))
    assert.equal(
      await codeOfRejection(alice.api.fundingPsbt(opened.id, signed.hex)),
      'ERR_CANCELLED'
    )
    const before = (await alice.api.balance()).confirmed
    await fixture.devnet.submit(signed.extract())
    await fixture.devnet.mine(channel.refundHeight - fixture.devnet.height + 1)
    await alice.sees(async () => (await of(alice, opened.id)).status === 'closed')
    await alice.sees(async () => (await alice.api.balance()).confirmed > before + CAPACITY - 1_000n)
  })

  it('a wrong PSBT is refused with its code and a sentence, and a right one follows', async () => {
    const opened = await asked()
    const take = async (psbt: string): Promise<unknown> =>
      await codeOfRejection(alice.api.fundingPsbt(opened.id, psbt))
    assert.equal(await take('nonsense'), 'ERR_PSBT_MALFORMED')
    assert.equal(await take(opened.outside?.psbt ?? ''), 'ERR_PSBT_NO_INPUTS')
    assert.equal(await take(await funded(opened, { fee: 290_000n })), 'ERR_PSBT_FEE')
    const psbt = await funded(opened)
    await alice.api.fundingPsbt(opened.id, psbt)
    assert.equal(await take(psbt), 'ERR_PSBT_NOT_SIGNED')
    assert.equal(
      await take(base64(wallet.sign(bytesOfText(await funded(opened, { fee: 1_500n }))))),
      'ERR_PSBT_TXID'
    )
    assert.equal(
      (
        await alice.api.fundingPsbt(
          opened.id,
          base64(wallet.sign(bytesOfText(psbt), { finalize: false }))
        )
      ).channel.status,
      'open'
    )
    assert.equal(
      await codeOfRejection(alice.api.bumpFee((await of(alice, opened.id)).funding?.txid ?? '')),
      'ERR_CANNOT_BUMP'
    )
    await alice.api.close(opened.id)
    assert.equal(await codeOfRejection(alice.api.fundingPsbt('ffffffff', psbt)), 'ERR_NO_CHANNEL')
  })
})
