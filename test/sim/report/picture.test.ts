import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  balanceAt,
  busiestSample,
  changesOf,
  choose,
  draw,
  type Drawn,
  largest,
  layOut,
  strideFor
} from '../../../src/sim/report/picture.js'
import { pictureSection } from '../../../src/sim/report/sections.js'
import type { ChannelResult, NodeResult, Results } from '../../../src/sim/results.js'
import { makeResults } from './fixture.js'

const balances = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 40 })

describe('balances over time', () => {
  it('are kept as changes', () => {
    assert.deepEqual(changesOf([5, 5, 3], 10, 1), [10, 5, 12, 3])
  })

  it('begin to be shown where most channels are there, the last time that they are', () => {
    const lives = (...spans: Array<readonly [from: number, samples: number]>): number =>
      busiestSample(
        spans.map(([firstSample, samples]) => ({
          firstSample,
          balances: new Array<number>(samples).fill(1)
        })),
        20
      )
    assert.equal(lives([0, 10], [4, 4], [6, 9]), 7)
    assert.equal(lives([0, 20]), 19)
    assert.equal(lives(), 19)
    assert.equal(busiestSample([], 0), 0)
  })

  it('are the same at every sample', () => {
    fc.assert(
      fc.property(balances, fc.nat(1000), (values, first) => {
        const changes = changesOf(values, first, 1)
        assert.deepEqual(
          values.map((_, at) => balanceAt(changes, first + at)),
          values
        )
      })
    )
  })

  it('are right at the first and the last sample, and where the stride falls, when they are thinned out', () => {
    fc.assert(
      fc.property(balances, fc.nat(1000), fc.constantFrom(2, 4, 8), (values, first, stride) => {
        const changes = changesOf(values, first, stride)
        for (const [at, value] of values.entries()) {
          if (at === 0 || at === values.length - 1 || (first + at) % stride === 0) {
            assert.equal(balanceAt(changes, first + at), value)
          }
        }
      })
    )
  })

  it('are thinned out no more than it takes', () => {
    const restless = { balances: Array.from({ length: 64 }, (_, at) => at), firstSample: 0 }
    assert.equal(strideFor([restless], 64), 1)
    assert.equal(strideFor([restless], 63), 2)
    assert.equal(strideFor([restless], 20), 4)
  })

  it('take what little room there is when there is none', () => {
    assert.ok(strideFor([{ balances: [1, 2, 3], firstSample: 0 }], 0) > 1)
  })
})

describe('what is shown of a network', () => {
  const BASE = makeResults({ nodes: 8, channels: 12, days: 1, samples: 4, hostile: false })
  const [NODE] = BASE.nodes
  const [CHANNEL] = BASE.channels
  assert.ok(NODE !== undefined && CHANNEL !== undefined)
  const node = (name: string): NodeResult => ({ ...NODE, name })
  const channel = (
    number: number,
    client: string,
    server: string,
    capacity: number
  ): ChannelResult => ({
    ...CHANNEL,
    number,
    client,
    server,
    capacity,
    firstSample: 0,
    balances: [1]
  })

  /**
   * Two hubs that have a channel with each other, and their customers; the larger the number, the
   * larger the channel.
   */
  const HUBS: Results = {
    ...BASE,
    nodes: ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(node),
    channels: [
      channel(1, 'a', 'g', 50),
      channel(2, 'c', 'g', 30),
      channel(3, 'd', 'g', 40),
      channel(4, 'e', 'f', 10),
      channel(5, 'b', 'f', 20),
      channel(6, 'f', 'g', 15),
      { ...channel(7, 'a', 'f', 1_000), balances: [] }
    ]
  }

  it('is said above the picture when it is not all', () => {
    const whole = choose(HUBS, { nodes: 7, channels: 6 })
    assert.doesNotMatch(pictureSection(HUBS, whole, 1, []).text, /picture shows/)
    const part = pictureSection(HUBS, choose(HUBS, { nodes: 4, channels: 2 }), 4, []).text
    assert.match(
      part,
      /The picture shows 4 nodes of 7: the 2 nodes with the most channels, and those that have the largest channels with them\. It shows 2 channels of 6, the largest among these nodes\./
    )
    assert.match(part, /Balances are shown every 24 h;/)
  })

  it('is all of it when it is small enough', () => {
    const { nodes, channels, channelsInAll } = choose(HUBS, { nodes: 7, channels: 6 })
    assert.deepEqual(
      nodes.map(({ name }) => name),
      ['g', 'f', 'a', 'b', 'c', 'd', 'e']
    )
    assert.deepEqual(
      channels.map(({ number }) => number),
      [1, 2, 3, 4, 5, 6]
    )
    assert.equal(channelsInAll, 6, 'the one that was never there does not count')
  })

  it('is those with the most channels otherwise, and those with the largest channels to them', () => {
    const { nodes, channels } = choose(HUBS, { nodes: 4, channels: 10 })
    assert.deepEqual(
      nodes.map(({ name }) => name),
      ['g', 'f', 'a', 'd']
    )
    assert.deepEqual(
      channels.map(({ number }) => number),
      [1, 3, 6]
    )
  })

  it('is the largest channels when there are too many', () => {
    assert.deepEqual(
      choose(HUBS, { nodes: 7, channels: 3 }).channels.map(({ number }) => number),
      [1, 2, 3]
    )
  })

  it('is in a table, in its own order, what must be there and the largest of the others', () => {
    assert.deepEqual(
      largest([5, 1, 9, 7, 3], 3, new Set([1]), (value) => value),
      [1, 9, 7]
    )
    assert.deepEqual(
      largest([5, 1], 3, new Set(), (value) => value),
      [5, 1]
    )
  })
})

const RING = Array.from({ length: 24 }, (_, at): [number, number] => [at, (at + 1) % 24])

function distance(layout: ReturnType<typeof layOut>, a: number, b: number): number {
  const [one, other] = [layout.places[a], layout.places[b]]
  return one === undefined || other === undefined
    ? NaN
    : Math.hypot(one.x - other.x, one.y - other.y)
}

describe('the layout of the picture', () => {
  it('is the same for the same network', () => {
    assert.deepEqual(layOut(24, RING), layOut(24, RING))
  })

  it('puts neighbours nearer than others, and nothing on top of anything', () => {
    const layout = layOut(24, RING)
    assert.ok(distance(layout, 0, 1) < distance(layout, 0, 12) / 3)
    for (let a = 0; a < 24; a++) for (let b = 0; b < a; b++) assert.ok(distance(layout, a, b) > 5)
  })

  it('keeps all within its box, those without a channel as well', () => {
    const { width, height, places } = layOut(30, RING)
    assert.ok(places.every(({ x, y }) => x >= 0 && x <= width && y >= 0 && y <= height))
    assert.equal(Math.max(width, height), 1000)
  })

  it('knows what to do with one node, and with none', () => {
    assert.equal(layOut(1, []).places.length, 1)
    assert.deepEqual(layOut(0, []).places, [])
  })
})

describe('the picture of the network', () => {
  const BASE = makeResults({ nodes: 12, channels: 30, days: 2, samples: 12, hostile: false })

  function drawn(results: Results, mostChanges?: number): Drawn {
    return draw(
      choose(results, { nodes: 100, channels: 100 }),
      results,
      results.groups,
      mostChanges
    )
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
