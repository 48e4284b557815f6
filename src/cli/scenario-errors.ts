/** Everything that is wrong with a scenario, a line each, before the error that sums it up. */
import { formatProblem, ScenarioError } from '../sim/scenario/problems.js'
import type { Output } from './output.js'
import { printable } from './text.js'

/** Does something with a scenario. @throws whatever that throws */
export function explained<T>(output: Pick<Output, 'note'>, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ScenarioError && error.problems.length > 1) {
      for (const problem of error.problems) output.note(printable(formatProblem(problem)))
    }
    throw error
  }
}
