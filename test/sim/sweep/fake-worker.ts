/** A thread of a sweep whose simulations are over at once: as many payments asked for as the seed, as many made as the step. */
import { serveJobs } from '../../../src/sim/sweep/work.js'
import { emptyResults } from '../results-fixture.js'

serveJobs(async scenario => {
  const results = emptyResults(scenario)
  return { ...results, payments: { ...results.payments, asked: scenario.seed, made: scenario.channels[0]?.step ?? 0 } }
})
