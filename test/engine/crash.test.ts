/**
 * Every story of `scenarios.ts` is told once for every write of either side, with an accident at
 * that write. How many writes there are is counted in a telling without an accident, so that no
 * write can be added that is not covered.
 */
import assert from 'node:assert/strict'
import { sized } from '../size.js'
import { SCENARIOS } from './scenarios.js'
import { tell, type Accident, type Fault, type Scenario } from './stage.js'

const EACH: readonly Accident[] = ['dies before', 'dies after', 'has a disk that fails at']
/** Both at once: a sample, every third write. */
const SAMPLE = 3

/** Of all accidents to a story: every thirteenth, which is each kind in turn, or every one. */
const EVERY = sized({ small: 13, all: 1 })

/** The accidents that happen to a story with so many writes. */
function accidents(writes: Readonly<Record<'alice' | 'bob', number>>): Fault[] {
  const faults: Fault[] = []
  for (const victim of ['alice', 'bob'] as const) {
    for (let write = 1; write <= writes[victim]; write++) {
      for (const accident of EACH) faults.push({ victim, accident, write })
      if (write % SAMPLE === 0) faults.push({ victim, accident: 'dies with its peer after', write })
    }
  }
  return faults.filter((_, n) => n % EVERY === 0)
}

async function tellWith(scenario: Scenario, fault: Fault): Promise<void> {
  try {
    await tell(scenario, fault)
  } catch (error) {
    throw new Error(
      `${fault.victim} ${fault.accident} write ${fault.write}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error }
    )
  }
}

describe('engine / crash', () => {
  for (const scenario of SCENARIOS) {
    it(`${scenario.name}: the same outcome with an accident at each write of either side`, async () => {
      const writes = await tell(scenario)
      assert.ok(writes.alice >= 5 && writes.bob >= 5, `${writes.alice} and ${writes.bob} writes`)
      for (const fault of accidents(writes)) await tellWith(scenario, fault)
    })
  }
})
