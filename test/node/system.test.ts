/** The clock and the dice of the machine keep the same contracts as those of the tests. */
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock, systemRandom } from '../../src/node/system.js'
import { FakeClock, seededRandom } from '../chain/helpers.js'
import { clockContract } from '../contracts/clock.js'
import { randomContract } from '../contracts/random.js'

clockContract('of the machine', () => ({
  clock: systemClock,
  pass: async (ms) => {
    await sleep(ms)
  }
}))
clockContract('of the tests', () => {
  const clock = new FakeClock()
  return {
    clock,
    pass: async (ms) => {
      clock.advance(ms)
    }
  }
})

randomContract('of the machine', () => systemRandom)
randomContract('of the tests', () => seededRandom(7))
