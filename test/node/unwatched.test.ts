/**
 * A server that declines to tell of a channel, which has lost its funding transaction meanwhile:
 * nothing is paid on it (UPD-20).
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { scriptHashOf } from '../../src/devnet/hashes.js'
import type { ChannelInfo } from '../../src/node/api.js'
import { txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { Liar } from '../lies/liar.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

const SUBSCRIBE = 'blockchain.scripthash.subscribe'
const HISTORY = 'blockchain.scripthash.get_history'

describe('node / a channel that its server declines to show', () => {
  let fixture: Fixture
  let [hers, his]: Liar[] = []

  beforeEach(async () => {
    fixture = await Fixture.create({ autoMine: false })
    ;[hers, his] = [await Liar.start(fixture.devnet), await Liar.start(fixture.devnet)]
  })
  afterEach(async () => {
    await fixture.end()
    await Promise.all([hers?.stop(), his?.stop()])
  })

  const of = async (node: TestNode): Promise<ChannelInfo> =>
    (await node.api.channels())[0] ?? assert.fail()

  for (const method of [SUBSCRIBE, HISTORY]) {
    it(`takes no payment after a restart, when ${method} is refused and T1 is in no block any more`, async () => {
      const alice = await fixture.node('alice', { electrum: hers?.url ?? assert.fail() })
      let bob = await fixture.node('bob', { electrum: his?.url ?? assert.fail() })
      await fixture.devnet.fund(await alice.api.address(), satoshi(2_000_000n))
      await fixture.devnet.mine(1)
      await alice.sees(async () => (await alice.api.balance()).confirmed === 2_000_000n)
      const { id, funding } = await alice.api.open({
        peer: await bob.address(),
        amount: 1_000_000n,
        blocks: 144,
        wait: 'broadcast'
      })
      await fixture.devnet.mine(2)
      for (const node of [alice, bob]) {
        await node.sees(async () => (await of(node)).status === 'open')
      }
      await alice.api.pay({ to: id, amount: 10_000n })
      const listen = [(await bob.address()).replace(/\/p2p\/.*$/, '')]
      await bob.api.stop()

      // Her server says nothing of the reorganisation, so she goes on paying.
      if (hers !== undefined) hers.lie = { notification: () => undefined }
      const t1 =
        (await fixture.devnet.transaction(txid(funding?.txid ?? assert.fail()))) ?? assert.fail()
      const script = scriptHashOf(
        Transaction.fromBuffer(t1.raw).outs[funding?.vout ?? 0]?.script ?? assert.fail()
      )
      if (his !== undefined) {
        his.lie = {
          answer: async (asked, honest) =>
            asked.method === method && asked.params[0] === script
              ? { error: 'excessive resource usage' }
              : { result: await honest() }
        }
      }
      await fixture.devnet.reorg(2, { transactions: 'drop' })
      bob = await fixture.node('bob', { electrum: his?.url ?? assert.fail(), listen })

      assert.equal((await of(bob)).watched, false)
      assert.equal(
        await codeOfRejection(alice.api.pay({ to: id, amount: 500_000n })),
        'ERR_PAYMENT_UNKNOWN'
      )
      assert.deepEqual([(await of(bob)).ourBalance, (await of(bob)).receivable], [10_000n, 0n])
      assert.deepEqual(
        [(await bob.api.info()).channels.unwatched, (await bob.api.balance()).unwatched],
        [1, 10_000n]
      )
      assert.equal(bob.events.all.filter(({ type }) => type === 'payment').length, 0)

      // It tells again: what was acknowledged exists nowhere, and nothing more is taken until T1 is
      // buried again.
      if (his !== undefined) his.lie = {}
      await fixture.devnet.mine(1)
      await bob.sees(async () => (await of(bob)).watched)
      assert.deepEqual([(await of(bob)).status, (await of(bob)).confirmations], ['confirming', 0])
    })
  }
})
