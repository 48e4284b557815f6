/** What a simulation leaves behind. */
import type { Plan } from '../plan.js'
import type { Results } from '../results.js'
import { channelsCsv, paymentsCsv } from './csv.js'
import { writeOutput } from './directory.js'
import type { Outcomes } from './outcomes.js'
import { renderReport } from '../report/index.js'

export const OUTPUT_FILES = [
  'results.json',
  'run.json',
  'channels.csv',
  'payments.csv',
  'report.html'
] as const

export interface Finished {
  readonly results: Results
  readonly plan: Plan
  readonly outcomes: Outcomes
  /** What depends on the machine: not part of the results, which are the same everywhere. */
  readonly run: object
}

/** Writes the files, and gives their paths. @throws PaychanError `ERR_OUTPUT_UNWRITABLE` */
export async function writeResults(
  directory: string,
  { results, plan, outcomes, run }: Finished
): Promise<string[]> {
  // One after the other: what is written stays, whatever becomes of the next.
  const contents: Readonly<Record<(typeof OUTPUT_FILES)[number], () => string | Iterable<string>>> =
    {
      'results.json': () => `${JSON.stringify(results)}\n`,
      'run.json': () => `${JSON.stringify(run, null, 2)}\n`,
      'channels.csv': () => channelsCsv(results),
      'payments.csv': () => paymentsCsv(plan, results.simulated, outcomes),
      'report.html': () => renderReport(results)
    }
  const paths: string[] = []
  for (const name of OUTPUT_FILES) paths.push(await writeOutput(directory, name, contents[name]()))
  return paths
}
