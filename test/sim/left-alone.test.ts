/**
 * A server whose share a renewal has taken along, and whose client never comes back: some days
 * after L it has it all on the chain (STAKE-3).
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { worldOf } from '../../src/sim/fuzz.js'
import { simulate } from '../../src/sim/simulate.js'

const RUN = fileURLToPath(new URL('./run.js', import.meta.url))
const MUTATE = new URL('../model/mutate.js', import.meta.url).href

/**
 * The first of the random worlds in which a client goes away for good, and nobody else does any
 * harm.
 */
function worldsLeftAlone(count: number): number[] {
  const seeds: number[] = []
  for (let seed = 1; seeds.length < count; seed++) {
    const { adversaries, faults, duration } = worldOf(seed).scenario
    if (
      adversaries.length === 0 &&
      faults.some(
        (fault) =>
          fault.kind === 'crash' && fault.down.kind === 'constant' && fault.down.value === duration
      )
    ) {
      seeds.push(seed)
    }
  }
  return seeds
}

/** Plays a random world in a process of its own, with a fault in the code. */
function playWith(mutant: string, seed: number): Promise<string> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--import', MUTATE, RUN, '--seed', String(seed)],
      { env: { ...process.env, PAYCHAN_MUTANT: mutant } },
      (_error, stdout, stderr) => {
        resolve(stdout + stderr)
      }
    )
  })
}

describe('sim / a server that is left alone with what it brought along', function () {
  this.slow(20_000)

  const seeds = worldsLeftAlone(4)

  it('has it on the chain in the end, whatever else happens', async () => {
    for (const seed of seeds) {
      const { scenario, plan } = worldOf(seed)
      assert.deepEqual(
        (await simulate(scenario, plan, { checked: true })).broken,
        [],
        `world ${seed}`
      )
    }
  })

  it('and the simulator finds it when it has not', async () => {
    const found: string[] = []
    for (const seed of seeds) {
      found.push(await playWith('nothing-fetched', seed))
      if (found.at(-1)?.includes('stuck: ') === true) return
    }
    assert.fail(`no world breaks:\n${found.map((text) => text.slice(-200)).join('\n')}`)
  })
})
