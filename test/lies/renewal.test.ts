/**
 * A whole node against a client who makes T1 of a renewal by hand. Signed by both, T1 would be in
 * the way of every state of the old channel, which has to pay more than all of its fee (BIP125 rule
 * 3): the server signs none that is dear to replace.
 */
import '../../src/p2p/polyfill.js'
import assert from 'node:assert/strict'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { Transaction } from 'bitcoinjs-lib'
import { createLibp2p } from 'libp2p'
import type { Message, OpenChannel } from '../../protocols/paychan/1.0/index.js'
import { fundingSpend } from '../../src/bitcoin/funding-spend.js'
import { unsignedRefund } from '../../src/bitcoin/refund.js'
import { renewalSighash } from '../../src/bitcoin/renewal.js'
import type { TxOutput } from '../../src/bitcoin/transaction.js'
import { initialBalance } from '../../src/channel/ledger.js'
import { refundTemplateOf } from '../../src/channel/opening-client.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import { initialDigest } from '../../src/channel/signing.js'
import { fundingOutput, fundingScriptOf } from '../../src/channel/terms.js'
import { bitsToBytes } from '../../src/engine/openings.js'
import type { Link } from '../../src/engine/ports.js'
import type { ChannelInfo } from '../../src/node/api.js'
import { createHost, createPeers } from '../../src/p2p/index.js'
import { fromHex, txid } from '../../src/types/bytes.js'
import { satoshi, subSat } from '../../src/types/units.js'
import { Recorder } from '../chain/helpers.js'
import { alice as hand } from '../devnet/support.js'
import { Fixture, type TestNode } from '../node/fixture.js'
import type { TestServices } from '../p2p/hosts.js'
import { sized } from '../size.js'
import { Attacker } from './attacker.js'

const CAPACITY = satoshi(1_000_000n)
const PAID = satoshi(60_000n)
const BLOCKS = 300
/** A T3 at a few sat/vB. */
const NORMAL_FEE = 1_000n
/** A transaction of 10 kvB fits into no block, and into the mempool. */
const BLOCK_WEIGHT = 20_000

/** T1 beside the new funding output, which gets what is left. */
interface Made {
  readonly outputs: readonly TxOutput[]
  readonly fee: bigint
}

const own = (count: number): TxOutput[] =>
  Array.from({ length: count }, () => ({ script: hand.script, value: satoshi(1_000n) }))

// Under the mempool rules that most nodes have, and under those of Bitcoin Core 31.
for (const core of sized({ small: [28] as const, all: [28, 31] as const })) {
  describe(`evidence / T1 of a renewal that its client has made by hand (RENEW-4), Core ${core}`, () => {
    let fixture: Fixture
    let bob: TestNode
    let attacker: Attacker

    /** Bob was paid on a one-way channel of Alice, whose node has stopped. */
    beforeEach(async () => {
      fixture = await Fixture.create({ autoMine: false, blockWeight: BLOCK_WEIGHT, core })
      const alice = await fixture.node('alice')
      bob = await fixture.node('bob')
      await fixture.devnet.fund(await alice.api.wallet.address(), satoshi(2n * CAPACITY))
      await fixture.devnet.mine(1)
      await alice.sees(async () => (await alice.api.wallet.balance()).confirmed > CAPACITY)
      const { id } = await alice.api.channels.open({
        peer: await bob.address(),
        amount: CAPACITY,
        blocks: BLOCKS,
        wait: 'broadcast'
      })
      await fixture.devnet.mine(2)
      for (const node of [alice, bob]) {
        await node.sees(async () =>
          (await node.api.channels.list()).some((each) => each.id === id && each.status === 'open')
        )
      }
      await alice.api.pay({ to: id, amount: PAID })
      await alice.api.stop()
      attacker = await Attacker.of(fixture.path('alice'))
    })
    afterEach(async () => {
      await fixture.end()
    })

    /** A stream to Bob from the PeerId of Alice, and what comes on it. */
    async function stream(): Promise<{
      readonly send: Link['send']
      readonly answer: () => Promise<Message>
    }> {
      const host = createHost({
        privateKey: await generateKeyPairFromSeed('Ed25519', attacker.identity),
        listen: []
      })
      const node = await createLibp2p<TestServices>({
        ...host,
        services: {
          ...host.services,
          peers: (components) => createPeers(components, { onError: assert.ifError })
        }
      })
      fixture.onEnd(async () => {
        await node.stop()
      })
      const messages = new Recorder<Message>()
      const link = await node.services.peers.open(await bob.address(), () => ({
        onMessage: (message) => {
          messages.push(message)
        },
        onClosed: () => {}
      }))
      let read = 0
      return {
        send: (message) => {
          link.send(message)
        },
        answer: async () => await messages.when(() => true, read++)
      }
    }

    /**
     * The whole handshake of a renewal, up to what the server says to T1 that the client has
     * signed.
     */
    async function renewed(
      made: Made
    ): Promise<{ readonly t1: Transaction; readonly said: Message }> {
      const {
        channel,
        channel: { ledger },
        signer
      } = attacker
      const { send, answer } = await stream()
      const keys = { role: 'client', high: 1, low: 2 } as const
      const offer: OpenChannel = {
        type: 'OpenChannel',
        network: 'regtest',
        channelKey: signer.publicKey({ ...keys, use: 'channel' }),
        payoutKey: signer.publicKey({ ...keys, use: 'payout' }),
        closeScript: hand.script,
        capacity: made.outputs.reduce((left, { value }) => left - value, CAPACITY - made.fee),
        refundHeight: fixture.devnet.height + BLOCKS,
        mode: 'one-way',
        step: 0,
        txVersion: 3,
        renews: {
          channelId: fromHex(channel.id),
          turn: ledger.turn,
          sequence: ledger.held?.sequence ?? assert.fail(),
          serverBalance: PAID
        },
        derivation: bitsToBytes(keys)
      }
      send(offer)
      const accept = await answer()
      assert.ok(
        accept.type === 'AcceptChannel',
        accept.type === 'Error' ? accept.text : accept.type
      )
      const terms = termsOf(offer, accept)
      const old = fundingOutput(channel.terms, channel.outPoint)
      const t1 = fundingSpend(old, 3, 0, [
        { script: fundingScriptOf(terms), value: terms.capacity },
        ...made.outputs
      ])
      const outPoint = { txid: t1.txid, vout: 0 }
      send({
        type: 'RefundRequest',
        refundTx: unsignedRefund(refundTemplateOf(terms, outPoint), {
          script: hand.script,
          value: subSat(initialBalance(terms), satoshi(NORMAL_FEE))
        })
      })
      assert.equal((await answer()).type, 'RefundSignature')
      send({
        type: 'Update',
        turn: 0,
        sequence: 0,
        payerBalance: initialBalance(terms),
        payments: [],
        signature: signer.sign({ ...keys, use: 'channel' }, initialDigest({ terms, outPoint }))
      })
      assert.equal((await answer()).type, 'UpdateAck')
      send({
        type: 'RenewalRequest',
        fundingTx: t1.raw,
        signature: attacker.sign(renewalSighash(t1, old)),
        previous: []
      })
      return { t1: Transaction.fromBuffer(t1.raw), said: await answer() }
    }

    const theOld = async (): Promise<ChannelInfo> =>
      (await bob.api.channels.list()).find(({ id }) => id === attacker.channel.id) ?? assert.fail()

    it('is signed when it is as its node would make it', async () => {
      const { t1, said } = await renewed({ outputs: [], fee: 165n })
      assert.equal(said.type, 'FundingBroadcast')
      await fixture.devnet.mine(1)
      await bob.sees(async () => (await theOld()).status === 'closed')
      assert.equal((await theOld()).spend?.txid, t1.getId())
    })

    for (const [name, made, code] of [
      [
        'with 10 kvB of outputs at the least feerate',
        { outputs: own(310), fee: 10_000n },
        'ERR_RENEWAL_FORM'
      ],
      ['with a fee far above what blocks take', { outputs: [], fee: 50_000n }, 'ERR_RENEWAL_FEE']
    ] as const) {
      it(`is not signed ${name}, and the server settles the old channel for a normal fee`, async () => {
        const { said } = await renewed(made)
        assert.ok(said.type === 'Error', said.type)
        assert.deepEqual([said.rule, said.code], ['RENEW-4', code])
        assert.deepEqual(await fixture.devnet.backend.mempool(), [])
        await bob.api.channels.close(attacker.channel.id, { force: true })
        await fixture.devnet.mine(1)
        await bob.sees(async () => (await theOld()).status === 'closed')
        const { spend } = await theOld()
        assert.equal(spend?.kind, 'settlement')
        const t3 = Transaction.fromBuffer(
          (await fixture.devnet.transaction(txid(spend.txid)))?.raw ?? assert.fail()
        )
        const fee = t3.outs.reduce<bigint>((left, { value }) => left - value, CAPACITY)
        assert.ok(fee <= NORMAL_FEE, `it pays ${fee} sat`)
        assert.deepEqual(
          t3.outs.map(({ value }) => value),
          [CAPACITY - PAID, PAID - fee]
        )
      })
    }
  })
}
