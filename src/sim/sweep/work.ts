/** What a thread of a sweep does: one scenario after another, each with its values and its seed. */
import { parentPort, workerData } from 'node:worker_threads'
import { toErrorRecord } from '../../types/errors.js'
import { makePlan } from '../plan/make-plan.js'
import { parseText } from '../scenario/load-scenario.js'
import { applySettings } from '../scenario/settings.js'
import type { Scenario } from '../scenario/scenario.js'
import type { simulate as Simulate } from '../simulate.js'
import { runOf, type SweepJob, type SweepRun } from './sweep.js'
import { applyValues } from './variations.js'
import type { FromWorker, SweepWork, ToWorker } from './worker-pool.js'

/**
 * The scenario of a job.
 *
 * @throws ScenarioError, or PaychanError `ERR_USAGE`, when a value does not fit it
 */
export function scenarioOf(
  { scenario, settings }: Pick<SweepWork, 'scenario' | 'settings'>,
  { values, seed }: SweepJob
): Scenario {
  return parseText(scenario, (yaml) => {
    applySettings(yaml, { ...settings, seed })
    applyValues(yaml, values)
  })
}

/** Answers each job of the pool with its run. */
export function serveJobs(simulate: typeof Simulate): void {
  const work = workerData as SweepWork
  parentPort?.on('message', (job: ToWorker) => {
    void answer(job, async () => {
      const scenario = scenarioOf(work, job)
      return runOf(await simulate(scenario, makePlan(scenario)), work.stakes)
    })
  })
}

async function answer({ index }: ToWorker, run: () => Promise<SweepRun>): Promise<void> {
  const reply = (message: FromWorker): void => {
    parentPort?.postMessage(message)
  }
  try {
    reply({ index, run: await run() })
  } catch (error) {
    reply({ index, error: toErrorRecord(error) })
  }
}
