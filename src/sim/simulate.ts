/**
 * Runs a scenario in virtual time: the same scenario, plan and seed give the same results, byte for
 * byte.
 */
import { checkNow } from './measure/invariants.js'
import type { PaymentOutcome } from './measure/payments.js'
import { resultsOf } from './measure/report.js'
import type { Plan } from './plan.js'
import type { Results } from './results.js'
import type { Scenario } from './scenario/scenario.js'
import { Simulation } from './simulation.js'

/** The progress of a simulation. Only the last two fields depend on the wall clock. */
export interface Progress {
  /** Seconds of virtual time so far, and in all. */
  readonly time: number
  readonly duration: number
  readonly events: number
  readonly payments: number
  readonly height: number
  /** Measured since the report before. */
  readonly eventsPerSecond: number
  /** Seconds; undefined without a basis for an estimate. */
  readonly left: number | undefined
}

export interface SimulateOptions {
  /** Called some hundred times, at equal intervals of virtual time. */
  readonly onProgress?: (progress: Progress) => void
  /** Ends the run early: the result is the state at that time, with `complete: false`. */
  readonly signal?: AbortSignal
  /**
   * Receives each payment once its outcome is known, in the order of that; at the latest at the
   * end, as unknown.
   */
  readonly onOutcome?: (outcome: PaymentOutcome) => void
  /** Checks the invariants of any moment after each event: for small worlds. */
  readonly checked?: boolean
}

const REPORTS = 200

/**
 * @example
 * const onProgress = ({ time, duration }) => console.log(time / duration)
 * const results = await simulate(scenario, plan, { onProgress })
 */
export async function simulate(
  scenario: Scenario,
  plan: Plan,
  { onProgress, signal, onOutcome, checked }: SimulateOptions = {}
): Promise<Results> {
  const simulation = new Simulation(scenario, plan, onOutcome)
  if (checked === true) {
    simulation.calendar.afterEach = () => {
      if (simulation.broken.length === 0) checkNow(simulation)
    }
  }
  await simulation.start()
  const { calendar, counts, chain } = simulation
  const end = scenario.duration * 1_000
  const began = performance.now()
  let last = { wall: began, events: 0 }
  const isStopped = (): boolean => signal?.aborted === true
  for (let n = 1; n <= REPORTS && !isStopped(); n++) {
    await calendar.run((end * n) / REPORTS, isStopped)
    if (onProgress === undefined) continue
    const wall = performance.now()
    const done = calendar.now / end
    onProgress({
      time: calendar.now / 1_000,
      duration: scenario.duration,
      events: calendar.events,
      payments: counts.made,
      height: chain.height,
      eventsPerSecond: Math.round(
        (calendar.events - last.events) / Math.max(0.001, (wall - last.wall) / 1_000)
      ),
      left: done > 0 ? (((wall - began) / 1_000) * (1 - done)) / done : undefined
    })
    last = { wall, events: calendar.events }
  }
  return resultsOf(simulation, !isStopped())
}
