/** What only the channels know of the wallet's transactions. */
import assert from 'node:assert/strict'
import type { ChannelInfo, WalletTransaction } from '../../src/node/api.js'
import { withRenewals } from '../../src/node/lists.js'
import { channelId, txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { channel } from '../daemon/fake-node.js'

const T1 = txid('ab'.repeat(32))
const TIP = blockHeight(120)

const old: ChannelInfo = {
  ...channel,
  id: channelId('01'.repeat(32)),
  status: 'closed',
  capacity: satoshi(100_000n)
}
const fresh = (capacity: bigint, fields: Partial<ChannelInfo> = {}): ChannelInfo => ({
  ...channel,
  renews: old.id,
  funding: { txid: T1, vout: 0 },
  confirmations: 3,
  capacity: satoshi(capacity),
  ...fields
})
const wallet = (fields: Partial<WalletTransaction> = {}): WalletTransaction => ({
  txid: T1,
  kind: 'funding',
  amount: -50_300n,
  fee: undefined,
  height: blockHeight(118),
  confirmations: 3,
  status: 'confirmed',
  label: 'more',
  ...fields
})

describe('node / the transactions of renewals', () => {
  it('what a top-up pays is what neither channel nor wallet has any more', () => {
    assert.deepEqual(withRenewals([wallet()], [fresh(150_000n), old], TIP), [
      wallet({ fee: satoshi(300n) })
    ])
    assert.deepEqual(
      withRenewals([wallet({ fee: satoshi(7n) })], [fresh(150_000n), old], TIP),
      [wallet({ fee: satoshi(7n) })],
      'what the wallet knows is right'
    )
    assert.deepEqual(
      withRenewals([wallet({ amount: 900_000n })], [fresh(150_000n), old], TIP)[0]?.fee,
      undefined,
      'only a part of it is known yet'
    )
  })

  it('a renewal alone stands where its block is, and before all blocks while it is in none', () => {
    const others = [
      wallet({ txid: txid('cd'.repeat(32)), height: blockHeight(119) }),
      wallet({ txid: txid('ef'.repeat(32)), height: blockHeight(100) })
    ]
    const list = (channel: ChannelInfo): unknown[] =>
      withRenewals(others, [channel, old], TIP).map(({ txid, height, status, fee }) =>
        txid === T1 ? [height, status, fee] : height
      )
    assert.deepEqual(list(fresh(99_800n)), [119, [118, 'confirmed', 200n], 100])
    assert.deepEqual(list(fresh(99_800n, { confirmations: 0 })), [
      [undefined, 'mempool', 200n],
      119,
      100
    ])
  })

  it("a top-up is the wallet's to list", () => {
    assert.deepEqual(withRenewals([], [fresh(150_000n), old], TIP), [])
  })

  it("nothing is listed of a server's, nor of one that has not left", () => {
    for (const fields of [
      { role: 'server' },
      { status: 'opening' },
      { status: 'abandoned' }
    ] as const) {
      assert.deepEqual(withRenewals([], [fresh(99_800n, fields), old], TIP), [])
    }
  })
})
