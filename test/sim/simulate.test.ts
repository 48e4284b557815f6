import assert from 'node:assert/strict'
import { simulate } from '../../src/sim/simulate.js'
import { blockDelta } from '../../src/types/units.js'
import { DAY, every, HOUR, openingOf, planOf, scenarioOf } from './fixture.js'

describe('sim / simulate', () => {
  it('two nodes, one channel: opened, paid on, closed in peace; every satoshi is where it belongs', async () => {
    const scenario = scenarioOf({ duration: 2 * DAY })
    const results = await simulate(scenario, planOf(scenario, [openingOf({ blocks: blockDelta(144) })], every(600, 1_000n, 12 * HOUR)))
    assert.deepEqual(results.broken, [])
    assert.equal(results.payments.made, 60)
    assert.deepEqual(results.payments.failed, {})
    assert.deepEqual(results.losses, [])
    assert.equal(results.channels[0]?.end, 'close')
    const [alice, bob] = results.nodes
    assert.equal(bob?.received, 60_000)
    assert.equal(bob?.end, 60_000 - (bob?.fees ?? 0))
    assert.equal(alice?.end, 2_000_000 - 60_000 - (alice?.fees ?? 0))
    assert.equal((alice?.fees ?? 0) + (bob?.fees ?? 0), results.chain.fees)
  })
})
