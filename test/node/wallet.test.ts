/** The wallet of a real node, on the devnet's chain and its consensus rules. */
import assert from 'node:assert/strict'
import { scriptFromAddress } from '../../src/bitcoin/address.js'
import { txid } from '../../src/types/bytes.js'
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
  afterEach(async () => { await fixture.end() })

  async function mined (): Promise<void> {
    await fixture.devnet.mine(1)
    await alice.synced()
  }

  it('sends to every kind of address, and the fee can be raised until a block has it', async () => {
    const bob = await fixture.node('bob')
    const to = await bob.api.address()
    const sent = await alice.api.send({ to, amount: 200_000n, feeRate: 1_000n, label: 'rent' })
    assert.equal(sent.broadcast, true)
    const bumped = await alice.api.bumpFee(sent.txid ?? assert.fail(), { feeRate: 8_000n })
    assert.equal(bumped.broadcast, true)
    await mined()
    await bob.synced()
    assert.equal((await bob.api.balance()).confirmed, 200_000n)
    assert.equal((await alice.api.balance()).confirmed, 800_000n - bumped.fee)
    const [newest] = await alice.api.transactions()
    assert.deepEqual([newest?.txid, newest?.kind, newest?.amount, newest?.fee, newest?.confirmations, newest?.label], [bumped.txid, 'send', -200_000n - bumped.fee, bumped.fee, 1, 'rent'])
    assert.equal(await codeOfRejection(alice.api.bumpFee(bumped.txid)), 'ERR_ALREADY_CONFIRMED')
    for (const address of ['mkHS9ne12qx9pS9VojpwU5xtRd4T7X7ZUt', '2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc', 'bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6']) {
      await alice.api.send({ to: address, amount: 10_000n })
      await mined()
      assert.deepEqual((await fixture.devnet.utxos(scriptFromAddress(address, 'regtest'))).map(({ value }) => value), [10_000n])
    }
    await alice.api.send({ to, amount: 'all' })
    await mined()
    assert.equal((await alice.api.balance()).total, 0n)
  })

  it('FUND-5: pays for a funding transaction by a child of its change', async () => {
    const bob = await fixture.node('bob')
    const channel = await alice.api.open({ peer: await bob.address(), amount: 300_000n, wait: 'broadcast' })
    const funding = txid(channel.funding?.txid ?? assert.fail())
    while (!(await alice.api.transactions()).some((each) => each.txid === funding)) await new Promise<void>((resolve) => { setImmediate(resolve) })
    assert.deepEqual((await alice.api.transactions())[0]?.kind, 'funding')
    const child = await alice.api.bumpFee(funding, { feeRate: 30_000n })
    assert.deepEqual([child.kind, child.of, child.broadcast], ['child', funding, true])
    await mined()
    const kinds = (await alice.api.transactions()).map(({ kind, status }) => `${kind} ${status}`)
    assert.deepEqual(kinds.sort(), ['bump confirmed', 'funding confirmed', 'receive confirmed'])
    const balance = await alice.api.balance()
    assert.equal(balance.reserved, 0n)
  })
})
