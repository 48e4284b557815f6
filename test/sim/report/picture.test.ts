import assert from 'node:assert/strict'
import type { ChannelResult, Results } from '../../../src/sim/results.js'
import { choose } from '../../../src/sim/report/choice.js'
import { draw, type Drawn } from '../../../src/sim/report/picture.js'
import { makeResults } from './fixture.js'

const BASE = makeResults({ nodes: 12, channels: 30, days: 2, samples: 12, hostile: false })

function drawn(results: Results, mostChanges?: number): Drawn {
  return draw(choose(results, { nodes: 100, channels: 100 }), results, results.groups, mostChanges)
}

function channel(
  number: number,
  client: string,
  server: string,
  firstSample: number,
  balances: readonly number[],
  capacity = 1000
): ChannelResult {
  return {
    number,
    client,
    server,
    capacity,
    step: 0,
    fundedAt: 1,
    spentAt: null,
    end: 'open',
    turns: 0,
    payments: { forth: 0, back: 0 },
    volume: { forth: 0, back: 0 },
    firstSample,
    balances
  }
}

describe('the picture of the network', () => {
  it('has all nodes and channels of a small one, and all balances', () => {
    const { picture, stride } = drawn(BASE)
    assert.deepEqual([picture.nodes.length, picture.channels.length, stride], [12, 30, 1])
  })

  it('thins out balances when there are too many', () => {
    assert.ok(drawn(BASE, 40).stride > 1)
  })

  it('leaves out a channel that was never there', () => {
    const { picture } = drawn({
      ...BASE,
      channels: [
        channel(0, 'node-0', 'node-1', 0, []),
        channel(1, 'node-0', 'node-1', 2, [9, 9, 4])
      ]
    })
    assert.deepEqual(
      picture.channels.map(({ row, from, until, changes }) => ({ row, from, until, changes })),
      [{ row: 1, from: 2, until: 4, changes: [2, 9, 4, 4] }]
    )
  })

  it('lays channels between the same nodes side by side while both are there, and takes a free place again', () => {
    const { picture } = drawn({
      ...BASE,
      channels: [
        channel(0, 'node-0', 'node-1', 0, [1, 1, 1]),
        channel(1, 'node-1', 'node-0', 1, [1, 1, 1]),
        channel(2, 'node-0', 'node-1', 3, [1, 1]),
        channel(3, 'node-2', 'node-3', 0, [1])
      ]
    })
    // Seen from the client, and the client of the second is the other node.
    const [first, second, third, other] = picture.channels
      .toSorted((a, b) => a.row - b.row)
      .map(({ lane }) => lane)
    assert.deepEqual([first, Math.abs(second ?? 0), third, other], [0, 1, 0, 0])
  })

  it('has five widths from the smallest capacity to the largest, on a logarithmic scale', () => {
    const { picture } = drawn({
      ...BASE,
      channels: [1_000, 10_000, 100_000, 10_000_000].map((capacity, at) =>
        channel(at, 'node-0', `node-${at + 1}`, 0, [1], capacity)
      )
    })
    assert.deepEqual(
      picture.channels.map(({ width }) => width),
      [0, 1, 2, 4]
    )
  })
})
