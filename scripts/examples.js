/**
 * Runs each program of `examples/`, one after the other, and shows what it printed. One that fails,
 * says nothing, or takes longer than a minute ends the run with exit code 1.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const LONGEST_MS = 60_000
const directory = fileURLToPath(new URL('../dist/examples/', import.meta.url))
const sources = readdirSync(new URL('../examples/', import.meta.url)).filter((name) =>
  name.endsWith('.ts')
)

let failed = sources.length === 0
for (const name of sources) {
  console.log(`--- examples/${name}`)
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--enable-source-maps', name.replace(/\.ts$/, '.js')],
    { cwd: directory, encoding: 'utf8', timeout: LONGEST_MS }
  )
  process.stdout.write(stdout)
  if (status === 0 && stdout.trim() !== '') continue
  failed = true
  console.error(`${stderr}examples/${name} failed: ${signal ?? `exit code ${status}`}`)
}
if (failed) process.exitCode = 1
