import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { codeOf } from '../../src/types/errors.js'
import { Calendar, Life } from '../../src/testing/calendar.js'
import { SimNetwork, type NetworkOptions, type NetworkSetup } from '../../src/testing/network.js'
import { Draws } from '../../src/testing/random.js'
import { peersContract, type PeersWorld } from '../contracts/peers.js'
import { Recorder } from '../p2p/hosts.js'
import { runningCalendar } from './running-calendar.js'

const ack = (sequence: number): Message => ({ type: 'UpdateAck', turn: 0, sequence })

/** Five milliseconds for each message, and nothing is lost. */
const SLOW: NetworkSetup = { latency: { kind: 'constant', value: 5 }, loss: 0, partitions: [] }

function slow(calendar: Calendar): NonNullable<NetworkOptions['takes']> {
  return { calendar, draws: new Draws(1, 'network'), setup: SLOW }
}

function worldIn(network: SimNetwork, stop: () => void): PeersWorld {
  const reported: Error[] = []
  const mallory = network.peer('mallory')
  network.peer('mute', { paychan: false })
  network.join('gone')
  return {
    alice: network.peer('alice'),
    bob: network.peer('bob', {
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
    intrude: async (listener) => await mallory.open('bob', () => listener),
    stop: async () => {
      stop()
    }
  }
}

describe('testing / network', () => {
  describe('without latency', () => {
    peersContract(async (options) => worldIn(new SimNetwork(options), () => {}))
  })

  describe('with latency', () => {
    peersContract(async (options) => {
      const { calendar, stop } = runningCalendar()
      return worldIn(new SimNetwork({ ...options, takes: slow(calendar) }), stop)
    })
  })

  it('delivers each message when its time has come, and in order', async () => {
    const calendar = new Calendar()
    const network = new SimNetwork({ takes: slow(calendar) })
    const bobs = new Recorder()
    network.peer('bob').onIncoming(() => bobs)
    const opening = network.peer('alice').open('bob', () => new Recorder())
    await calendar.run(9)
    assert.equal(calendar.next, 10, 'a dial takes a way there and back')
    await calendar.run(10)
    const link = await opening
    link.send(ack(1))
    await calendar.run(12)
    link.send(ack(2))
    await calendar.run(14)
    assert.deepEqual(bobs.messages, [])
    await calendar.run(15)
    assert.deepEqual(bobs.messages, [ack(1)])
    await calendar.run(17)
    assert.deepEqual(bobs.messages, [ack(1), ack(2)])
    assert.equal(calendar.next, undefined)
  })

  it('tells nothing to the dead, and breaks what they had', async () => {
    const network = new SimNetwork()
    const [bobs, alices] = [new Recorder(), new Recorder()]
    const life = new Life()
    network.join('bob')
    network.peersFor('bob', life).onIncoming(() => bobs)
    const alice = network.peer('alice')
    const link = await alice.open('bob', () => alices)
    link.send(ack(1))
    life.end()
    assert.equal(codeOf(await alices.closed()), 'ERR_CONNECTION_LOST')
    assert.deepEqual([bobs.messages, bobs.endings], [[], []])
    await assert.rejects(
      alice.open('bob', () => new Recorder()),
      (error) => codeOf(error) === 'ERR_PEER_UNREACHABLE'
    )
  })

  it('loses what is on its way when it is cut, and works again once mended', async () => {
    const network = new SimNetwork()
    const bobs = new Recorder()
    network.peer('bob').onIncoming(() => bobs)
    const alice = network.peer('alice')
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
