/**
 * Whole nodes against a peer who signs and publishes by hand whatever its keys allow, and who runs
 * one of the Electrum servers of its victim. What is in no block may be made up: it costs the
 * honest side no more than the fee of a normal bid.
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { lockOf } from '../../src/channel/schedule.js'
import { scriptHashOf } from '../../src/devnet/transaction.js'
import type { ChannelInfo, OpenRequest } from '../../src/node/api.js'
import { sameBytes, txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { Recorder } from '../chain/helpers.js'
import { Proxy } from '../chain/proxy.js'
import { alice as hand, output, signed } from '../devnet/support.js'
import { codeOfRejection, Fixture, type TestNode } from '../node/fixture.js'
import { itInAll, sized } from '../size.js'
import { Attacker, PhantomServer } from './attacker.js'
import { Liar } from './liar.js'

const CAPACITY = satoshi(1_000_000n)
/** Of a child whose parent pays 1 sat/vB for 9.7 kvB. */
const CHILD_FEE = 16_000n
const MONEY = satoshi(3_000_000n)
/** A T3 at a few sat/vB. */
const NORMAL_FEE = 1_000n
const STEP = 12
/** A day of blocks. */
const PATIENCE = 144
/** Nothing larger than half of what a mempool takes of version 3. */
const BLOCK_WEIGHT = 20_000

// Under the mempool rules that most nodes have, and under those of Bitcoin Core 31.
for (const core of sized({ small: [28] as const, all: [28, 31] as const })) {
  describe(`evidence / what a peer and a server make up, Core ${core}`, () => {
    let fixture: Fixture

    beforeEach(async () => {
      fixture = await Fixture.create({ autoMine: false, blockWeight: BLOCK_WEIGHT, core })
    })
    afterEach(async () => {
      await fixture.end()
    })

    /** Shows the truth, until it is told to show more. */
    async function phantom(): Promise<PhantomServer> {
      const server = await PhantomServer.start(fixture.devnet)
      fixture.onEnd(async () => {
        await server.stop()
      })
      return server
    }

    async function mine(blocks: number, ...nodes: readonly TestNode[]): Promise<void> {
      await fixture.devnet.mine(blocks)
      for (const node of nodes) await node.synced()
    }

    const of = async (node: TestNode): Promise<ChannelInfo> =>
      (await node.api.channels.list())[0] ?? assert.fail()

    /** A channel that can be paid on. */
    async function open(
      client: TestNode,
      server: TestNode,
      request: Partial<OpenRequest>
    ): Promise<ChannelInfo> {
      await fixture.devnet.fund(await client.api.wallet.address(), MONEY)
      await fixture.devnet.mine(1)
      await client.sees(async () => (await client.api.wallet.balance()).confirmed >= MONEY)
      const channel = await client.api.channels.open({
        peer: await server.address(),
        amount: CAPACITY,
        ...request,
        wait: 'broadcast'
      })
      await fixture.devnet.mine(2)
      for (const node of [client, server]) {
        await node.sees(async () =>
          (await node.api.channels.list()).some(
            (each) => each.id === channel.id && each.status === 'open'
          )
        )
      }
      return channel
    }

    /** The node stops, and its operator goes on by hand. */
    async function takenOver(node: TestNode, name: string): Promise<Attacker> {
      await node.api.stop()
      return await Attacker.of(fixture.path(name))
    }

    /** What the victim has published, oldest first. */
    function published({ events }: TestNode): string[] {
      return events.all.flatMap((event) =>
        event.type === 'channel' && event.news.kind === 'published' ? (event.txid ?? []) : []
      )
    }

    /** Until the victim has been shown a transaction. */
    async function shown({ events }: TestNode, tx: Transaction): Promise<void> {
      await events.when((event) => event.type === 'channel' && event.txid === tx.getId())
    }

    /** What spends the channel in the honest mempool, if anything does. */
    async function waiting({
      channel: { outPoint },
      fundingScript
    }: Attacker): Promise<Transaction | undefined> {
      for (;;) {
        const { mempool } = await fixture.devnet.backend.scriptHistory(scriptHashOf(fundingScript))
        const found = await Promise.all(
          mempool.map(async ({ txid: id }) => await fixture.devnet.transaction(id))
        )
        const spend = found
          .map((tx) => tx && Transaction.fromBuffer(tx.raw))
          .find((tx) =>
            tx?.ins.some(({ hash }) => sameBytes(hash, Buffer.from(outPoint.txid, 'hex').reverse()))
          )
        // One that was replaced since the list was read is not there any more: the list is read
        // again.
        if (spend !== undefined || found.every((tx) => tx !== undefined)) return spend
      }
    }

    const refusals = ({ events }: TestNode): number =>
      events.all.filter(
        (event) => event.type === 'channel' && event.news.kind === 'publication-refused'
      ).length

    /**
     * Until the honest server has refused one more bid, or taken it; then what spends the channel
     * in its mempool.
     */
    async function answered(
      victim: TestNode,
      attacker: Attacker,
      before: number
    ): Promise<string | undefined> {
      for (;;) {
        const found = (await waiting(attacker))?.getId()
        if (
          refusals(victim) > before ||
          (found !== undefined && published(victim).includes(found))
        ) {
          return found
        }
        await turn()
      }
    }

    /** Until something spends the channel in the honest mempool. */
    async function spending(attacker: Attacker): Promise<Transaction> {
      for (;;) {
        const next = new Promise<void>((resolve) => {
          const stop = fixture.devnet.on('mempool', () => {
            stop()
            resolve()
          })
        })
        const found = await waiting(attacker)
        if (found !== undefined) return found
        await next
      }
    }

    const feeOf = ({ outs }: Transaction): bigint =>
      outs.reduce<bigint>((left, { value }) => left - value, CAPACITY)

    describe('the newest state of the peer, shown by one server beside an honest one', () => {
      /**
       * The client, our victim, is paid back 850,000 sat in turn 1, and pays 10,000 sat in turn 2.
       * Its peer has the state of turn 2 with 60,000 sat for itself, and that of turn 0 with
       * 900,000 sat.
       */
      async function scene(): Promise<{
        victim: TestNode
        liar: PhantomServer
        attacker: Attacker
        lock: (turn: number) => number
      }> {
        const liar = await phantom()
        const victim = await fixture.node('victim', { electrum: [liar.url, fixture.electrum] })
        const peer = await fixture.node('peer')
        const { id } = await open(victim, peer, { blocks: 120, step: STEP })
        await victim.api.pay({ to: id, amount: satoshi(900_000n) })
        await peer.api.pay({ to: id, amount: satoshi(850_000n) })
        await victim.api.pay({ to: id, amount: satoshi(10_000n) })
        const attacker = await takenOver(peer, 'peer')
        assert.equal(attacker.channel.ledger.turn, 2)
        return { victim, liar, attacker, lock: (turn) => lockOf(attacker.channel.terms, turn) }
      }

      /**
       * The victim's own state is in the next block, and the older one of its peer comes too late.
       */
      async function wins(victim: TestNode, attacker: Attacker, spend: Transaction): Promise<void> {
        assert.deepEqual(
          [spend.locktime, spend.outs[0]?.value],
          [lockOf(attacker.channel.terms, 1), 50_000n]
        )
        assert.ok(feeOf(spend) <= NORMAL_FEE, `it pays ${feeOf(spend)} sat`)
        await mine(1, victim)
        await victim.sees(
          async () =>
            (await of(victim)).spend?.txid === spend.getId() &&
            (await of(victim)).status === 'closed'
        )
        await mine(Math.max(0, lockOf(attacker.channel.terms, 0) - fixture.devnet.height), victim)
        assert.equal(
          (await fixture.devnet.submit(attacker.state(0, { fee: 1_000n }).toBuffer())).accepted,
          false
        )
      }

      it('holds nothing back when it spends an output that does not exist, too (EVID-3)', async () => {
        const { victim, liar, attacker, lock } = await scene()
        const newest = attacker.state(2, {
          fee: 20_000n,
          coins: [{ outPoint: { txid: txid('99'.repeat(32)), vout: 0 }, value: 1_000n }]
        })
        await mine(lock(2) - fixture.devnet.height, victim)
        liar.show(attacker.fundingScript, newest)
        await shown(victim, newest)
        await mine(lock(1) - fixture.devnet.height, victim)
        await wins(victim, attacker, await spending(attacker))
      })

      it('does not keep ours from the blocks as the child of a parent that no block takes (EVID-3)', async () => {
        const { victim, attacker, lock } = await scene()
        await fixture.devnet.fund(hand.address, 10_000_000n)
        await mine(1, victim)
        const coin = {
          ...((await fixture.devnet.utxos(hand.script))[0] ?? assert.fail()),
          owner: hand
        }
        const crumbs = Array.from({ length: 310 }, () => [hand.script, 1_000n] as const)
        const parent = signed({
          version: 3,
          from: [coin],
          to: [[hand.script, coin.value - 320_000n], ...crumbs]
        })
        const newest = attacker.state(2, {
          fee: CHILD_FEE,
          coins: [{ ...output(parent, 0), owner: hand }]
        })
        await mine(lock(2) - fixture.devnet.height, victim)
        for (const tx of [parent, newest]) {
          assert.deepEqual(await fixture.devnet.submit(tx.toBuffer()), {
            accepted: true,
            txid: tx.getId()
          })
        }
        await shown(victim, newest)
        await mine(lock(1) - fixture.devnet.height, victim)
        for (
          let before = 0;
          (await answered(victim, attacker, before)) === newest.getId();
          await mine(1, victim)
        ) {
          assert.ok(fixture.devnet.height < lock(0))
          before = refusals(victim)
        }
        const spend = await spending(attacker)
        await mine(1, victim)
        await victim.sees(async () => (await of(victim)).status === 'closed')
        assert.deepEqual([(await of(victim)).spend?.txid, spend.locktime], [spend.getId(), lock(1)])
        // Mempools keep the child until a bid pays more than it. The curve about doubles the bid
        // with each block, and a block may come before the answer.
        assert.ok(
          fixture.devnet.height < lock(0) && feeOf(spend) <= 6n * CHILD_FEE,
          `it pays ${feeOf(spend)} sat in block ${fixture.devnet.height}`
        )
      })

      it('holds ours back for two thirds of our window when it is nowhere else (TIME-7)', async () => {
        const { victim, liar, attacker, lock } = await scene()
        const newest = attacker.state(2, { fee: 20_000n })
        await mine(lock(2) - fixture.devnet.height, victim)
        liar.show(attacker.fundingScript, newest)
        await shown(victim, newest)
        for (let height = fixture.devnet.height + 1; height < lock(1) + (STEP * 2) / 3; height++) {
          await mine(1, victim)
        }
        assert.deepEqual(published(victim), [])
        await mine(1, victim)
        await wins(victim, attacker, await spending(attacker))
      })
    })

    describe('a refund of the client whose lock is 100 blocks away, with nearly all of the channel as its fee', () => {
      for (const liars of [1, 2]) {
        it(`is no rival of the server's settlement when ${liars === 1 ? 'one server shows it beside an honest one' : 'all servers show it'} (EVID-3)`, async () => {
          const phantoms = [await phantom(), await phantom()]
          const peer = await fixture.node('peer')
          const victim = await fixture.node('victim', { electrum: phantoms.map(({ url }) => url) })
          const { id, refundHeight, settleHeight } = await open(peer, victim, { blocks: 144 })
          await peer.api.pay({ to: id, amount: satoshi(900_000n) })
          const attacker = await takenOver(peer, 'peer')
          const refund = attacker.state('refund', { fee: CAPACITY - 1_000n })
          await mine(refundHeight - 100 - fixture.devnet.height, victim)
          for (const server of phantoms.slice(0, liars)) server.show(attacker.fundingScript, refund)
          await shown(victim, refund)
          await mine((settleHeight ?? assert.fail()) - 1 - fixture.devnet.height, victim)
          assert.deepEqual([published(victim), (await waiting(attacker))?.getId()], [[], undefined])
          await mine(1, victim)
          const spend = await spending(attacker)
          // It goes on being shown while the settlement waits for a block.
          await mine(1, victim)
          await victim.sees(async () => (await of(victim)).status === 'closed')
          assert.equal((await of(victim)).spend?.txid, spend.getId())
          assert.deepEqual(published(victim), [spend.getId()])
          assert.ok(feeOf(spend) <= NORMAL_FEE, `it pays ${feeOf(spend)} sat`)
        })
      }
    })

    describe('a settlement in which the payer has signed no output, with 330 sat for the payer where that would be', () => {
      itInAll(
        'is the payment that was in flight: it is made, and not made again (EVID-2)',
        async () => {
          const victim = await fixture.node('victim')
          const peer = await fixture.node('peer')
          const wire = await new Proxy({
            host: '127.0.0.1',
            port: portOf(await peer.address())
          }).open()
          fixture.onEnd(async () => {
            await wire.cut()
          })
          const { id, peerId } = await open(victim, peer, {
            peer: (await peer.address()).replace(/tcp\/\d+/, `tcp/${new URL(wire.url).port}`),
            blocks: 144
          })
          await victim.api.pay({ to: id, amount: satoshi(1_000n) })

          // The peer takes the payment, and what it answers is lost: that leaves the payer 100 sat,
          // below dust.
          wire.swallowAnswers()
          const rent = { to: peerId, amount: satoshi(998_900n), id: 'rent' }
          const paying = codeOfRejection(victim.api.pay(rent))
          await peer.events.when(
            (event) => event.type === 'payment' && event.payment.amount === rent.amount
          )
          const attacker = await takenOver(peer, 'peer')
          await wire.cut()
          assert.equal(await paying, 'ERR_PAYMENT_UNKNOWN')

          const settlement = attacker.state(0, {
            fee: 1_000n,
            outputs: [{ script: attacker.payoutScript('client'), value: satoshi(330n) }]
          })
          assert.ok((await fixture.devnet.submit(settlement.toBuffer())).accepted)
          await mine(5, victim)
          const status = async (): Promise<unknown> =>
            (await victim.api.payments.list()).find(({ amount }) => amount === rent.amount)?.status
          await victim.sees(async () => (await of(victim)).spend?.txid === settlement.getId())
          assert.equal(await status(), 'unknown')
          await mine(1, victim)
          // No event tells of it.
          while ((await status()) === 'unknown') await turn()
          assert.equal(await status(), 'acknowledged')

          // There would be money for it, in another channel with the same peer.
          const back = await fixture.node('peer')
          const other = await open(victim, back, { blocks: 144 })
          assert.deepEqual(
            (await victim.api.pay(rent)).parts.map(({ channel, status }) => [channel, status]),
            [[id, 'acknowledged']]
          )
          const channels = await victim.api.channels.list()
          assert.equal(channels.find((each) => each.id === other.id)?.spendable, CAPACITY)
        }
      )
    })

    describe('a settlement of 9.9 kvB, which pays the client its share and is in no block', () => {
      it('makes the refund wait, and then bid no more than what the next block takes (EVID-5)', async () => {
        const bids = new Recorder<{ readonly tx: Transaction; readonly height: number }>()
        const server = await Liar.start(fixture.devnet)
        fixture.onEnd(async () => {
          await server.stop()
        })
        const victim = await fixture.node('victim', { electrum: server.url })
        const peer = await fixture.node('peer')
        const { id, refundHeight } = await open(victim, peer, { blocks: 72 })
        await victim.api.pay({ to: id, amount: satoshi(2_000n) })
        const attacker = await takenOver(peer, 'peer')

        // Fees rise. The settlement pays 28 sat/vB out of a coin of the peer's own, which it keeps
        // when another transaction takes its place.
        server.lie = {
          answer: async ({ method, params: [raw] }, honest) => {
            if (method === 'blockchain.estimatefee') return { result: 0.0003 }
            if (method === 'blockchain.transaction.broadcast') {
              bids.push({ tx: Transaction.fromHex(String(raw)), height: fixture.devnet.height })
            }
            return { result: await honest() }
          }
        }
        // 37.5 sat/vB, a quarter more than 30, for 138 vB.
        const normalBid = 5_175n
        await fixture.devnet.fund(hand.address, 10_000_000n)
        await mine(1, victim)
        const [coin] = await fixture.devnet.utxos(hand.script)
        const fat = attacker.state(0, {
          fee: 280_000n,
          coins: [{ ...(coin ?? assert.fail()), owner: hand }],
          outputs: Array.from({ length: 306 }, () => ({
            script: hand.script,
            value: satoshi(1_000n)
          }))
        })
        assert.deepEqual(await fixture.devnet.submit(fat.toBuffer()), {
          accepted: true,
          txid: fat.getId()
        })
        await shown(victim, fat)

        const begin = refundHeight + PATIENCE
        await mine(refundHeight - 1 - fixture.devnet.height, victim)
        for (let block = 0; block < 12; block++) await mine(1, victim)
        await mine(begin - 1 - fixture.devnet.height, victim)
        for (let block = 0; block < 12; block++) {
          const bid = bids.next()
          await mine(1, victim)
          await bid
        }
        assert.ok(bids.all.every(({ height }) => height >= begin))
        const fees = bids.all.map(({ tx }) => feeOf(tx))
        assert.ok(
          fees.every((fee) => fee > 0n && fee <= normalBid),
          `it bids ${fees.join(', ')} sat`
        )
        // What it would have burnt more for leaves the client all but the 2,000 sat that it has
        // paid.
        assert.deepEqual(
          [(await waiting(attacker))?.getId(), fat.outs[0]?.value],
          [fat.getId(), CAPACITY - 2_000n]
        )
      })
    })
  })
}

function portOf(multiaddr: string): number {
  return Number(/\/tcp\/(\d+)/.exec(multiaddr)?.[1] ?? assert.fail())
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}
