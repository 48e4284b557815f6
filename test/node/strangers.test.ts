/** Strangers without a coin: what they say to a node, and how they want it to be hung up on. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Libp2p } from '@libp2p/interface'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import { FAVOURS } from '../../src/engine/streams.js'
import type { ChannelInfo } from '../../src/node/api.js'
import { fromHex, txidFromHash } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { Recorder } from '../chain/helpers.js'
import { Liar } from '../lies/liar.js'
import { startHost, type TestServices } from '../p2p/hosts.js'
import { itInAll } from '../size.js'
import { madeUpT1, offerBy, refundRequest } from '../strangers.js'
import { HARD_LIMIT, TollGate } from '../toll.js'
import { createTestSigner } from '../wallet/fixtures.js'
import { Fixture, type TestNode } from './fixture.js'

describe('node / a stranger', () => {
  it('that speaks of a disk that has failed stops no node (ERR-6)', async () => {
    const fixture = await Fixture.create()
    const bob = await fixture.node('bob')
    const host = await startHost({ onError: () => {} })
    try {
      const signer = createTestSigner('a stranger')
      const offer = offerBy(signer, 1, {
        closeHash: randomBytes(20),
        capacity: 100_000n,
        refundHeight: fixture.devnet.height + 1_000
      })
      const heard = new Recorder<Message>()
      const link = await host.services.peers.open(await bob.address(), () => ({
        onMessage: (message) => {
          heard.push(message)
        },
        onClosed: () => {}
      }))
      link.send(offer)
      const accept = await heard.when(({ type }) => type === 'AcceptChannel')
      assert.ok(accept.type === 'AcceptChannel')
      const terms = termsOf(offer, accept)
      const t1 = madeUpT1(terms, randomBytes(32))
      link.send(refundRequest(terms, offer, { txid: txidFromHash(t1.getHash()), vout: 0 }))
      await heard.when(({ type }) => type === 'RefundSignature')
      link.send({ type: 'Funding', fundingTx: Uint8Array.from(t1.toBuffer()) })
      // No mempool takes it: that is the end of what the chain has to do with this.
      await heard.when(({ type }) => type === 'Error')
      const text = 'good night'
      link.send({ type: 'Error', code: 'ERR_STORE_FAILED', rule: '', text, fatal: true })
      const told = await bob.events.when(
        (event) => event.type === 'channel' && event.news.kind === 'peer-says'
      )
      assert.ok(told.type === 'channel')
      assert.deepEqual(told.news, { kind: 'peer-says', code: 'ERR_STORE_FAILED', text })
      assert.equal(told.channel.status, 'stopped')
      const stopped = bob.events.all.filter(
        (event) => event.type === 'alarm' && event.text.includes(text)
      )
      assert.deepEqual(stopped, [], 'whoever has no coin makes no alarm')
      assert.equal((await bob.api.info()).chain.status, 'synced', 'the node goes on')
    } finally {
      await host.stop()
      await fixture.end()
    }
  })
})

/*
 * Strangers without a coin want a server to be hung up on by its honest Electrum server while a T3
 * of it is due, so that only their own server is left, which swallows it (COST-1 to COST-3).
 */

const CAPACITY = 100_000n
const BROADCAST = 'blockchain.transaction.broadcast'
/** ElectrumX forgives 1 a second. */
const FORGIVEN_IN_A_BLOCK = 600
/** Openings of one peer (OPEN-7), and what its streams may bring at once (WIRE-11). */
const CHANNELS = 16
const REPEATS = 60

/** Hands over a T1 whose inputs do not exist; what it hears, and how to say it again. */
async function handOver(
  host: Libp2p<TestServices>,
  address: string,
  height: number,
  low: number
): Promise<{ readonly heard: Recorder<Message>; readonly again: () => void }> {
  const signer = createTestSigner(randomBytes(16).toString('hex'))
  const offer = offerBy(signer, low, {
    closeHash: randomBytes(20),
    capacity: CAPACITY,
    refundHeight: height + 1_000
  })
  const heard = new Recorder<Message>()
  const link = await host.services.peers.open(address, () => ({
    onMessage: (message) => {
      heard.push(message)
    },
    onClosed: () => {}
  }))
  link.send(offer)
  const accept = await heard.when((message) => message.type !== 'ChannelReady')
  assert.ok(accept.type === 'AcceptChannel')
  const terms = termsOf(offer, accept)
  const tx = madeUpT1(terms, randomBytes(32))
  link.send(refundRequest(terms, offer, { txid: txidFromHash(tx.getHash()), vout: 0 }))
  await heard.when(({ type }) => type === 'RefundSignature')
  const again = (): void => {
    link.send({ type: 'Funding', fundingTx: Uint8Array.from(tx.toBuffer()) })
  }
  again()
  return { heard, again }
}

describe('node / a server that strangers want to cut off', function () {
  this.timeout(120_000)

  itInAll(
    'has its T3 in a block: they cost its honest server a few refusals (COST-1, COST-2, COST-3)',
    async () => {
      const fixture = await Fixture.create({ autoMine: false })
      const { devnet } = fixture
      const honest = await Liar.start(devnet)
      const port = Number(new URL(honest.url.replace('tcp:', 'http:')).port)
      const gate = await new TollGate({ host: '127.0.0.1', port }, HARD_LIMIT, true).open()
      let funding: string | undefined
      const spendsIt = (raw: unknown): boolean =>
        parseTransaction(fromHex(String(raw))).inputs.some(
          ({ outPoint }) => outPoint.txid === funding
        )
      const theirs = await Liar.start(devnet, {
        answer: async ({ method, params: [raw] }, said) =>
          method === BROADCAST && funding !== undefined && spendsIt(raw)
            ? { result: parseTransaction(fromHex(String(raw))).txid }
            : { result: await said() }
      })
      const host = await startHost({ onError: () => {} })
      try {
        const bob = await fixture.node('bob', { electrum: [theirs.url, gate.url] })
        const alice = await fixture.node('alice', { electrum: devnet.url })
        const block = async (...nodes: TestNode[]): Promise<void> => {
          await devnet.mine(1)
          gate.forgive(FORGIVEN_IN_A_BLOCK)
          for (const node of nodes) await node.synced()
        }
        await devnet.fund(await alice.api.wallet.address(), satoshi(2_000_000n))
        await block(alice, bob)
        await alice.sees(async () => (await alice.api.wallet.balance()).confirmed === 2_000_000n)
        const { id } = await alice.api.channels.open({
          peer: await bob.address(),
          amount: satoshi(1_000_000n),
          wait: 'broadcast'
        })
        const of = async (): Promise<ChannelInfo> =>
          (await bob.api.channels.list()).find((channel) => channel.id === id) ?? assert.fail()
        await bob.sees(async () => (await bob.api.channels.list()).length === 1)
        await block(alice, bob)
        await alice.sees(async () => (await alice.api.channels.list())[0]?.status === 'open')
        await alice.api.pay({ to: id, amount: satoshi(900_000n) })
        const { settleHeight, refundHeight, ...paid } = await of()
        assert.ok(settleHeight !== undefined && paid.funding !== undefined)
        await alice.api.stop()
        while (devnet.height < settleHeight - 1) await block(bob)

        funding = paid.funding.txid
        const before = gate.refused.length
        const streams = []
        for (let low = 0; low < CHANNELS; low++) {
          streams.push(await handOver(host, await bob.address(), devnet.height, low))
        }
        for (const { again } of streams) for (let n = 0; n < REPEATS; n++) again()
        // Each is answered: only then it has had what effect it has.
        for (const { heard } of streams) {
          await heard.when(() => heard.all.filter(({ type }) => type === 'Error').length > REPEATS)
        }
        while (devnet.height < refundHeight && (await of()).spend?.height === undefined) {
          await block(bob)
        }
        const { spend } = await of()
        assert.equal(spend?.kind, 'settlement')
        assert.ok(spend.height !== undefined && spend.height < refundHeight, 'it is in a block')
        assert.equal(gate.hungUp, 0)
        assert.ok(gate.refused.length - before <= FAVOURS, `${gate.refused.length} refusals`)
      } finally {
        await host.stop()
        await fixture.end()
        await gate.close()
        await Promise.all([honest.stop(), theirs.stop()])
      }
    }
  )
})
