/**
 * Child process: one mutant against the tests that reach it, up to the first that fails. Exit code
 * 1 when one does, 0 when the mutant survives: `node dist/test/mutants/trial.js FILE`, which holds
 * a `Trial`.
 */
import { readFileSync } from 'node:fs'
import { register } from 'node:module'
import type { Replacement } from '../model/mutants.js'

export interface Trial {
  readonly replacement: Replacement
  /** In the order in which they are run. */
  readonly files: ReadonlyArray<readonly [path: string, titles: readonly string[]]>
}

const { replacement, files } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Trial
register('../model/mutate-hooks.js', import.meta.url, { data: [replacement] })
// From here on modules are loaded with the fault in them.
await import('../setup.js')
const { runFile } = await import('./suites.js')
for (const [path, titles] of files) {
  if ((await runFile(path, new Set(titles), true)) > 0) process.exit(1)
}
process.exit(0)
