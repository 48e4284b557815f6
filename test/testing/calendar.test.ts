import assert from 'node:assert/strict'
import { Calendar } from '../../src/testing/calendar.js'
import { Draws } from '../../src/testing/random.js'

describe('sim / calendar', () => {
  it('lets things happen by their time, and in the order of the asking where that is the same', async () => {
    const calendar = new Calendar()
    const seen: string[] = []
    for (const [name, at] of [
      ['c', 30],
      ['a', 10],
      ['d', 30],
      ['b', 20]
    ] as const) {
      calendar.at(at, () => {
        seen.push(`${name} at ${calendar.now}`)
      })
    }
    await calendar.run(30)
    assert.deepEqual(seen, ['a at 10', 'b at 20', 'c at 30', 'd at 30'])
  })

  it('keeps the order of thousands', async () => {
    const calendar = new Calendar()
    const draws = new Draws(1, 'order')
    const seen: number[] = []
    for (let n = 0; n < 5_000; n++) {
      calendar.at(draws.below(1_000), () => {
        seen.push(calendar.now)
      })
    }
    await calendar.run(1_000)
    assert.equal(seen.length, 5_000)
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b)
    )
  })

  it('ends what an event has settled before the next event, however many promises that takes', async () => {
    const calendar = new Calendar()
    const seen: string[] = []
    calendar.at(1, () => {
      void (async () => {
        for (let n = 0; n < 50; n++) await Promise.resolve()
        seen.push('settled')
      })()
    })
    calendar.at(1, () => {
      seen.push('next')
    })
    await calendar.run(1)
    assert.deepEqual(seen, ['settled', 'next'])
  })

  it('does not let happen what was taken back, nor what is later than it is asked for', async () => {
    const calendar = new Calendar()
    const seen: string[] = []
    calendar.after(5, () => {
      seen.push('cancelled')
    })()
    calendar.after(11, () => {
      seen.push('late')
    })
    await calendar.run(10)
    assert.deepEqual([seen, calendar.now], [[], 10])
    await calendar.run(11)
    assert.deepEqual(seen, ['late'])
  })

  it('fails with what an event throws', async () => {
    const calendar = new Calendar()
    calendar.after(1, () => {
      throw new Error('a bug')
    })
    await assert.rejects(calendar.run(1), /a bug/)
  })
})
