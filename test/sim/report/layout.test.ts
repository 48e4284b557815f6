import assert from 'node:assert/strict'
import { layOut } from '../../../src/sim/report/picture.js'

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
