import assert from 'node:assert/strict'
import type { ChannelResult, Results } from '../../../src/sim/results.js'
import { draw, LIMITS, type Drawn, type Limits } from '../../../src/sim/report/picture.js'
import { makeResults } from './fixture.js'

const BASE = makeResults({ nodes: 12, channels: 30, days: 2, samples: 12, hostile: false })

function drawn (results: Results, limits: Limits = LIMITS): Drawn {
  return draw(results, { node: new Map(results.nodes.map(({ name }, at) => [name, at])), channel: new Map(results.channels.map(({ number }, at) => [number, at])) }, limits)
}

function channel (number: number, client: string, server: string, firstSample: number, balances: readonly number[], capacity = 1000): ChannelResult {
  return {
    number, client, server, capacity, step: 0, fundedAt: 1, spentAt: null, end: 'open', turns: 0, payments: { forth: 0, back: 0 }, volume: { forth: 0, back: 0 }, firstSample, balances
  }
}

describe('the picture of the network', () => {
  it('has all nodes and channels of a small one, and says that it left nothing out', () => {
    const { picture, nodesInAll, channelsInAll, stride } = drawn(BASE)
    assert.deepEqual([picture.nodes.length, picture.channels.length, nodesInAll, channelsInAll, stride], [12, 30, 12, 30, 1])
  })

  it('shows the nodes with the most channels, and the largest channels among them, when there are too many', () => {
    const { picture, nodesInAll, channelsInAll, stride } = drawn(BASE, { nodes: 5, channels: 4, changes: 10 })
    assert.deepEqual([picture.nodes.length, picture.channels.length, nodesInAll, channelsInAll], [5, 4, 12, 30])
    assert.ok(stride > 1)
    const degree = (name: string): number => BASE.channels.filter(({ client, server }) => client === name || server === name).length
    const degrees = BASE.nodes.map(({ name }) => degree(name)).sort((a, b) => b - a)
    assert.deepEqual(picture.nodes.map(({ row }) => degree(BASE.nodes[row]?.name ?? '')), degrees.slice(0, 5))
  })

  it('leaves out a channel that was never there', () => {
    const { picture } = drawn({ ...BASE, channels: [channel(0, 'node-0', 'node-1', 0, []), channel(1, 'node-0', 'node-1', 2, [9, 9, 4])] })
    assert.deepEqual(picture.channels.map(({ row, from, until, changes }) => ({ row, from, until, changes })), [{ row: 1, from: 2, until: 4, changes: [2, 9, 4, 4] }])
  })

  it('lays channels between the same nodes side by side while both are there, and takes a free place again', () => {
    const { picture } = drawn({
      ...BASE,
      channels: [channel(0, 'node-0', 'node-1', 0, [1, 1, 1]), channel(1, 'node-1', 'node-0', 1, [1, 1, 1]), channel(2, 'node-0', 'node-1', 3, [1, 1]), channel(3, 'node-2', 'node-3', 0, [1])]
    })
    // Seen from the client, and the client of the second is the other node.
    const [first, second, third, other] = picture.channels.toSorted((a, b) => a.row - b.row).map(({ lane }) => lane)
    assert.deepEqual([first, Math.abs(second ?? 0), third, other], [0, 1, 0, 0])
  })

  it('has five widths from the smallest capacity to the largest, on a logarithmic scale', () => {
    const { picture } = drawn({ ...BASE, channels: [1_000, 10_000, 100_000, 10_000_000].map((capacity, at) => channel(at, 'node-0', `node-${at + 1}`, 0, [1], capacity)) })
    assert.deepEqual(picture.channels.map(({ width }) => width), [0, 1, 2, 4])
  })
})
