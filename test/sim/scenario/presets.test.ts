import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makePlan } from '../../../src/sim/plan.js'
import {
  loadScenario,
  presetNames,
  readScenarioText
} from '../../../src/sim/scenario/scenario-file.js'
import { PaychanError } from '../../../src/types/errors.js'

describe('the presets', () => {
  it('are those that the documentation names', () => {
    assert.deepEqual(presetNames(), [
      'bad-week',
      'hostile',
      'hub',
      'marketplace',
      'outage',
      'pair',
      'random',
      'ring',
      'scale-free'
    ])
  })

  it('are sound, carry their own name, and say in a sentence what they are', () => {
    for (const preset of presetNames()) {
      const { name, description, seed } = loadScenario(preset)
      assert.equal(name, preset)
      assert.match(description, /^[A-Z].{20,100}\.$/)
      assert.equal(seed, 1)
    }
  })

  it('are commented, and small enough to run in seconds', () => {
    for (const preset of presetNames()) {
      assert.match(readScenarioText(preset).text, /^# /)
      const plan = makePlan(loadScenario(preset))
      let payments = 0
      for (const each = plan.payments(); each.next().done !== true;) payments++
      assert.ok(
        plan.openings.length <= 100 && payments > 100 && payments < 10_000,
        `${preset}: ${plan.openings.length} channels, ${payments} payments`
      )
    }
  })

  it('take their fee trace from beside them', () => {
    const { fees } = loadScenario('bad-week').chain
    assert.ok(fees.kind === 'trace' && fees.points.length > 100)
  })
})

describe('a scenario by its name', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-scenario-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  it('is a file, with its trace beside it', async () => {
    await writeFile(
      join(dir, 'mine.yaml'),
      'name: mine\ndays: 1\nnodes: { a: { count: 2, coins: 1btc } }\nchannels: [{ from: a, to: a, shape: ring, capacity: 20000 }]\nchain: { fees: { trace: fees.csv } }\n'
    )
    await writeFile(join(dir, 'fees.csv'), '0,5\n144,8\n')
    assert.deepEqual(loadScenario(join(dir, 'mine.yaml')).chain.fees, {
      kind: 'trace',
      points: [
        { height: 0, rate: 5_000n },
        { height: 144, rate: 8_000n }
      ]
    })
  })

  it('that is none is refused, with the preset that was meant', () => {
    assert.throws(
      () => loadScenario('hubb'),
      (error: unknown) =>
        error instanceof PaychanError &&
        error.code === 'ERR_NO_SCENARIO' &&
        /Did you mean the preset 'hub'\?/.test(error.message)
    )
    assert.throws(() => loadScenario(dir), /it is not a file/)
  })

  it('that is huge is refused before it is read', async () => {
    await writeFile(join(dir, 'huge.yaml'), Buffer.alloc(1_000_000, 32))
    assert.throws(
      () => loadScenario(join(dir, 'huge.yaml')),
      /it has 1,000,000 bytes, and at most 400,000 are read/
    )
  })
})
