import assert from 'node:assert/strict'
import { isOpened, isRenewal, OpeningProgress } from '../../src/cli/opening-progress.js'
import type { ChannelInfo, NodeEvent } from '../../src/node/api.js'
import { channelId } from '../../src/types/bytes.js'
import { channel, payment, PEER } from '../daemon/fake-node.js'

function event (what: string, fields: Partial<ChannelInfo> = {}): NodeEvent {
  return { type: 'channel', channel: { ...channel, status: 'opening', ...fields }, what }
}

describe('the progress of an opening', () => {
  function follow (peer: string, ...events: NodeEvent[]): string[] {
    const lines: string[] = []
    const progress = new OpeningProgress(isOpened({ peer, amount: channel.capacity }), line => lines.push(line))
    events.forEach(progress.onEvent)
    return lines
  }

  it('is a line for each new step', () => {
    assert.deepEqual(follow(PEER, event('one'), event('one'), event('two'), event('ready', { status: 'open' })), ['1a2b3c4d  one', '1a2b3c4d  two', '1a2b3c4d  ready'])
  })

  it('counts confirmations', () => {
    assert.deepEqual(follow(PEER, event('T1 is out', { status: 'confirming', confirmations: 1, minDepth: 3 })), ['1a2b3c4d  T1 is out; 1 of 3 confirmations'])
  })

  it('says what to do once only blocks are waited for', () => {
    const [line] = follow(PEER, { ...event('stored', { status: 'confirming' }), step: 8 } as NodeEvent)
    assert.match(line ?? '', /paychan devnet mine 1/)
  })

  it('shows the depth again with every block, once each', () => {
    const lines: string[] = []
    const progress = new OpeningProgress(isOpened({ peer: PEER, amount: channel.capacity }), line => lines.push(line))
    const at = (confirmations: number): ChannelInfo => ({ ...channel, status: 'confirming', confirmations, minDepth: 3 })
    progress.onEvent(event('T1 is in block 130', at(1)))
    for (const confirmations of [1, 2, 2]) progress.onBlock([{ ...at(0), id: channelId('ee'.repeat(32)) }, at(confirmations)])
    assert.deepEqual(lines, ['1a2b3c4d  T1 is in block 130; 1 of 3 confirmations', '1a2b3c4d  a block has come; 2 of 3 confirmations'])
    assert.match(progress.waitsFor(), /^blocks .*2 of 3 confirmations$/)
  })

  it('knows who is waited for', () => {
    const progress = new OpeningProgress(isOpened({ peer: PEER, amount: channel.capacity }), () => {})
    const after = (what: string, step?: number): string => {
      progress.onEvent({ ...event(what), step } as NodeEvent)
      return progress.waitsFor()
    }
    assert.equal(progress.waitsFor(), 'the peer to answer')
    assert.equal(after('asked for a channel', 1), 'the peer to answer the offer')
    assert.match(after('the server named its key K2', 1), /Electrum/)
    assert.match(after('T1 is signed', 2), /sign the refund/)
    assert.match(after('is told of something else'), /sign the refund/)
    assert.match(after('T1 is handed over', 6), /take the funding/)
    assert.match(after('signed the initial T3', 7), /store the first state/)
    assert.match(after('stored', 8), /blocks/)
  })

  it('of a renewal knows the channel by the one that it renews', () => {
    const lines: string[] = []
    const progress = new OpeningProgress(isRenewal('ee'.repeat(4)), line => lines.push(line))
    progress.onEvent(event('another'))
    progress.onEvent(event('asked', { renews: channelId('ee'.repeat(32)) }))
    assert.deepEqual(lines, ['1a2b3c4d  asked'])
  })

  it('knows the peer by its multiaddr too', () => {
    assert.equal(follow(`/ip4/127.0.0.1/tcp/1/p2p/${PEER}`, event('one')).length, 1)
  })

  it('leaves out whatever is not about this opening', () => {
    assert.deepEqual(follow(PEER,
      event('another peer', { peerId: 'x' }),
      event('their channel', { role: 'server' }),
      event('a closing one', { status: 'closing' }),
      event('one that was open before', { status: 'open' }),
      { type: 'payment', payment },
      event('mine'),
      event('another of the same size', { id: channelId('ee'.repeat(32)) })), ['1a2b3c4d  mine'])
  })
})
