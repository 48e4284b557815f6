/**
 * Where the nodes of the picture are. d3-force draws from a generator with a fixed seed, so the
 * same network gives the same picture.
 */
import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type SimulationNodeDatum
} from 'd3-force'

export interface Place {
  readonly x: number
  readonly y: number
}

export interface Layout {
  readonly width: number
  readonly height: number
  readonly places: readonly Place[]
}

/** The longer side of the picture. */
const SIZE = 1000
const EDGE = 20

/** Cost is about n log n for each tick; 2,000 nodes with 6,000 links take a few seconds. */
function ticksFor(nodes: number): number {
  if (nodes <= 300) return 300
  return nodes <= 1000 ? 160 : 100
}

/**
 * Places `nodes` nodes so that linked ones are near each other. Links name nodes by number.
 *
 *     layOut(2, [[0, 1]]).places   // two places, in a box of width and height
 */
export function layOut(nodes: number, links: ReadonlyArray<readonly [number, number]>): Layout {
  const points: SimulationNodeDatum[] = Array.from({ length: nodes }, () => ({}))
  const ticks = ticksFor(nodes)
  forceSimulation(points)
    .alphaDecay(1 - 0.001 ** (1 / ticks))
    .force('link', forceLink(links.map(([source, target]) => ({ source, target }))).distance(40))
    .force('charge', forceManyBody().strength(-90))
    // Keeps parts that are not connected in the picture; a little wider than high, as screens are.
    .force('x', forceX(0).strength(0.05))
    .force('y', forceY(0).strength(0.08))
    .force('collide', forceCollide(9))
    .stop()
    .tick(ticks)
  return fit(points.map((point) => ({ x: point.x ?? 0, y: point.y ?? 0 })))
}

function fit(places: readonly Place[]): Layout {
  const low = { x: Infinity, y: Infinity }
  const high = { x: -Infinity, y: -Infinity }
  for (const { x, y } of places) {
    low.x = Math.min(low.x, x)
    low.y = Math.min(low.y, y)
    high.x = Math.max(high.x, x)
    high.y = Math.max(high.y, y)
  }
  if (places.length === 0) return { width: SIZE, height: SIZE, places: [] }
  const scale = (SIZE - 2 * EDGE) / Math.max(high.x - low.x, high.y - low.y, 1)
  const round = (value: number): number => Math.round(value * 10) / 10
  return {
    width: round((high.x - low.x) * scale + 2 * EDGE),
    height: round((high.y - low.y) * scale + 2 * EDGE),
    places: places.map(({ x, y }) => ({
      x: round((x - low.x) * scale + EDGE),
      y: round((y - low.y) * scale + EDGE)
    }))
  }
}
