/** Errors of a file, and their positions. */
import { PaychanError } from '../../types/errors.js'

/** Keys and places in lists, from the top. */
export type Path = ReadonlyArray<string | number>

export interface Problem {
  readonly file: string
  /** Line number from 1. */
  readonly line: number
  readonly column: number
  /** The error, and what to write instead. */
  readonly sentence: string
}

/** `FILE:LINE:COLUMN: what is wrong`, as compilers write it. */
export function formatProblem({ file, line, column, sentence }: Problem): string {
  return `${file}:${line}:${column}: ${sentence}`
}

/** A file of nonsense has thousands of errors, and nobody reads them. */
export const MOST_SHOWN = 50

/** All errors of a scenario, in the order of its lines. The message shows the first. */
export class ScenarioError extends PaychanError {
  readonly problems: readonly Problem[]

  constructor(found: readonly Problem[]) {
    const problems = [...found].sort((a, b) =>
      a.file < b.file
        ? -1
        : a.file > b.file
          ? 1
          : a.line === b.line
            ? a.column - b.column
            : a.line - b.line
    )
    const [first = { file: '', line: 1, column: 1, sentence: 'The scenario cannot be used.' }] =
      problems
    const others = problems.length - 1
    super(
      'ERR_SCENARIO_INVALID',
      `${formatProblem(first)}${others > 0 ? ` (and ${others} more)` : ''}`,
      {
        file: first.file,
        line: first.line,
        column: first.column,
        problems: problems.slice(0, MOST_SHOWN).map(formatProblem).join('\n')
      }
    )
    this.problems = problems.slice(0, MOST_SHOWN)
  }
}
