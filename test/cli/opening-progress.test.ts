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

  it('counts the blocks that are still to come', () => {
    const at = (confirmations: number): string[] => follow(PEER, event('T1 is out', { status: 'confirming', confirmations, minDepth: 3 }))
    assert.deepEqual([at(1), at(2), at(3)], [['1a2b3c4d  the funding is out; waiting for 2 blocks'], ['1a2b3c4d  the funding is out; waiting for 1 block'], ['1a2b3c4d  the funding is out; waiting for the peer to see it']])
  })

  it('speaks of steps as users do, and as the protocol does when asked to', () => {
    const steps = [[1, 'asked for a channel of 5 sat'], [1, 'the server named its key K2'], [2, 'T1 ab is signed and held back'], [3, 'sent T2 unsigned'], [5, 'the server\'s signature of T2 is right'], [6, 'T1 ab is handed over'], [7, 'signed the initial T3'], [8, 'the server verified and stored the initial T3']] as const
    const lines = (verbose: boolean): string[] => {
      const shown: string[] = []
      const progress = new OpeningProgress(isOpened({ peer: PEER, amount: channel.capacity }), line => shown.push(line.slice(10)), { verbose })
      for (const [step, what] of steps) progress.onEvent({ ...event(what), step } as NodeEvent)
      return shown
    }
    assert.deepEqual(lines(true), steps.map(([, what]) => what))
    assert.deepEqual(lines(false), ['asking the peer for the channel', 'the peer accepts the channel', 'funding prepared', 'asking the peer to sign the refund', 'refund secured', 'funding sent', 'first balances signed', 'the peer is ready'])
  })

  it('says how to mine as long as a block is missing, on a devnet', () => {
    const line = (confirmations: number, isDevnet: boolean): string => {
      let shown = ''
      const progress = new OpeningProgress(isOpened({ peer: PEER, amount: channel.capacity }), line => { shown = line }, { isDevnet: () => isDevnet })
      progress.onEvent({ ...event('stored', { status: 'confirming', confirmations, minDepth: 1 }), step: 8 } as NodeEvent)
      return shown
    }
    assert.equal(line(0, true), '1a2b3c4d  the peer is ready; waiting for 1 block (mine: paychan devnet mine 1)')
    assert.ok(line(0, true).length < 80)
    assert.equal(line(0, false), '1a2b3c4d  the peer is ready; waiting for 1 block')
    assert.equal(line(1, true), '1a2b3c4d  the peer is ready; waiting for the peer to see it')
  })

  it('shows the depth again with every block, once each', () => {
    const lines: string[] = []
    const progress = new OpeningProgress(isOpened({ peer: PEER, amount: channel.capacity }), line => lines.push(line))
    const at = (confirmations: number): ChannelInfo => ({ ...channel, status: 'confirming', confirmations, minDepth: 3 })
    progress.onEvent(event('T1 is in block 130', at(1)))
    for (const confirmations of [1, 2, 2]) progress.onBlock([{ ...at(0), id: channelId('ee'.repeat(32)) }, at(confirmations)])
    assert.deepEqual(lines, ['1a2b3c4d  the funding is in block 130; waiting for 2 blocks', '1a2b3c4d  a block has come; waiting for 1 block'])
    assert.equal(progress.waitsFor(), '1 block')
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
