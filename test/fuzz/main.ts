/**
 * `npm run fuzz -- --seconds N [--target NAME] [--seed S]`: all targets, each for its part of the
 * time. What is found is kept as a case under `test/fuzz/corpus`, which `npm test` replays, and
 * ends the run with exit code 1.
 */
import { parseArgs } from 'node:util'
import { drawFrom, keepCase, readCorpus } from './mutations.js'
import { fuzz } from './fuzzer.js'
import { TARGETS } from './targets/index.js'
import { Watchdog } from './watchdog.js'

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 0xffffffff) }
  }
})
const [seed, seconds] = [Number(values.seed), Number(values.seconds)]
if (!Number.isSafeInteger(seed) || !(seconds > 0)) {
  throw new Error('--seed is a whole number, --seconds one above 0.')
}
const targets = TARGETS.filter(({ name }) => values.target === undefined || name === values.target)
if (targets.length === 0) {
  throw new Error(
    `There is no target ${values.target ?? ''}; there are ${TARGETS.map(({ name }) => name).join(', ')}.`
  )
}
say(`seed ${seed}, ${seconds} s for ${targets.length} targets`)

let found = 0
const watchdog = new Watchdog()
for (const target of targets) {
  const end = performance.now() + (seconds * 1_000) / targets.length
  const corpus = (await readCorpus(target.name)).map(({ input }) => input)
  const { runs, reached, kept, findings } = await fuzz(watchdog.watched(target), {
    draw: drawFrom(seed),
    corpus,
    isOver: () => performance.now() >= end
  })
  say(
    `${target.name.padEnd(14)} ${String(runs).padStart(8)} runs, ${String(Math.round(reached / 1_000)).padStart(4)} kB of code reached, ${String(kept.length).padStart(4)} inputs`
  )
  for (const { input, error } of findings) {
    found += 1
    say(
      `FOUND ${await keepCase(target.name, input)}: ${error.stack ?? error.message}${error.cause instanceof Error ? `\n${error.cause.stack ?? ''}` : ''}`
    )
  }
}
await watchdog.end()
say(found === 0 ? 'nothing found' : `${found} found`)
process.exitCode = found === 0 ? 0 : 1
