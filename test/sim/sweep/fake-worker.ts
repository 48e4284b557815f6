/**
 * A thread of a sweep whose simulations are over at once: as many payments asked for as the seed,
 * as many made as the step. With a step of more than one block something is published, in time, at
 * a risk of one in eight.
 */
import { serveJobs } from '../../../src/sim/sweep/worker-pool.js'
import { emptyResults } from '../fixture.js'

serveJobs(async (scenario) => {
  const results = emptyResults(scenario)
  const step = scenario.channels[0]?.step ?? 0
  const race = {
    channel: 0,
    node: 'bob',
    honest: true,
    turn: 0,
    height: 1,
    deadline: 4,
    stake: 900,
    fee: 200,
    risk: 0.125,
    spentAt: 3,
    tooLate: false
  }
  return {
    ...results,
    races: step > 1 ? [race] : [],
    payments: { ...results.payments, asked: scenario.seed, made: step }
  }
})
