/**
 * `npm run test:chaos -- --minutes N --seed N`: nodes in processes of their own, paying while they
 * are killed and frozen, while links, servers, clocks and disks fail and the chain is taken back;
 * then the books of everybody are held against each other and the chain.
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { drill } from './drill.js'
import { FAULTS, NEVER } from './faults.js'

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 0x7fffffff) }
  }
})
const [seed, minutes] = [Number(values.seed), Number(values.minutes)]
if (!Number.isSafeInteger(seed) || !(minutes > 0)) {
  throw new Error('--seed is a whole number, --minutes one above 0.')
}

say(`seed ${seed}, ${minutes} min: alice pays bob, carol and bob pay each other`)
for (const { name, missing } of FAULTS) {
  const reason = missing?.()
  if (reason !== undefined) say(`SKIPPED ${name}: ${reason}`)
}
for (const text of NEVER) say(`SKIPPED ${text}`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const { findings, acknowledged, asked, strikes } = await drill({
  seed,
  minutes,
  directory: await mkdtemp(join(tmpdir(), 'paychan-chaos-')),
  say
})
for (const finding of findings) say(`FOUND ${finding}`)
say(
  `${strikes} faults, ${asked} payments asked for, ${acknowledged} acknowledged: ${findings.length === 0 ? 'none lost, none double, conserved to the satoshi' : `${findings.length} findings with seed ${seed}`}`
)
// Whoever still waits for an answer of a node that is gone.
process.exit(findings.length === 0 ? 0 : 1)
