/**
 * The fees that are seen with every block: kept over restarts, and what is made known of the risk.
 */
import assert from 'node:assert/strict'
import type { Transaction } from '../../src/bitcoin/transaction.js'
import { DEFAULT_TIMEOUTS } from '../../src/engine/context.js'
import { FEES_KEY } from '../../src/engine/fee-estimates.js'
import type { Chain } from '../../src/engine/ports.js'
import { decodeRecord } from '../../src/types/records.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { codeFrom, type Node, quiet, twoNodes, World } from './world.js'

/** The chain, at the fee of the moment. */
function priced(chain: Chain, rate: () => bigint): Chain {
  return Object.create(chain, {
    estimateFeeRate: { value: () => Promise.resolve(feeRate(rate())) }
  }) as Chain
}

async function seen(node: Node): Promise<readonly number[]> {
  const record = await node.store.get(FEES_KEY)
  return record === undefined
    ? []
    : decodeRecord<{ rates: readonly number[] }>(FEES_KEY, record).rates
}

describe('engine / fee estimates', () => {
  it('what the next block took is kept, every six blocks, and taken up by the next process', async () => {
    let rate = 2_000n
    const world = new World()
    const bob = await world.node('bob', { coin: 0n, chain: (chain) => priced(chain, () => rate) })
    await world.mine(4)
    assert.deepEqual(await seen(bob), [])
    rate = 9_000n
    await world.mine(2)
    const before = await seen(bob)
    assert.deepEqual(before.slice(-2), [2_000, 9_000])
    await bob.restart()
    await world.mine(6)
    const after = await seen(bob)
    assert.deepEqual(after.slice(0, before.length), before)
    assert.ok(after.length >= before.length + 6)
  })

  it('what is asked for while the node stops is no alarm; while it runs it is', async () => {
    const refusals: Array<() => void> = []
    const world = new World()
    const bob = await world.node('bob', {
      coin: 0n,
      chain: (chain) =>
        Object.create(chain, {
          estimateFeeRate: {
            value: async () =>
              await new Promise((_resolve, reject) => {
                refusals.push(() => {
                  reject(new Error('The chain connection was stopped.'))
                })
              })
          }
        }) as Chain
    })
    const refuse = async (): Promise<void> => {
      for (const each of refusals.splice(0)) each()
      await quiet()
    }
    await refuse()
    await world.mine()
    await refuse()
    const before = bob.alarms.length
    assert.ok(before > 0)
    await world.mine()
    await bob.engine.stop()
    await refuse()
    assert.equal(bob.alarms.length, before)
  })

  it('hold a tip back for a bounded time: a server that does not answer delays no settlement (COST-3)', async () => {
    let isSilent = false
    const silent = (chain: Chain): Chain =>
      Object.create(chain, {
        estimateFeeRate: {
          value: async (target: Parameters<Chain['estimateFeeRate']>[0]) =>
            await (isSilent
              ? new Promise<never>(() => {})
              : (chain.estimateFeeRate(target) as Promise<unknown>))
        }
      }) as Chain
    const { world, alice, bob } = await twoNodes({}, { chain: silent })
    await world.open(alice, bob)
    await alice.pay(40_000n)
    alice.crash()
    const { settleHeight } = bob.channel
    assert.ok(settleHeight !== undefined)
    await world.mineTo(settleHeight - 1)
    const before = world.broadcasts(bob).length
    isSilent = true
    await world.mine()
    assert.equal(world.broadcasts(bob).length, before)
    await world.pass(DEFAULT_TIMEOUTS.fees)
    assert.equal(world.broadcasts(bob).length, before + 1)
  })

  it('a record that is damaged is no reason not to start: the history begins again', async () => {
    const world = new World()
    const bob = await world.node('bob', { coin: 0n })
    await world.mine(6)
    await bob.store.commit([{ key: FEES_KEY, value: Uint8Array.of(1, 2, 3) }])
    await bob.restart()
    await world.mine(6)
    assert.ok((await seen(bob)).length >= 6)
  })

  it('an event tells when the risk of a channel rises to the level of the policy, and when it is below again', async () => {
    let rate = 1_000n
    const { world, alice, bob } = await twoNodes(
      {},
      { policy: { riskAlarm: 40 }, chain: (chain) => priced(chain, () => rate) }
    )
    await world.open(alice, bob)
    const told = (): unknown[] =>
      bob.events.flatMap((event) => (event.type === 'risk' ? [[event.isHigh, event.stake]] : []))
    await alice.pay(3_000n)
    await world.mine()
    assert.deepEqual(told(), [], 'ten times the fee is within the share')
    assert.ok((bob.engine.describe(bob.channel.id).risk ?? 1) < 0.4)
    rate = 5_000n
    await world.mine(2)
    assert.equal(told().length, 1, 'once, not with every block')
    assert.deepEqual(told(), [[true, 2_706n]], 'less the dust limit of the output')
    const shown = bob.engine.describe(bob.channel.id)
    await alice.pay(100_000n)
    assert.equal(bob.engine.describe(shown.id).stake, 102_706n, 'shown as it is after each payment')
    assert.ok((shown.risk ?? 0) >= 0.4)
    await world.mine()
    await quiet()
    assert.deepEqual(told().slice(1), [[false, 102_706n]])
    assert.deepEqual(
      alice.events.filter(({ type }) => type === 'risk'),
      [],
      'the payer has nothing at stake'
    )
  })

  it('an alarm tells once when a share is due and pays for no transaction', async () => {
    const { world, alice, bob } = await twoNodes({}, { policy: { minFirstPayment: satoshi(1n) } })
    await world.open(alice, bob)
    await alice.pay(400n)
    const { settleHeight } = bob.channel
    assert.ok(settleHeight !== undefined)
    alice.crash()
    const told = (): string[] =>
      bob.events.flatMap((event) =>
        event.type === 'alarm' && event.code === 'ERR_NOT_WORTH_A_BID' ? [event.text] : []
      )
    await world.mineTo(settleHeight - 1)
    await quiet()
    assert.deepEqual(told(), [])
    await world.mineTo(settleHeight + 3)
    await quiet()
    assert.equal(told().length, 1)
    assert.match(told()[0] ?? '', /pay for a transaction at 1 sat\/vB/)
  })

  it('an alarm tells when a settlement has been in no block for a day: a server may keep it to itself', async () => {
    let swallows = false
    const swallowing = (chain: Chain): Chain =>
      Object.create(chain, {
        broadcast: {
          value: async (transaction: Transaction) =>
            swallows
              ? { txid: transaction.txid, taken: 1, of: 1, refusals: [] }
              : await chain.broadcast(transaction)
        }
      }) as Chain
    const { world, alice, bob } = await twoNodes({}, { chain: swallowing })
    await world.open(alice, bob)
    await alice.pay(40_000n)
    const { settleHeight } = bob.channel
    assert.ok(settleHeight !== undefined)
    alice.crash()
    swallows = true
    const told = (): number =>
      bob.events.filter((event) => event.type === 'alarm' && event.code === 'ERR_BID_WAITS').length
    await world.mineTo(settleHeight + 143)
    await quiet()
    assert.equal(told(), 0)
    await world.mineTo(settleHeight + 150)
    await quiet()
    assert.equal(told(), 1)
  })
})

describe('engine / a payee that does not see the chain', () => {
  it('acknowledges nothing until it does: the lock could be over (FUND-4, UPD-17)', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    bob.view.setStatus('down')
    await quiet()
    assert.equal(await codeFrom(alice.pay(500n)), 'ERR_PAYMENT_UNKNOWN')
    assert.equal(bob.channel.ourBalance, 1_000n)
    bob.view.setStatus('synced')
    await quiet()
    await world.pass(1_000)
    assert.equal(bob.channel.ourBalance, 1_500n)
    assert.deepEqual(
      (await alice.payments()).map(({ status, amount }) => `${amount} ${status}`),
      ['1000 acknowledged', '500 acknowledged']
    )
  })

  it('nor does a payer that does not see it sign, or freeze the channel by a close', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    alice.view.setStatus('down')
    await quiet()
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_CHAIN_UNAVAILABLE')
    assert.equal(
      await codeFrom(alice.engine.close(alice.channel.id, false)),
      'ERR_CHAIN_UNAVAILABLE'
    )
    assert.deepEqual(world.said(alice, 'CloseRequest'), [])
  })
})
