import assert from 'node:assert/strict'
import { openingProgress } from '../../src/cli/opening-progress.js'
import type { ChannelInfo, NodeEvent } from '../../src/node/api.js'
import { channelId } from '../../src/types/bytes.js'
import { channel, payment, PEER } from '../daemon/fake-node.js'

function event (what: string, fields: Partial<ChannelInfo> = {}): NodeEvent {
  return { type: 'channel', channel: { ...channel, status: 'opening', ...fields }, what }
}

describe('the progress of an opening', () => {
  function follow (peer: string, ...events: NodeEvent[]): string[] {
    const lines: string[] = []
    const listener = openingProgress({ peer, amount: channel.capacity }, line => lines.push(line))
    events.forEach(listener)
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
