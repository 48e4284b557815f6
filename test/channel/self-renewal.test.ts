/** Channels that renew themselves: how often, for how long, at what cost (RENEW-12). */
import assert from 'node:assert/strict'
import { planRenewal } from '../../src/channel/renewed.js'
import { afterRenewalFailed, blocksToRenewFor } from '../../src/channel/self-renewal.js'
import type { Established } from '../../src/channel/state.js'
import { codeOf } from '../../src/types/errors.js'
import { blockDelta, blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { World } from './world.js'

/** T1 is in block 501; the client has 60,000 of 100,000 sat. */
function paidWorld(options: ConstructorParameters<typeof World>[0] = {}): World {
  return new World({ blocks: 1_000, ...options }).open().paid(40_000n)
}

describe('channel / renewal / by itself', () => {
  const asked = (old: World, life: number, asked?: number, byItself = true): string => {
    try {
      planRenewal(
        old.client.channel,
        satoshi(0n),
        old.client.env({ height: blockHeight(501 + life) }),
        { asked: asked === undefined ? undefined : feeRate(BigInt(asked)), byItself }
      )
      return 'renewed'
    } catch (error) {
      return codeOf(error)
    }
  }

  it('not before the channel has lasted 36 blocks: a row of renewals would eat it (RENEW-12)', () => {
    const old = paidWorld({ capacity: 1_000_000n })
    assert.equal(asked(old, 35), 'ERR_RENEWAL_TOO_SOON')
    assert.equal(asked(old, 36), 'renewed')
  })

  it('for a hundredth of the share a day at the most, and of five days (RENEW-12)', () => {
    // 150 vB at 4 sat/vB are a hundredth of 60,000 sat.
    const old = paidWorld()
    assert.equal(asked(old, 143, 4_000), 'ERR_RENEWAL_TOO_DEAR')
    assert.equal(asked(old, 144, 4_000), 'renewed')
    assert.equal(asked(old, 720, 20_000), 'renewed')
    assert.equal(asked(old, 900, 20_000 - 100), 'renewed')
    assert.equal(asked(paidWorld({ capacity: 99_900n }), 900, 20_000), 'ERR_RENEWAL_TOO_DEAR')
  })

  it('a person may do both (RENEW-12)', () => {
    const old = paidWorld()
    assert.equal(asked(old, 1, undefined, false), 'renewed')
    assert.equal(asked(old, 143, 20_000, false), 'renewed')
  })

  it('what failed is said to be tried again only as long as it is', () => {
    const { client } = paidWorld()
    const open = client.established
    const last = open.terms.lastPaymentHeight
    const close = {
      asker: 'client',
      fee: satoshi(200n),
      txid: open.outPoint.txid,
      signature: new Uint8Array(64),
      raw: undefined
    } as const
    const text = (channel: Established, height: number = last): string =>
      afterRenewalFailed(
        { ...channel, renewFor: blockDelta(1_000) },
        { height: blockHeight(height) }
      )
    assert.match(text(open), /^It is tried again with every block/)
    assert.match(
      text({ ...open, closes: [close] }),
      /^A close of the channel is signed: it is closed, and not renewed/
    )
    assert.match(
      text({ ...open, closes: [{ ...close, renewedAs: open.id }] }),
      /^It is signed already, as channel [0-9a-f]{8}, and goes on once the peer is back/
    )
    assert.match(text(open, last - 7), /^It is not tried again/)
  })

  it('for as many blocks again; with money of the server in a two-way channel for no more than this node would let (RENEW-9)', () => {
    const policy = { policy: { ...paidWorld().client.policy, maxRenewalWait: blockDelta(500) } }
    const blocks = (old: World): number =>
      blocksToRenewFor(old.client.established, blockDelta(1_000), policy)
    assert.equal(blocks(paidWorld()), 1_000)
    assert.equal(blocks(new World({ blocks: 1_000, step: 20 }).open()), 1_000)
    assert.equal(
      blocks(new World({ blocks: 1_000, step: 20 }).open().paidBy('client', 40_000n)),
      500
    )
  })
})
