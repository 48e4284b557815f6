import assert from 'node:assert/strict'
import type { ChannelInfo } from '../../src/node/api.js'
import { channelByPrefix, channelToPay } from '../../src/node/choose-channel.js'
import { channelId } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'

const PEER = '12D3KooWPeer'

function channel (id: string, changes: Partial<ChannelInfo> = {}): ChannelInfo {
  return {
    id: channelId(id.padEnd(64, '0')),
    peerId: PEER,
    role: 'client',
    status: 'open',
    reason: undefined,
    capacity: satoshi(100_000n),
    ourBalance: satoshi(100_000n),
    theirBalance: satoshi(0n),
    spendable: satoshi(100_000n),
    inFlight: satoshi(0n),
    atRisk: satoshi(0n),
    funding: undefined,
    confirmations: 1,
    minDepth: 1,
    lastPaymentHeight: blockHeight(100),
    settleHeight: blockHeight(112),
    refundHeight: blockHeight(148),
    payments: { sent: 0, received: 0 },
    spend: undefined,
    ...changes
  }
}

describe('node / choosing a channel', () => {
  describe('by its id', () => {
    const channels = [channel('aabbccdd11'), channel('aabbccdd22'), channel('ffeeddcc')]

    it('takes the whole id, or as many digits as tell it from the others', () => {
      assert.equal(channelByPrefix(channels, 'ffeeddcc'.padEnd(64, '0')), channels[2])
      assert.equal(channelByPrefix(channels, 'aabbccdd1'), channels[0])
    })

    it('refuses digits that fit several, none, and what is too short or no id', () => {
      assert.throws(() => channelByPrefix(channels, 'aabbccdd'), { code: 'ERR_AMBIGUOUS_CHANNEL' })
      assert.throws(() => channelByPrefix(channels, '00112233'), { code: 'ERR_NO_CHANNEL' })
      for (const text of ['ffeeddc', 'FFEEDDCC', 'ffeeddcc'.padEnd(65, '0'), '', 'channel!']) {
        assert.throws(() => channelByPrefix(channels, text), { code: 'ERR_NO_CHANNEL' }, text)
      }
    })
  })

  describe('to pay a peer', () => {
    it('takes the smallest one that is enough', () => {
      const channels = [channel('a', { spendable: satoshi(9_000n) }), channel('b', { spendable: satoshi(500n) }), channel('c', { spendable: satoshi(2_000n) })]
      assert.equal(channelToPay(channels, PEER, 1_000n), channels[2])
      assert.equal(channelToPay(channels, PEER, 500n), channels[1])
    })

    it('takes an open one rather than one that has to be reconnected, and that rather than one that is not ready', () => {
      const confirming = channel('a', { status: 'confirming', ourBalance: satoshi(1_000n) })
      const offline = channel('b', { status: 'offline', spendable: satoshi(0n) })
      const open = channel('c')
      assert.equal(channelToPay([confirming, offline, open], PEER, 1_000n), open)
      assert.equal(channelToPay([confirming, offline], PEER, 1_000n), offline)
      assert.equal(channelToPay([confirming], PEER, 1_000n), confirming)
    })

    it('counts what is on its way as gone', () => {
      const offline = channel('a', { status: 'offline', ourBalance: satoshi(1_000n), inFlight: satoshi(600n) })
      assert.throws(() => channelToPay([offline], PEER, 500n), { code: 'ERR_INSUFFICIENT_BALANCE', facts: { asked: 500n, left: 400n } })
    })

    it('says how much the best one has when none is enough', () => {
      const channels = [channel('a', { spendable: satoshi(300n) }), channel('b', { spendable: satoshi(700n) })]
      assert.throws(() => channelToPay(channels, PEER, 1_000n), { code: 'ERR_INSUFFICIENT_BALANCE', facts: { asked: 1_000n, left: 700n } })
    })

    it('knows no channel of others, none in which the other side pays, and none that has ended', () => {
      const channels = [channel('a', { peerId: 'somebody else' }), channel('b', { role: 'server' }), channel('c', { status: 'closed' }), channel('d', { status: 'stopped' }), channel('e', { status: 'abandoned' })]
      assert.throws(() => channelToPay(channels, PEER, 1n), { code: 'ERR_NO_CHANNEL' })
    })

    it('takes a channel that is named, whatever is left in it: the refusal is then its own', () => {
      const channels = [channel('aabbccdd', { spendable: satoshi(1n) }), channel('ffeeddcc')]
      assert.equal(channelToPay(channels, 'aabbccdd', 1_000n), channels[0])
    })
  })
})
