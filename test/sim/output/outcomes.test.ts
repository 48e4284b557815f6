import assert from 'node:assert/strict'
import type { PaymentOutcome } from '../../../src/sim/measure/channels.js'
import { Outcomes } from '../../../src/sim/output.js'

describe('sim / output / outcomes', () => {
  it('keeps what was told of each payment, in whatever order, however many there are', () => {
    const told = Array.from({ length: 5_000 }, (_, id): PaymentOutcome =>
      id % 3 === 0
        ? { id, status: 'made', seconds: id / 8, channel: id % 70_000 }
        : id % 3 === 1
          ? { id, status: 'failed', code: `ERR_${id % 7}`, seconds: 0 }
          : { id, status: 'unknown', channel: 0 }
    )
    const outcomes = new Outcomes()
    for (const outcome of [...told].reverse()) outcomes.add(outcome)
    assert.deepEqual(
      told.map(({ id }) => outcomes.of(id)),
      told
    )
  })

  it('knows nothing of a payment of which nothing was told', () => {
    const outcomes = new Outcomes()
    outcomes.add({ id: 2, status: 'made' })
    assert.deepEqual(
      [outcomes.of(1), outcomes.of(3), outcomes.of(1_000_000)],
      [undefined, undefined, undefined]
    )
  })
})
