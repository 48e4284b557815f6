/** Which channels a server lets its client renew (RENEW-1). */
import assert from 'node:assert/strict'
import { checkRenewal, planRenewal } from '../../src/channel/renewed.js'
import { Violation } from '../../src/channel/violation.js'
import { satoshi } from '../../src/types/units.js'
import { World } from './world.js'

/** Open, the client has paid 40,000 of 100,000 sat. */
function paidWorld (): World {
  return new World().open().paid(40_000n)
}

describe('channel / renewal / server / on OpenChannel', () => {
  const refusal = (old: World, change: (offer: Parameters<typeof checkRenewal>[0]) => Parameters<typeof checkRenewal>[0] = (offer) => offer): string => {
    const plan = planRenewal(old.client.channel, satoshi(0n), old.client.env())
    const offer = { type: 'OpenChannel' as const, network: 'regtest' as const, channelKey: old.client.channelKey.publicKey, payoutKey: old.client.payoutKey.publicKey, closeScript: old.client.closeScript, capacity: plan.capacity, refundHeight: 900, mode: 'one-way' as const, step: 0, txVersion: 3, renews: plan.renews, derivation: new Uint8Array(8) }
    try {
      checkRenewal(change(offer), old.server.channel, old.server.env())
      return 'taken'
    } catch (error) {
      assert.ok(error instanceof Violation)
      assert.equal(error.rule, 'RENEW-1')
      return error.code
    }
  }
  const renews = (changes: object) => (offer: Parameters<typeof checkRenewal>[0]): Parameters<typeof checkRenewal>[0] => ({ ...offer, renews: { ...offer.renews ?? assert.fail(), ...changes } })

  it('takes the newest state of an open channel, and refuses every other (RENEW-1)', () => {
    const old = paidWorld()
    assert.equal(refusal(old), 'taken')
    assert.equal(refusal(old, renews({ sequence: 0 })), 'ERR_LATER_UPDATES')
    assert.equal(refusal(old, renews({ turn: 1 })), 'ERR_LATER_UPDATES')
    assert.equal(refusal(old, renews({ serverBalance: 39_999n })), 'ERR_BALANCE_MISMATCH')
    assert.equal(refusal(old, (offer) => ({ ...offer, capacity: 39_999n })), 'ERR_BALANCE_MISMATCH')
  })

  it('neither side renews a channel whose funding output no server tells of (UPD-20)', () => {
    const old = paidWorld()
    old.server.unwatched = true
    assert.equal(refusal(old), 'ERR_NOT_READY')
    assert.throws(() => planRenewal(old.client.channel, satoshi(0n), old.client.env({ isWatched: false })), { code: 'ERR_NOT_WATCHED' })
  })

  it('refuses a channel that it does not serve, or that is closing, stopped, not buried, or at its end (RENEW-1)', () => {
    assert.throws(() => { checkRenewal({ ...open(), renews: { channelId: new Uint8Array(32), turn: 0, sequence: 0, serverBalance: 0n } }, undefined, paidWorld().server.env()) }, { code: 'ERR_UNKNOWN_CHANNEL' })
    const closing = paidWorld()
    const plan = planRenewal(closing.client.channel, satoshi(0n), closing.client.env())
    const judge = (world: World): string => {
      try {
        checkRenewal({ ...open(), capacity: plan.capacity, renews: plan.renews }, world.server.channel, world.server.env())
        return 'taken'
      } catch (error) {
        return error instanceof Violation ? error.code : String(error)
      }
    }
    closing.client.post({ type: 'close' })
    closing.run()
    assert.equal(judge(closing), 'ERR_CHANNEL_CLOSED')
    const stopped = paidWorld()
    stopped.server.post({ type: 'message', message: { type: 'Error', code: 'ERR_X', rule: '', text: '', fatal: true } })
    assert.equal(judge(stopped), 'ERR_CHANNEL_STOPPED')
    assert.equal(judge(paidWorld().reorg(3)), 'ERR_CHANNEL_NOT_OPEN')
    const late = paidWorld()
    late.server.blind = true
    late.chain.mine(200)
    late.server.blind = false
    assert.equal(judge(late), 'ERR_CHANNEL_EXPIRED')
  })

  const open = (): Parameters<typeof checkRenewal>[0] => ({ type: 'OpenChannel', network: 'regtest', channelKey: new Uint8Array(33), payoutKey: new Uint8Array(33), closeScript: new Uint8Array(22), capacity: 99_700n, refundHeight: 900, mode: 'one-way', step: 0, txVersion: 3, derivation: new Uint8Array(8) })
})
