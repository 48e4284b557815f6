import fc from 'fast-check'
import { sized } from '../size.js'
import { anyStormStory, Storm } from './storm.js'

/** Times what other properties get: 100 or 2,000 orders of events. */
const MANY = sized({ small: 5, all: 20 })

describe('channel / storms: payments, breaks, crashes, restored disks, blocks, reorgs of 1 to 10, closes', function () {
  this.slow(60_000)
  this.timeout(600_000)

  it('nobody who keeps to the rules loses more than fees; what was acknowledged is in the end', () => {
    fc.assert(
      fc.property(anyStormStory, ({ commands }) => {
        const storm = new Storm()
        for (const command of commands) storm.perform(command)
        storm.finish()
        storm.checkEnd()
      }),
      { numRuns: (fc.readConfigureGlobal().numRuns ?? 100) * MANY }
    )
  })
})
