/**
 * What T1 of a renewal may cost: its fee, the coins beside the old output (RENEW-4), and what a
 * state of the old channel pays that has to take its place (EVID-10).
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import {
  completeRenewal,
  mostRenewalFee,
  renewalSighash,
  renewalVsize
} from '../../src/bitcoin/renewal.js'
import { channelIdOf } from '../../src/bitcoin/scripts.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { lowerMedian, nextBlockOf } from '../../src/chain/waiting.js'
import type { Env } from '../../src/channel/env.js'
import { balances } from '../../src/channel/ledger.js'
import { renewalBounds, usualRenewalRate } from '../../src/channel/renewal-bounds.js'
import { onCompleteRenewal, onSignRenewal, planRenewal } from '../../src/channel/renewed.js'
import { hashFromTxid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { blockHeight, feeFor, feeRate, satoshi, type FeeRate } from '../../src/types/units.js'
import { effectsOf, sentOf } from './asserts.js'
import { scriptOf } from './keys.js'
import { originOf, World } from './world.js'

const CAPACITY = 1_300_000n
const PAID = 1_200_000n

/** One-way; the server has been paid nearly all. */
function paidWorld(paid = PAID): World {
  const policy = { maxStake: satoshi(CAPACITY) }
  return new World({ capacity: CAPACITY, policy }).open().paid(paid)
}

/** sat/vB */
const rate = (satPerVByte: number): FeeRate => feeRate(BigInt(Math.round(satPerVByte * 1000)))

/** The estimates of a side whose one server of two lies as much as it likes about both. */
const lied = (honest: FeeRate): Pick<Env, 'feeRate' | 'nextBlockRate'> => {
  const told = [honest, rate(1_000)]
  return {
    feeRate: lowerMedian(told) ?? assert.fail(),
    nextBlockRate: nextBlockOf(told) ?? assert.fail()
  }
}

/** A T1 that its client has made by hand, with so many coins beside the old output. */
function made(old: World, fee: bigint, coins = 1): Parameters<typeof onCompleteRenewal>[1] {
  const origin = originOf(scriptOf('coin'))
  const tx = new Transaction()
  tx.version = 3
  tx.locktime = 500
  const { txid, vout } = old.funding.outPoint
  tx.addInput(hashFromTxid(txid), vout, 0xfffffffd)
  tx.addOutput(old.fundingScript, CAPACITY - (coins === 0 ? fee : 0n))
  if (coins > 0) {
    tx.addInput(origin.getHash(), 0, 0xfffffffd)
    tx.addOutput(scriptOf('change'), (origin.outs[0]?.value ?? 0n) - fee)
    tx.setWitness(1, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
    old.chain.addCoin({ txid: parseTransaction(origin.toBuffer()).txid, vout: 0 }, 10_000_000n)
  }
  const { terms, ledger } = old.server.established
  return {
    by: channelIdOf(scriptOf('new')),
    fundingTx: parseTransaction(tx.toBuffer()),
    previous: coins > 0 ? [origin.toBuffer()] : [],
    fee: satoshi(fee),
    turn: 0,
    sequence: ledger.held?.sequence ?? assert.fail(),
    serverBalance: balances(terms, ledger).server
  }
}

/** What a side of the old channel says to it. */
function judged(
  old: World,
  side: 'client' | 'server',
  draft: ReturnType<typeof made>,
  changes: Partial<Env> = {}
): string {
  const { client, server } = old
  const { effects } =
    side === 'client'
      ? onSignRenewal(client.established, draft, client.env(changes))
      : onCompleteRenewal(
          server.established,
          draft,
          client.channelKey.sign(renewalSighash(draft.fundingTx, old.funding)),
          server.env(changes)
        )
  const told = effectsOf(effects, 'tell')[0]?.event
  return told?.type === 'renewal-refused' ? told.error.code : (told?.type ?? 'nothing')
}

describe('channel / renewal / the fee of T1 (RENEW-4)', () => {
  it('is at most what 600 vB cost at a quarter above the estimate for an hour, whatever the next block takes', () => {
    const old = paidWorld()
    for (const side of ['client', 'server'] as const) {
      const answer = (fee: bigint, env: Partial<Env>): string =>
        judged(old, side, made(old, fee), env)
      const signed = side === 'client' ? 'renewal-signed' : 'renewal-completed'
      for (const env of [lied(rate(100)), { feeRate: rate(100), nextBlockRate: rate(100) }]) {
        assert.equal(answer(75_000n, env), signed)
        assert.equal(answer(75_001n, env), 'ERR_RENEWAL_FEE')
      }
      assert.equal(answer(12_000n, lied(rate(1))), signed, 'always let through')
      assert.equal(answer(12_001n, lied(rate(1))), 'ERR_RENEWAL_FEE')
    }
  })

  it('is a tenth above the estimate for an hour, and one lying server of two does not raise it', () => {
    const { client } = paidWorld(10_000n)
    for (const [market, fee] of [
      [0.2, 150n],
      [5, 825n],
      [20, 3_300n],
      [100, 16_500n]
    ] as const) {
      const { capacity } = planRenewal(client.channel, satoshi(0n), client.env(lied(rate(market))))
      assert.equal(CAPACITY - capacity, fee)
    }
  })

  it('two honest sides whose estimates differ by up to twice agree on it, without coins and with two of them', () => {
    const old = paidWorld()
    const script = scriptOf('change')
    for (const server of [1, 5, 20, 100, 400]) {
      const { leastRate, mostRate } = renewalBounds(
        old.server.established,
        { feeRate: rate(server) },
        blockHeight(510)
      )
      for (const client of [server / 2, server, server * 2]) {
        for (const coins of [0, 1, 2]) {
          const scripts = coins === 0 ? [old.fundingScript] : [old.fundingScript, script]
          const vsize = renewalVsize(coins, scripts)
          const fee = feeFor(usualRenewalRate({ feeRate: rate(client) }), vsize)
          const isWithin = fee >= feeFor(leastRate, vsize) && fee <= mostRenewalFee(mostRate)
          assert.ok(isWithin, `${server} and ${client} sat/vB, ${coins} coins: ${fee} sat`)
        }
      }
    }
  })

  for (const [who, client, server] of [
    ['the client half of what the server does', 50, 100],
    ['the client twice what the server does', 100, 50]
  ] as const) {
    it(`the whole renewal goes through where ${who} takes blocks to cost`, () => {
      const old = paidWorld(40_000n)
      old.client.feeRate = rate(client)
      old.server.feeRate = rate(server)
      const renewal = new World({ renews: { world: old } })
      renewal.client.feeRate = rate(client)
      renewal.server.feeRate = rate(server)
      renewal.open()
      assert.equal(renewal.capacity, CAPACITY - feeFor(rate(client * 1.1), 150))
      assert.equal(old.server.info.status, 'closed')
    })
  }

  it('is refused at the OpenChannel when it is too low: the client has signed nothing, and is told what is let through', () => {
    const old = paidWorld(40_000n)
    const renewal = new World({ renews: { world: old } })
    renewal.server.feeRate = rate(50)
    // 2.2 sat/vB, where the server signs from 25 sat/vB on.
    const offer = renewal.offer().queues.server[0]
    assert.ok(offer !== 'end' && offer?.type === 'OpenChannel')
    assert.throws(
      () => {
        renewal.accept(offer)
      },
      {
        code: 'ERR_RENEWAL_FEE',
        rule: 'RENEW-4',
        message:
          'The renewal leaves 330 sat for the fee of its transaction, and this node signs none below 3,750 sat (25 sat/vB at 150 vB). Ask for it again with a higher feerate.',
        facts: { rule: 'RENEW-4', paid: 330n, least: 3_750n }
      }
    )
    renewal.accept({ ...offer, capacity: satoshi(CAPACITY - 3_750n) })
    assert.deepEqual(old.client.established.closes, [])
  })

  it('is not looked at in an OpenChannel that takes none out of the channel', () => {
    const old = paidWorld(40_000n)
    const renewal = new World({ renews: { world: old, topUp: 50_000n } })
    const offer = renewal.offer().queues.server[0]
    assert.ok(offer !== 'end' && offer?.type === 'OpenChannel')
    renewal.accept({ ...offer, capacity: satoshi(CAPACITY) })
  })
})

describe('channel / renewal / coins beside the old output (RENEW-4)', () => {
  it('are spent by no T1 from the last height for payments on; a T1 without coins is signed until the end', () => {
    const old = paidWorld()
    const { lastPaymentHeight, settleHeight } = old.server.established.terms
    const answers = (height: number, coins: number): string[] =>
      (['client', 'server'] as const).map((side) =>
        judged(old, side, made(old, 1_000n, coins), { height: blockHeight(height) })
      )
    const signed = ['renewal-signed', 'renewal-completed']
    assert.deepEqual(answers(lastPaymentHeight - 1, 1), signed)
    for (const height of [lastPaymentHeight, settleHeight - 1]) {
      assert.deepEqual(answers(height, 1), ['ERR_RENEWAL_INPUT', 'ERR_RENEWAL_INPUT'])
      assert.deepEqual(answers(height, 0), signed)
    }
  })

  it('are not asked for 2 blocks before that: the server may have seen a later tip', () => {
    const { client } = paidWorld(40_000n)
    const { lastPaymentHeight } = client.established.terms
    const plan = (amount: bigint, height: number): string => {
      try {
        planRenewal(client.channel, satoshi(amount), client.env({ height: blockHeight(height) }))
        return 'planned'
      } catch (error) {
        return codeOf(error)
      }
    }
    assert.deepEqual(
      [
        plan(50_000n, lastPaymentHeight - 3),
        plan(50_000n, lastPaymentHeight - 2),
        plan(0n, lastPaymentHeight + 3)
      ],
      ['planned', 'ERR_CHANNEL_EXPIRED', 'planned']
    )
  })
})

describe('channel / renewal / a T1 that is in no block costs its server', () => {
  it('less than four normal bids, when it hangs on a parent that no block takes, and one server of two lies', () => {
    const old = paidWorld().kill('client')
    const market = rate(50)
    const env = lied(market)
    const dearest = [240_000n, 120_000n, 60_000n, 37_500n].find(
      (fee) => judged(old, 'server', made(old, fee), env) === 'renewal-completed'
    )
    const draft = made(old, dearest ?? assert.fail('none is signed'))
    const sign = renewalSighash(draft.fundingTx, old.funding)
    const { state } = onCompleteRenewal(
      old.server.established,
      draft,
      old.client.channelKey.sign(sign),
      old.server.env(env)
    )
    old.server.channel = state
    old.server.feeRate = market
    // Every mempool has T1. No block takes it, as if a parent of 10,000 vB held it back.
    old.chain.servers = 2
    old.chain.lowestFeeRate = 1_000_000n
    const [ours, theirs] = [old.server, old.client].map(({ channelKey }) => channelKey.sign(sign))
    const t1 = completeRenewal(
      draft.fundingTx,
      old.funding,
      theirs ?? assert.fail(),
      ours ?? assert.fail()
    )
    assert.ok('txid' in old.chain.broadcast(t1.raw))
    const { settleHeight, refundHeight } = old.server.established.terms
    const isOut = (): boolean => old.chain.spendOf(old.funding.outPoint)?.parsed.txid !== t1.txid
    old.mineTo(settleHeight)
    while (!isOut() && old.chain.height < refundHeight - 1) old.mine()
    assert.ok(isOut(), 'T3 is in the mempools')
    const normal = feeFor(feeRate((market * 5n) / 4n), 181)
    const paid = old.chain.spendOf(old.funding.outPoint)?.fee ?? assert.fail()
    assert.ok(paid <= normal * 4n, `${paid} sat, ${Number(paid) / Number(normal)} normal bids`)
  })

  /** T1 spends nothing else, and pays nearly all that the server lets it: 79.2 sat/vB. */
  function dear(): World {
    const old = paidWorld(PAID)
    old.client.feeRate = rate(72)
    const renewal = new World({ renews: { world: old } })
    renewal.client.feeRate = rate(72)
    old.chain.lowestFeeRate = 1_000_000n
    renewal.offer().run()
    assert.equal(sentOf(renewal.server.effects, 'FundingBroadcast').length, 1)
    const { fee, parsed } = old.chain.spendOf(old.funding.outPoint) ?? assert.fail()
    assert.deepEqual(
      [fee, parsed.txid],
      [11_880n, renewal.server.established.outPoint.txid],
      'T1 is in the mempools'
    )
    old.kill('client')
    return old
  }

  for (const shown of [true, false]) {
    it(`what a refusal costs in the last block before L, for it gives the server all that it has (EVID-10); T1 is ${shown ? 'shown' : 'not shown yet'}`, () => {
      const old = dear()
      const { server } = old
      const { refundHeight } = server.established.terms
      server.blind = true
      while (old.chain.height < refundHeight - 1) old.mine()
      server.blind = false
      if (shown) old.lookAtChain()
      else {
        server.post({
          type: 'history',
          history: { ...old.chain.history(old.funding.outPoint), spends: [] }
        })
        server.post({ type: 'tip' })
      }
      // 181 vB at 20 sat/vB; T1 pays 11,880 sat, and is what the next block takes.
      const bid = server.established.publication?.fee ?? 0n
      assert.ok(bid > 0n && bid <= 3_620n, `${bid} sat`)
    })
  }

  it('more with each block that passes over it, so that T3 is in a block in time', () => {
    const old = dear()
    const { settleHeight, refundHeight } = old.server.established.terms
    old.mineTo(settleHeight)
    old.chain.lowestFeeRate = 90_000n
    const mined = (): string | undefined => old.server.established.onChain.spend?.kind
    while (mined() === undefined && old.chain.height < refundHeight - 1) old.mine()
    assert.equal(mined(), 'settlement')
  })
})
