/** Runs the jobs of a sweep on worker threads, one simulation each at a time. */
import { Worker, parentPort, workerData } from 'node:worker_threads'
import { adviceOf } from '../../types/error-advice.js'
import { PaychanError, type ErrorRecord, toErrorRecord } from '../../types/errors.js'
import { applySettings, parseText, type ScenarioText } from '../scenario/scenario-file.js'
import { applyValues, runOf, type SweepJob, type SweepRun } from './sweep.js'
import { makePlan } from '../plan.js'
import type { Scenario } from '../scenario/scenario.js'
import type { simulate as Simulate } from '../simulate.js'

/** The data for the threads; everything in it can be cloned. */
export interface SweepWork {
  readonly scenario: ScenarioText
  readonly settings: Readonly<Record<string, number | string | boolean>>
  readonly stakes: readonly number[]
}

export type ToWorker = SweepJob & { readonly index: number }
export type FromWorker =
  | { readonly index: number; readonly run: SweepRun }
  | { readonly index: number; readonly error: ErrorRecord }

const WORKER = new URL('./worker.js', import.meta.url)

export interface PoolOptions {
  readonly threads: number
  readonly onRun: (done: number) => void
  /** Unfinished jobs are undefined once it is aborted. */
  readonly signal: AbortSignal
  /** The script of a thread; a test may give another. */
  readonly script?: URL
}

/**
 * The runs of the jobs, in their order, for any number of threads.
 *
 * @throws PaychanError whatever the first run that failed has thrown
 */
export async function runJobs(
  work: SweepWork,
  jobs: readonly SweepJob[],
  { threads, onRun, signal, script = WORKER }: PoolOptions
): Promise<Array<SweepRun | undefined>> {
  const runs = new Array<SweepRun | undefined>(jobs.length).fill(undefined)
  let next = 0
  let done = 0
  const workers = Array.from(
    { length: Math.min(threads, jobs.length) },
    () => new Worker(script, { workerData: work })
  )
  const stop = (): void => {
    for (const worker of workers) void worker.terminate()
  }
  signal.addEventListener('abort', stop)
  try {
    await Promise.all(
      workers.map(async (worker) => {
        await new Promise<void>((resolve, reject) => {
          const feed = (): void => {
            const job = jobs[next]
            if (job === undefined || signal.aborted) {
              resolve()
              return
            }
            worker.postMessage({ ...job, index: next++ } satisfies ToWorker)
          }
          worker.on('message', (message: FromWorker) => {
            if ('error' in message) {
              const { code, message: sentence, facts } = message.error
              reject(PaychanError.of(code, sentence, facts))
              return
            }
            runs[message.index] = message.run
            onRun(++done)
            feed()
          })
          worker.on('error', reject)
          worker.on('exit', (code) => {
            if (signal.aborted) resolve()
            else {
              reject(
                new PaychanError(
                  'ERR_SWEEP_FAILED',
                  `A thread of the sweep has ended by itself (${code}). ${adviceOf('ERR_SWEEP_FAILED')}`
                )
              )
            }
          })
          feed()
        })
      })
    )
  } finally {
    signal.removeEventListener('abort', stop)
    await Promise.all(workers.map(async (worker) => await worker.terminate()))
  }
  return runs
}

/** The work of a sweep's thread: one scenario after another, each with its values and its seed. */

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
