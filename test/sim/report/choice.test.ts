import assert from 'node:assert/strict'
import type { ChannelResult, NodeResult, Results } from '../../../src/sim/results.js'
import { choose, largest } from '../../../src/sim/report/choice.js'
import { pictureSection } from '../../../src/sim/report/sections.js'
import { makeResults } from './fixture.js'

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

describe('what is shown of a network', () => {
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
