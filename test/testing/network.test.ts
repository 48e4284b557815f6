import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { MemoryNetwork } from '../../src/p2p/memory.js'
import { codeOf } from '../../src/types/errors.js'
import { peersContract } from '../contracts/peers.js'
import { Recorder } from './recorder.js'

const ack = (sequence: number): Message => ({ type: 'UpdateAck', turn: 0, sequence })

describe('memory network', () => {
  peersContract(async (options) => {
    const network = new MemoryNetwork(options)
    const reported: Error[] = []
    const alice = network.join('alice')
    const mallory = network.join('mallory')
    network.join('mute', { paychan: false })
    network.join('gone')
    network.cut('alice', 'gone')
    return {
      alice,
      bob: network.join('bob', {
        onError: (error) => {
          reported.push(error)
        }
      }),
      bobAddress: 'bob',
      mute: 'mute',
      gone: 'gone',
      unknown: 'nobody',
      reported,
      cut: () => {
        network.cut('alice', 'bob')
      },
      intrude: async (listener) => mallory.open('bob', () => listener),
      stop: async () => {}
    }
  })

  it('delivers by hand when it is given a schedule that does nothing', async () => {
    const network = new MemoryNetwork({ schedule: () => {} })
    const bobs = new Recorder()
    network.join('bob').onIncoming(() => bobs)
    const opening = network.join('alice').open('bob', () => new Recorder())
    assert.equal(network.waiting, 1)
    network.deliver()
    const link = await opening
    link.send(ack(1))
    link.send(ack(2))
    assert.equal(network.waiting, 3)
    network.deliver()
    network.deliver()
    assert.deepEqual(bobs.messages, [ack(1)])
    network.deliver()
    assert.deepEqual(bobs.messages, [ack(1), ack(2)])
    assert.equal(network.deliver(), false)
  })

  it('loses what is on its way when it is cut, and works again once mended', async () => {
    const network = new MemoryNetwork()
    const bobs = new Recorder()
    network.join('bob').onIncoming(() => bobs)
    const alice = network.join('alice')
    const link = await alice.open('bob', () => new Recorder())
    link.send(ack(1))
    network.cut('bob', 'alice')
    await bobs.closed()
    assert.deepEqual(bobs.messages, [])
    await assert.rejects(
      alice.open('bob', () => new Recorder()),
      (error) => codeOf(error) === 'ERR_PEER_UNREACHABLE'
    )
    network.mend('alice', 'bob')
    const again = await alice.open('bob', () => new Recorder())
    again.send(ack(2))
    assert.deepEqual(await bobs.received(1), [ack(2)])
  })
})
