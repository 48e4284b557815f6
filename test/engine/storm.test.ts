import fc from 'fast-check'
import { Storm, weather } from './storm.js'

/** A storm takes some 50 ms: half as many as of other properties. */
const RUNS = Math.ceil((fc.readConfigureGlobal().numRuns ?? 100) / 2)

describe('engine / storm', function () {
  // Some 40 ms each; a run that does not end is one that fails.
  this.timeout(180_000 + 5_000 * RUNS)

  it('payments by name, deaths, full disks, broken streams, blocks and reorganisations in any order: what callers were told is true, the channels go on, and the chain pays', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(weather, { minLength: 5, maxLength: 40 }), async (events) => {
        const storm = await Storm.create()
        for (const event of events) await storm.endure(event)
        await storm.calm()
        await storm.end()
      }),
      { numRuns: RUNS }
    )
  })
})
